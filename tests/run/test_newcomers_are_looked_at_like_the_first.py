"""Experts and tasks that join are looked at like those that a run began with: real checkpoints.

What cannot join is refused with its field, and the store stays as it was; what can changes no
weight of the members that are there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.errors import CheckpointError, DatasetError, InputError, RunMismatch
from cycleqd.evaluation.engines.weights import checkpoint_tensors
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.run.admission import admit
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store.memory import MemoryStore
from tests.checkpoints import family
from tests.run.synthetic import ITEMS, archives, digest_of, do_everything
from tests.run.test_a_run_is_continued_from_any_folder import SKILLS, lay_out
from tests.weights.damage import edit_config, edit_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

pytestmark = pytest.mark.runtime

NEW = "shell"
TEMPLATE = "{% for message in messages %}{{ message['content'] }} {% endfor %}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest of two experts, and what a third needs to join."""
    folder = tmp_path / "place"
    folder.mkdir()
    lay_out(folder)
    family(folder / "models", experts=(*SKILLS, NEW))
    for split in ("search", "test"):
        write_items(folder / f"{NEW}.{split}.jsonl", [f"{split} {n}" for n in range(ITEMS)])
    edit(folder, lambda spec: spec.update(evaluation={"engine": "transformers"}))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(place: Path) -> RunStore:
    """A finished run of the two."""
    run = asked(place, MemoryStore())
    do_everything(run)
    return run


