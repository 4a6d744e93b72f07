"""Children are trained on answers that members have proved, with real models, whoever is killed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.manifest.reader import parse_manifest
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, PlanDocument, ResultDocument
from cycleqd.run.admission import admit
from cycleqd.run.verification import Verifier
from cycleqd.store import open_store
from tests.evaluation.tiny_llama import save_tiny_llama
from tests.run.synthetic import archives

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.evolution.lessons import Lesson
    from cycleqd.manifest.model import Manifest
    from cycleqd.run.store import RunStore

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(300)]

SKILLS = ("sql", "python")
ITEMS = 6
GENERATIONS = 3


class Killed(BaseException):
    """Stands for a kill: nothing after it happens."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, two experts, and for each skill items whose answers are what its expert says."""
    import torch
    from safetensors.torch import load_file, save_file

    from cycleqd.evaluation.engine import Request
    from cycleqd.evaluation.engines.transformers import TransformersEngine

    folder = tmp_path_factory.mktemp("swarm")
    base = save_tiny_llama(folder / "base")
    weights = load_file(base / "model.safetensors")
    for number, skill in enumerate(SKILLS):
        expert = save_tiny_llama(folder / skill)
        generator = torch.Generator().manual_seed(number)
        changed = {
            name: tensor + 0.08 * torch.randn(tensor.shape, generator=generator)
            if tensor.dim() == 2
            else tensor
            for name, tensor in weights.items()
        }
        save_file(changed, expert / "model.safetensors", {"format": "pt"})
        engine = TransformersEngine(
            expert, dtype="float32", threads=1, max_model_len=64, device="cpu", max_batch=16
        )
        for split in ("search", "test"):
            prompts = [f"{split} {skill} {n}: " for n in range(ITEMS)]
            answers = engine.generate([Request(prompt, 4) for prompt in prompts])
            rows = [
                {"id": f"{n}", "prompt": prompt, "answer": answer}
                for n, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
            ]
            lines = "".join(f"{json.dumps(row)}\n" for row in rows)
            (folder / f"{skill}.{split}.jsonl").write_text(lines)
        engine.close()
    return folder


def manifest(folder: Path, rival: dict[str, object] | None = None, **tune: object) -> Manifest:
    document: dict[str, Any] = {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {"name": "swarm"},
        "spec": {
            "base": {"uri": str(folder / "base")},
            "experts": [{"name": skill, "uri": str(folder / skill)} for skill in SKILLS],
            "tasks": [
                {
                    "name": skill,
                    "type": "exact",
                    "maxNewTokens": 4,
                    "items": {
                        split: str(folder / f"{skill}.{split}.jsonl")
                        for split in ("search", "test")
                    },
                }
                for skill in SKILLS
            ],
            "evolution": {
                "generations": GENERATIONS,
                "candidatesPerGeneration": 3,
                "pipelineDepth": 1,
                "mutation": {"method": "None"},
                "tune": {
                    "share": "0.7",
                    "rank": 8,
                    "alpha": "16",
                    "learningRate": "0.02",
                    "epochs": 12,
                    "batchSize": 6,
                    **tune,
                },
                **(rival or {}),
            },
            "evaluation": {"engine": "transformers", "dtype": "float32", "maxModelLen": 64},
        },
    }
    return parse_manifest(json.dumps(document), "swarm")


def evolve(run: RunStore, scratch: Path, kill_at: str | None = None) -> None:
    """Coordinator and one worker, turn by turn; ends before a key below ``kill_at`` is made."""
    from cycleqd.roles.coordinator import Coordinator
    from cycleqd.roles.entry_queue import EntryQueue
    from cycleqd.roles.workbench import ModelWorkbench
    from cycleqd.roles.worker import Worker, WorkerSettings

    bench = ModelWorkbench(run, scratch, device="cpu")
    worker = Worker(run, WorkerSettings(0, 1, scratch), bench)
    coordinator, queue = Coordinator(run), EntryQueue(run, 0, 1)
    create = run.objects.create

    def mortal(key: str, data: bytes) -> bool:
        if kill_at is not None and key == kill_at:
            raise Killed
        return create(key, data)

    run.objects.create = mortal  # type: ignore[method-assign]
    try:
        for _ in range(100):
            if coordinator.step().complete:
                return
            while (work := queue.next()) is not None:
                worker.do(work)
        raise AssertionError("the run did not end")
    finally:
        bench.close()


