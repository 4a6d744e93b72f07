"""What a candidate is taught: the answers that members of the run had proved when it was planned.

Which answers these are follows from the store alone. Results of a committed generation never
change, so what was read of one is kept.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cycleqd.errors import StoreCorrupt
from cycleqd.evolution.lessons import Lesson, choose, gather
from cycleqd.records import keys
from cycleqd.records.documents import AnswersDocument, EvaluateEntry

if TYPE_CHECKING:
    from cycleqd.manifest.evolution import Tune
    from cycleqd.run.revision import Revision
    from cycleqd.run.store import RunStore


class Teaching:
    """Reads what may be learned in one run.

    Args:
        run: the run's store.
    """

    def __init__(self, run: RunStore) -> None:
        self._run = run
        self._told: list[list[AnswersDocument]] = []

    def lessons(
        self, task: str, generation: int, tune: Tune, revision: Revision
    ) -> tuple[Lesson, ...]:
        """The answers of a task that are taught, by item.

        Args:
            task: its name.
            generation: the last one whose members teach; it is committed.
            tune: how many answers of an item, and which; with distillation those of experts, who
                teach them, come first.
            revision: says to which items: what was answered to others is no lesson.

        Raises:
            StoreCorrupt: a member has a result and no answers.
        """
        while len(self._told) <= generation:
            self._told.append(self._read(len(self._told)))
        as_of = self._run.history.as_of
        told = (
            document
            for number, part in enumerate(self._told[: generation + 1])
            if task in revision.holding(as_of(number))
            for document in part
        )
        ways = gather((document.candidate, document.answers.get(task, {})) for document in told)
        experts = [keys.expert(expert.name) for expert in revision.spec.experts]
        teachers = experts if tune.distillation else []
        return tuple(
            way
            for each in ways.values()
            for way in choose(each, tune.answers, tune.choice, teachers)
        )

    def _read(self, generation: int) -> list[AnswersDocument]:
        stage = keys.generation(generation)
        plan = self._run.plan(stage)
        if plan is None:
            raise StoreCorrupt(f"{stage.plan_key}: is missing, though the generation is committed")
        found = []
        for index, entry in enumerate(plan.entries):
            if isinstance(entry, EvaluateEntry) and not self._run.result(stage, index).failure:
                key = keys.answers(entry.candidate, entry.revisit)
                found.append(AnswersDocument.from_bytes(self._run.objects.read(key), key))
        return found


def shown(
    lessons: Mapping[str, tuple[Lesson, ...]], shares: Mapping[str, float], seed: int
) -> list[tuple[str, Lesson]]:
    """The answers of one epoch: each as often as its task's share says.

    A share of 2.5 shows every answer twice and half of them, drawn, a third time.

    Args:
        lessons: by task.
        shares: by task, not negative.
        seed: of the draw.

    Returns:
        Pairs of the task and the answer, task by task.
    """
    rng = random.Random(seed)
    pairs: list[tuple[str, Lesson]] = []
    for task, answers in lessons.items():
        whole = int(shares[task])
        some = round((shares[task] - whole) * len(answers))
        drawn = sorted(rng.sample(range(len(answers)), some))
        pairs += [(task, answer) for _ in range(whole) for answer in answers]
        pairs += [(task, answers[index]) for index in drawn]
    return pairs