def write_items(path: Path, prompts: list[str]) -> None:
    rows = [{"id": f"{n}", "prompt": p, "answer": "a"} for n, p in enumerate(prompts)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def edit(place: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((place / "run.json").read_text())
    change(document["spec"])
    (place / "run.json").write_text(json.dumps(document))


def append(place: Path, *, expert: bool = True, task: bool = True, **more: object) -> None:
    def change(spec: dict[str, Any]) -> None:
        if expert:
            spec["experts"].append({"name": NEW, "uri": f"models/{NEW}"})
        if task:
            items = {"search": f"{NEW}.search.jsonl", "test": f"{NEW}.test.jsonl"}
            spec["tasks"].append({"name": NEW, "type": "exact", "items": items, **more})
        spec["evolution"]["generations"] = 6

    edit(place, change)


def asked(place: Path, objects: MemoryStore, said: list[str] | None = None) -> RunStore:
    say = (lambda line: None) if said is None else said.append
    manifest = load_manifest(place / "run.json")
    return admit(objects, manifest, checkpoints=place / "scratch", say=say)


def weights(run: RunStore, place: Path, candidate: str) -> dict[str, torch.Tensor]:
    models = RunModels(run, place / "scratch").under_way()
    for expert in models.revision.experts:
        models.factor(expert)
    return dict(models.materializer.tensors(models.genome(candidate)))


def test_members_stay_what_they_are_to_the_byte(place: Path, run: RunStore) -> None:
    members = {m.candidate for a in run.committed_archive(2).archives.values() for m in a.members}
    before = {name: weights(run, place, name) for name in members}
    append(place)
    grown = asked(place, run.objects)  # type: ignore[arg-type]
    do_everything(grown)
    assert grown.latest().joins == (3,)
    assert grown.latest().layout.experts == (*SKILLS, NEW)
    for name, tensors in before.items():
        now = weights(grown, place, name)
        assert all((now[key] == tensor).all() for key, tensor in tensors.items())
    again = RunStore(grown.objects)
    Verifier(again, lambda candidate: digest_of(again, candidate)).verify()


def test_the_new_expert_is_its_own_checkpoint(place: Path, run: RunStore) -> None:
    append(place)
    grown = asked(place, run.objects)  # type: ignore[arg-type]
    do_everything(grown)
    made = weights(grown, place, keys.expert(NEW))
    own = dict(checkpoint_tensors(place / "models" / NEW))
    assert all((made[name] == tensor.to(made[name].dtype)).all() for name, tensor in own.items())


def test_only_what_joins_is_looked_at(place: Path, run: RunStore) -> None:
    append(place)
    said: list[str] = []
    asked(place, run.objects, said)  # type: ignore[arg-type]
    assert said == ["checking what joins the run", f"checking expert {NEW}"]
    record = json.loads(run.objects.read(keys.revision(1)))
    assert list(record["experts"]) == list(record["items"]) == [NEW]


def test_a_task_joins_without_an_expert(place: Path, run: RunStore) -> None:
    append(place, expert=False)
    grown = asked(place, run.objects)  # type: ignore[arg-type]
    do_everything(grown)
    assert set(grown.committed_archive(6).archives) == {*SKILLS, NEW}
    assert grown.latest().layout.experts == SKILLS


def test_a_task_s_prompts_may_be_written_as_an_older_expert_does(
    place: Path, run: RunStore
) -> None:
    (place / "models" / "sql" / "chat_template.jinja").write_text(TEMPLATE)
    append(place, chat=True, chatTemplateFrom="sql")
    grown = asked(place, run.objects)  # type: ignore[arg-type]
    assert grown.chat_template("sql").endswith(TEMPLATE)
    assert set(grown.latest().chat_templates) == {"sql"}


def other_settings(place: Path) -> None:
    edit_config(place / "models" / NEW, rope_theta=77.0)


def other_shape(place: Path) -> None:
    def cut(state: dict[str, torch.Tensor]) -> None:
        name = next(name for name, tensor in state.items() if tensor.ndim == 2)
        state[name] = state[name][:-1].clone()

    edit_state(place / "models" / NEW, cut)


def shared_prompts(place: Path) -> None:
    write_items(place / f"{NEW}.test.jsonl", ["search 1"])


def long_prompt(place: Path) -> None:
    write_items(place / f"{NEW}.search.jsonl", ["cat " * 600])


def other_base(place: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state.update({name: tensor + 1.0 for name, tensor in state.items()})

    edit_state(place / "models" / "base", change)


DAMAGE = [
    (other_settings, CheckpointError, rf"^spec\.experts\[2\]\.uri: models/{NEW}"),
    (other_shape, CheckpointError, rf"^spec\.experts\[2\]\.uri: .*models/{NEW}"),
    (shared_prompts, DatasetError, r"^spec\.tasks\[2\]\.items: search and test share 1"),
    (long_prompt, DatasetError, r"^spec\.tasks\[2\]\.items\.search: .*:1: prompt: has 600 to"),
]


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        *DAMAGE,
        (other_base, RunMismatch, r"^spec\.base\.uri: .*is not the base that the run began with"),
    ],
)
def test_what_cannot_join_leaves_the_store_alone(
    place: Path, run: RunStore, damage: Callable[[Path], None], kind: type[InputError], message: str
) -> None:
    append(place)
    damage(place)
    before = {key: run.objects.read(key) for key in run.objects.list("")}
    with pytest.raises(kind, match=message):
        asked(place, run.objects)  # type: ignore[arg-type]
    assert {key: run.objects.read(key) for key in run.objects.list("")} == before


def step(place: Path, generation: int = 3) -> None:
    """Let the third join in a generation."""
    append(place)
    names = {"generation": generation, "experts": [NEW], "tasks": [NEW]}
    edit(place, lambda spec: spec.update(curriculum=[names]))


@pytest.mark.parametrize(("damage", "kind", "message"), DAMAGE)
def test_who_joins_later_is_looked_at_before_the_run_begins(
    place: Path, damage: Callable[[Path], None], kind: type[InputError], message: str
) -> None:
    step(place)
    damage(place)
    objects = MemoryStore()
    with pytest.raises(kind, match=message):
        asked(place, objects)
    assert [*objects.list("")] == []


def test_a_curriculum_makes_what_the_same_edit_makes(place: Path, run: RunStore) -> None:
    append(place)
    grown = asked(place, run.objects)  # type: ignore[arg-type]
    do_everything(grown)
    edit(place, lambda spec: spec.update(experts=spec["experts"][:2], tasks=spec["tasks"][:2]))
    step(place)
    said: list[str] = []
    whole = asked(place, MemoryStore(), said)
    assert said[-1] == f"checking expert {NEW}"
    do_everything(whole)
    assert whole.latest().joins == grown.latest().joins == (3,)
    found = {key: data for key, data in archives(whole.objects).items() if "final" not in key}
    assert found.items() <= archives(grown.objects).items()
    again = RunStore(whole.objects)
    Verifier(again, lambda candidate: digest_of(again, candidate)).verify()


class Dying(MemoryStore):
    """A store whose writer is killed before it begins the run."""

    def create(self, key: str, data: bytes) -> bool:
        if key == keys.RUN:
            raise KeyboardInterrupt
        return super().create(key, data)


def test_a_beginning_that_was_killed_is_made_good(place: Path) -> None:
    step(place)
    whole, dying = MemoryStore(), Dying()
    asked(place, whole)
    with pytest.raises(KeyboardInterrupt):
        asked(place, dying)
    assert not RunStore(dying).exists()
    objects = MemoryStore()
    for key in dying.list(""):
        objects.create(key, dying.read(key))
    asked(place, objects)
    assert {k: objects.read(k) for k in objects.list("")} == {
        k: whole.read(k) for k in whole.list("")
    }
