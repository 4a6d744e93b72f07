"""A task's prompts are written by the template of the expert that it names, as the run began.

They are what the expert's own tokenizer would write, its special tokens and the system message
included, whoever evaluates and whenever; an exported member carries the template.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.compare.documents import Subject
from cycleqd.errors import StoreCorrupt, VerificationError
from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines import create_engine
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.run.admission import admit
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore, open_store
from tests.run.test_a_run_is_continued_from_any_folder import lay_out
from tests.run.test_children_learn_from_the_swarm import evolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.runtime

SYSTEM = "the cat sat"
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }} {{ message['content'] }} "
    "{{ eos_token }}{% endfor %} {{ strftime_now('%d %b') }}"
    "{% if add_generation_prompt %} the{% endif %}"
)
TOKENS = 4


def written(prompt: str) -> str:
    """What the expert's tokenizer makes of a prompt, on the day of all runs."""
    return f"<unk>system {SYSTEM} </s>user {prompt} </s> 26 Jul the"


def completions(folder: Path, prompts: Sequence[str]) -> list[str]:
    engine = create_engine(
        "transformers",
        folder,
        dtype="float32",
        threads=1,
        max_model_len=128,
        gpu_memory_utilization=0.5,
        device="cpu",
    )
    try:
        return engine.generate([Request(prompt, TOKENS) for prompt in prompts])
    finally:
        engine.close()