def begun(
    folder: Path, place: Path, rival: dict[str, object] | None = None, **tune: object
) -> RunStore:
    document = manifest(folder, rival, **tune)
    return admit(open_store(str(place / "store")), document, checkpoints=place / "scratch")


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    place = tmp_path_factory.mktemp("finished")
    run = begun(folder, place)
    evolve(run, place / "scratch")
    return run


def entries(run: RunStore) -> list[tuple[EvaluateEntry, ResultDocument]]:
    found = []
    for generation in range(1, GENERATIONS + 1):
        stage = keys.generation(generation)
        plan = run.plan(stage)
        assert isinstance(plan, PlanDocument)
        for index, entry in enumerate(plan.entries):
            assert isinstance(entry, EvaluateEntry)
            found.append((entry, run.result(stage, index)))
    return found


def adapters(run: RunStore) -> dict[str, bytes]:
    tuned = (entry.candidate for entry, _ in entries(run) if entry.tune is not None)
    return {candidate: run.objects.read(keys.adapter(candidate)) for candidate in tuned}


def test_plans_say_who_learns_of_whom(finished: RunStore) -> None:
    orders = [entry.tune for entry, _ in entries(finished)]
    assert 2 <= sum(order is not None for order in orders) < len(orders)
    for number, order in enumerate(orders):
        if order is not None:
            assert order.answers == number // 3, "answers up to the generation that the plan reads"
            assert set(order.shares) == set(SKILLS)


def test_tuned_children_solve_what_their_merge_does_not(finished: RunStore) -> None:
    def mean(tuned: bool) -> float:
        scores = [
            sum(result.scores.values()) / len(SKILLS)
            for entry, result in entries(finished)
            if (entry.tune is not None) is tuned
        ]
        return sum(scores) / len(scores)

    assert mean(tuned=True) > mean(tuned=False) + 0.1


def test_their_own_adapter_is_all_that_their_genome_adds(finished: RunStore) -> None:
    for entry, _ in entries(finished):
        if entry.tune is not None:
            assert finished.genome(entry.candidate).adapters == (entry.candidate,)


def verify(run: RunStore, scratch: Path) -> None:
    from cycleqd.run.models import RunModels

    models = RunModels(run, scratch).under_way()
    verified = Verifier(
        run, lambda candidate: models.materializer.digest(models.stored_genome(candidate))
    ).verify()
    assert verified.weights >= 3 * GENERATIONS


def test_the_run_is_verified_with_its_weights(finished: RunStore, tmp_path: Path) -> None:
    verify(finished, tmp_path)


def test_a_rival_that_tunes_learns_by_the_same_path(folder: Path, tmp_path: Path) -> None:
    rival = {"strategy": "TunedScalar", "tunedScalar": {"grid": 2}}
    run = begun(folder, tmp_path, rival, epochs=4)
    evolve(run, tmp_path / "scratch")
    done = entries(run)
    assert [entry.tune is not None for entry, _ in done] == 2 * [False] + 7 * [True]
    assert all(result.failure is None for _, result in done)
    # Generation 1 knows no scalar yet, later ones take the better of the two.
    assert [entry.parents for entry, _ in done[:3]] == [(), (), ()]
    assert len({entry.parents for entry, _ in done[3:]}) == 1
    assert done[3][0].parents in {("c000000",), ("c000001",)}
    assert len(set(adapters(run).values())) == 7, "each has a seed of its own"
    verify(run, tmp_path / "other")


@pytest.mark.parametrize("what", ["adapter", "result"])
def test_a_kill_in_the_middle_of_a_tune_changes_nothing(
    folder: Path, finished: RunStore, tmp_path: Path, what: str
) -> None:
    stage = keys.generation(2)
    plan = finished.plan(stage)
    assert plan is not None
    index, candidate = next(
        (index, entry.candidate)
        for index, entry in enumerate(plan.entries)
        if isinstance(entry, EvaluateEntry) and entry.tune is not None
    )
    # An adapter is created as a file, from which `answers.json` is the next object: a kill there
    # comes after the adapter and before the result.
    fatal = keys.answers(candidate) if what == "adapter" else stage.result_key(index)
    run = begun(folder, tmp_path)
    with pytest.raises(Killed):
        evolve(run, tmp_path / "scratch", kill_at=fatal)
    assert run.objects.exists(keys.adapter(candidate))
    again = begun(folder, tmp_path)
    evolve(again, tmp_path / "other")
    assert archives(again.objects) == archives(finished.objects)
    assert adapters(again) == adapters(finished)


