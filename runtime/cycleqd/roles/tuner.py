"""What a worker does for a candidate that learns before it is evaluated.

The genome it begins with is loaded without its adapters into an engine, an adapter that begins as
their sum is trained beside the weights, and is stored. Where the manifest has distillation, the
experts that gave the answers are loaded before it and read them. Of two workers that train the same
one, the first one's stays.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from cycleqd.records import keys
from cycleqd.run.teaching import Teaching, shown
from cycleqd.tuning.examples import Example
from cycleqd.tuning.teachers import distributions
from cycleqd.tuning.tune import TuneSchedule, tune
from cycleqd.weights.adapters import folded, store_adapter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cycleqd.evaluation.engines.transformers import TransformersEngine
    from cycleqd.evaluation.task import Task
    from cycleqd.evolution.lessons import Lesson
    from cycleqd.manifest.evolution import Tune
    from cycleqd.records.documents import TuneOrder
    from cycleqd.run.models import RevisionModels
    from cycleqd.run.store import RunStore

log = logging.getLogger(__name__)

WARMUP_SHARE = 0.1
"""Of the steps, until the learning rate is full."""


class Tuner:
    """Trains the candidates of one run that its plans say are tuned.

    Args:
        run: the run's store.
    """

    def __init__(self, run: RunStore) -> None:
        self._run = run
        self._teaching = Teaching(run)

    def learn(
        self,
        candidate: str,
        order: TuneOrder,
        models: RevisionModels,
        engine: TransformersEngine,
        tasks: Mapping[str, Task],
    ) -> None:
        """Train a candidate's adapter and store it.

        Args:
            candidate: its id.
            order: what its plan says.
            models: the run's weights.
            engine: is left with other weights than it had.
            tasks: those of the search split, by name.

        Raises:
            EngineError: the engine failed.
        """
        settings = models.revision.spec.evolution.tune
        assert settings is not None, "a plan has tunes where the manifest has"
        begin = self._run.begin(candidate)
        seed = _seed(models.revision.spec.seed, candidate)
        hold_out = models.revision.hold_out
        lessons = {
            name: _taught(
                self._teaching.lessons(name, order.answers, settings, models.revision),
                tasks[name].ids,
                hold_out.positions(name, len(tasks[name].ids)),
            )
            for name, share in order.shares.items()
            if share > 0
        }
        learned = folded(begin, models.adapters, settings.rank)
        pairs = shown(lessons, order.shares, seed)
        examples = _examples(engine, tasks, pairs)
        if not examples:  # nobody has solved an item yet
            store_adapter(self._run.objects, candidate, learned)
            return
        if settings.distillation:
            givers = [lesson.givers for _, lesson in pairs]
            examples = _with_teachers(examples, givers, models, engine, settings.batch_size)
        engine.load(models.materializer.tensors(replace(begin, adapters=(), adapter_scale=None)))
        trained = tune(
            engine.model,
            engine.tunable(),
            examples,
            _schedule(settings, len(examples), seed),
            begin=learned,
            progress=lambda line: log.info("%s: %s", candidate, line),
        )
        store_adapter(self._run.objects, candidate, trained)


def _taught(
    lessons: tuple[Lesson, ...], ids: Sequence[str], places: frozenset[int]
) -> tuple[Lesson, ...]:
    """The lessons of items that are not kept out of tuning."""
    kept = {ids[place] for place in places}
    return tuple(lesson for lesson in lessons if lesson.item not in kept)


def _examples(
    engine: TransformersEngine, tasks: Mapping[str, Task], pairs: list[tuple[str, Lesson]]
) -> list[Example]:
    requests = {
        name: dict(zip(task.ids, task.requests(), strict=True)) for name, task in tasks.items()
    }
    found = []
    for name, lesson in pairs:
        request = requests[name][lesson.item]
        prompt, answer = engine.tokens(request, lesson.answer)
        found.append(Example(prompt + answer, len(prompt)))
    return found


def _with_teachers(
    examples: Sequence[Example],
    givers: Sequence[Collection[str]],
    models: RevisionModels,
    engine: TransformersEngine,
    batch_size: int,
) -> list[Example]:
    """Examples with what the expert says to them that has given the answer itself.

    Answers that no expert has given have no teacher: who else solved an item was merged or taught
    to, and each of them would have to be loaded.

    Args:
        examples: what is learned.
        givers: who gave each one's answer.
        models: the run's weights.
        engine: is left with an expert's.
        batch_size: how many a teacher reads at once.
    """
    taught = list(examples)
    for expert in models.revision.spec.experts:
        teacher = keys.expert(expert.name)
        mine = [
            n for n, example in enumerate(taught) if teacher in givers[n] and not example.taught
        ]
        if not mine:
            continue
        engine.load(models.materializer.tensors(models.genome(teacher)))
        said = distributions(engine.model, [taught[n] for n in mine], batch_size)
        for n, distribution in zip(mine, said, strict=True):
            taught[n] = replace(taught[n], taught=distribution)
    return taught


def _schedule(settings: Tune, count: int, seed: int) -> TuneSchedule:
    steps = settings.epochs * -(-count // settings.batch_size)
    return TuneSchedule(
        rank=settings.rank,
        alpha=settings.alpha,
        learning_rate=settings.learning_rate,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        warmup=round(WARMUP_SHARE * steps),
        seed=seed,
        distillation=settings.distillation,
    )


def _seed(seed: int, candidate: str) -> int:
    digest = hashlib.sha256(f"{seed}/{candidate}/tune".encode()).digest()
    return int.from_bytes(digest[:6], "big")