def set_up(place: Path) -> Path:
    """Items of task python that are what expert python answers, in its own words."""
    lay_out(place, generations=1)
    expert = place / "models/python"
    config = json.loads((expert / "tokenizer_config.json").read_text())
    config |= {"bos_token": "<unk>", "pad_token": "</s>"}  # the base's is <s>, and it has no other
    (expert / "tokenizer_config.json").write_text(json.dumps(config))
    (expert / "chat_template.jinja").write_text(TEMPLATE)
    for split in ("search", "test"):
        file = place / f"python.{split}.jsonl"
        items = [json.loads(line) for line in file.read_text().splitlines()]
        prompts = [item["prompt"] for item in items]
        answers = completions(expert, [written(prompt) for prompt in prompts])
        assert answers != completions(expert, prompts)
        lines = [
            json.dumps({**item, "answer": answer.strip()})
            for item, answer in zip(items, answers, strict=True)
        ]
        file.write_text("\n".join(lines))
    document = json.loads((place / "run.json").read_text())
    for task in document["spec"]["tasks"]:
        task["maxNewTokens"] = TOKENS
    document["spec"]["tasks"][1] |= {
        "chat": True,
        "chatTemplateFrom": "python",
        "systemMessage": SYSTEM,
    }
    document["spec"]["evaluation"] = {
        "engine": "transformers",
        "dtype": "float32",
        "maxModelLen": 128,
    }
    (place / "run.json").write_text(json.dumps(document))
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run, after which the expert's template was changed in its folder."""
    place = set_up(tmp_path_factory.mktemp("place"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        manifest = load_manifest(place / "run.json")
        run = admit(open_store(str(place / "store")), manifest, checkpoints=place / "scratch")
        other = TEMPLATE.replace(" the", " cat")
        (place / "models/python/chat_template.jinja").write_text(other)
        evolve(run, place / "scratch")
    return place


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.chdir(place)
    return RunStore(open_store(str(place / "store")))


def scores(run: RunStore) -> dict[str, float]:
    """Of task python on search items by candidate, in generation 0."""
    found = run.evaluated(keys.generation(0))
    return {entry.candidate: result.scores["python"] for entry, result in found}


def test_an_expert_scores_what_it_answers_under_its_own_template(run: RunStore) -> None:
    assert scores(run)["expert-python"] == 1.0
    assert scores(run)["expert-sql"] < 1.0
    position = run.position()
    assert position.summary is not None
    rows = [row for row in position.summary.rows if row.candidate == "expert-python"]
    assert {row.test["python"] for row in rows} == {1.0}


def test_whoever_evaluates_again_asks_the_same(run: RunStore, place: Path) -> None:
    from cycleqd.roles.workbench import ModelWorkbench

    plan = run.plan(keys.generation(0))
    assert plan is not None
    (entry,) = [
        entry
        for entry in plan.entries
        if isinstance(entry, EvaluateEntry) and entry.candidate == "expert-python"
    ]
    bench = ModelWorkbench(run, place / "scratch", device="cpu")
    try:
        assert bench.evaluate(entry, run.latest()).scores["python"] == 1.0
    finally:
        bench.close()


def test_the_run_is_named_by_the_template_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    manifest = load_manifest(place / "run.json")
    first = RunStore(open_store(str(place / "store"))).document
    assert first.to_bytes() == type(first).from_bytes(first.to_bytes(), "run.json").to_bytes()
    second = admit(MemoryStore(), manifest, checkpoints=place / "scratch").document
    assert second.manifest == first.manifest
    assert second.run_id != first.run_id
    assert b"chatTemplates" not in first.model_copy(update={"chat_templates": {}}).to_bytes()


def test_another_template_in_the_store_is_noticed(run: RunStore) -> None:
    changed = MemoryStore()
    for key in run.objects.list():
        other = key == keys.chat_template("python")
        changed.create(key, b"other" if other else run.objects.read(key))
    with pytest.raises(VerificationError, match=r"experts/python/chat_template\.jinja: SHA-256"):
        Verifier(RunStore(changed), None).verify()
    with pytest.raises(StoreCorrupt, match=r"experts/python/chat_template\.jinja: SHA-256"):
        RunStore(changed).chat_template("python")
    Verifier(run, None).verify()


def test_a_store_without_the_template_s_digest_is_refused(run: RunStore) -> None:
    document = run.document.model_copy(update={"chat_templates": {}})
    store = MemoryStore()
    store.create(keys.RUN, document.to_bytes())
    with pytest.raises(StoreCorrupt, match="chatTemplates are not those of its manifest's tasks"):
        RunStore(store).latest()


def test_an_exported_member_writes_the_same_prompts(
    run: RunStore, place: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    RunModels(run, place / "scratch").under_way().export("expert-sql", tmp_path / "member")
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "member"))
    turns = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "a cat"}]
    day = date(2024, 7, 26)
    options = {"tokenize": False, "add_generation_prompt": True, "strftime_now": day.strftime}
    assert tokenizer.apply_chat_template(turns, **options) == written("a cat")
    told = (tmp_path / "member/chat_template.jinja").read_text().removesuffix(TEMPLATE)
    assert told == "{%- set bos_token = '<unk>' -%}\n", "what is used and not the base's"


def test_an_exported_member_of_several_templates_has_the_base_s(
    run: RunStore, place: Path, tmp_path: Path
) -> None:
    revision = run.latest()
    tasks = tuple(
        task.model_copy(update={"chat": True, "chat_template_from": source})
        for task, source in zip(revision.spec.tasks, (None, "python"), strict=True)
    )
    spec = revision.spec.model_copy(update={"tasks": tasks})
    manifest = revision.manifest.model_copy(update={"spec": spec})
    models = RunModels(run, place / "scratch").as_of(replace(revision, manifest=manifest))
    models.export("expert-sql", tmp_path / "member")
    assert not (tmp_path / "member/chat_template.jinja").exists()


def test_outcomes_of_another_template_are_not_taken_for_these() -> None:
    known: dict[str, Any] = {
        "weights": "w",
        "engine": "transformers",
        "evaluation": {},
        "threads": 1,
        "base": "b",
        "tasks": {},
        "items": {},
        "counts": {},
    }
    subjects = [
        Subject(**known, chat_templates=templates)
        for templates in ({}, {"python": "1"}, {"python": "2"})
    ]
    assert len({subject.to_bytes() for subject in subjects}) == 3
    assert b"chatTemplates" not in subjects[0].to_bytes(), "as earlier versions called it"