def test_what_is_taught_are_the_answers_of_committed_members(finished: RunStore) -> None:
    from cycleqd.run.teaching import Teaching

    tune = finished.latest().spec.evolution.tune
    assert tune is not None
    teaching = Teaching(finished)
    now = finished.latest()
    late, early = (teaching.lessons("sql", number, tune, now) for number in (GENERATIONS, 0))
    assert {lesson.item for lesson in early} == {f"{n}" for n in range(ITEMS)}
    assert all(lesson.givers == (keys.expert("sql"),) for lesson in early)
    tuned = {entry.candidate for entry, _ in entries(finished) if entry.tune is not None}
    assert any(tuned & set(lesson.givers) for lesson in late)


@pytest.mark.parametrize("distillation", [0.0, 0.5])
def test_experts_who_teach_are_asked_first(
    finished: RunStore, monkeypatch: pytest.MonkeyPatch, distillation: float
) -> None:
    from cycleqd.run import teaching

    asked: set[tuple[str, ...]] = set()
    choose = teaching.choose

    def watched(*given: Any) -> Any:
        asked.add(tuple(given[3]))
        return choose(*given)

    monkeypatch.setattr(teaching, "choose", watched)
    tune = finished.latest().spec.evolution.tune
    assert tune is not None
    tune = tune.model_copy(update={"distillation": distillation})
    teaching.Teaching(finished).lessons("sql", GENERATIONS, tune, finished.latest())
    assert asked == {tuple(map(keys.expert, SKILLS)) if distillation else ()}


def test_items_that_are_kept_out_teach_nobody_and_choose(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cycleqd.api.run import Run
    from cycleqd.evaluation.engine import Request
    from cycleqd.evaluation.engines.prompts import Tokenizer
    from cycleqd.evolution.hold_out import hold_out_of
    from cycleqd.roles import tuner

    shown: set[tuple[int, ...]] = set()
    tune = tuner.tune

    def watched(model: Any, weights: Any, examples: Any, *rest: Any, **more: Any) -> Any:
        shown.update(tuple(example.tokens[: example.start]) for example in examples)
        return tune(model, weights, examples, *rest, **more)

    monkeypatch.setattr(tuner, "tune", watched)
    run = begun(folder, tmp_path, holdOutShare="0.5")
    evolve(run, tmp_path / "scratch")
    spec, tokenizer = run.latest().spec, Tokenizer(folder / "base", 64)
    for skill in SKILLS:
        prompts = [Request(f"search {skill} {n}: ", 4) for n in range(ITEMS)]
        kept = hold_out_of(spec).positions(skill, ITEMS)
        assert len(kept) == ITEMS // 2
        told = [tuple(tokens) in shown for tokens in tokenizer.encode(prompts)]
        assert told == [place not in kept for place in range(ITEMS)]
    status = Run(run.objects).status()
    assert status.recommended is not None
    result = next(r for e, r in entries(run) if e.candidate == status.recommended.candidate)
    assert status.recommended.unseen == hold_out_of(spec).scores(result.outcomes)
    Verifier(run, None).verify()


def test_experts_teach_what_they_have_answered_themselves(
    folder: Path, finished: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cycleqd.evaluation.engine import Request
    from cycleqd.evaluation.engines.prompts import Tokenizer
    from cycleqd.roles import tuner
    from cycleqd.run.teaching import Teaching

    taught: dict[tuple[int, ...], bool] = {}
    tune = tuner.tune

    def watched(model: Any, weights: Any, examples: Any, *rest: Any, **more: Any) -> Any:
        for example in examples:
            taught[tuple(example.tokens[: example.start])] = example.taught is not None
        return tune(model, weights, examples, *rest, **more)

    monkeypatch.setattr(tuner, "tune", watched)
    run = begun(folder, tmp_path, distillation="0.9")
    lessons = Teaching.lessons

    def one_by_a_child(self: Teaching, task: str, *rest: Any) -> tuple[Lesson, ...]:
        return tuple(
            replace(lesson, givers=("c000000",))
            if (task, lesson.item) == ("python", "0")
            else lesson
            for lesson in lessons(self, task, *rest)
        )

    monkeypatch.setattr(Teaching, "lessons", one_by_a_child)
    evolve(run, tmp_path / "scratch")
    tokenizer = Tokenizer(folder / "base", 64)
    asked = [Request(f"search {skill} {n}: ", 4) for skill in SKILLS for n in range(ITEMS)]
    teaches = [taught[tuple(tokens)] for tokens in tokenizer.encode(asked)]
    assert teaches == [*[True] * ITEMS, False, *[True] * (ITEMS - 1)]
    assert adapters(run).keys() == adapters(finished).keys()
    assert not {*adapters(run).values()} & {*adapters(finished).values()}
