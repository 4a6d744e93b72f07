"""Other items for a task of a living run are looked at like the first: files and checkpoints."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.errors import DatasetError, InputError, RunMismatch
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.run.admission import admit
from cycleqd.run.verification import Verifier
from cycleqd.store.memory import MemoryStore
from tests.checkpoints import family
from tests.run.synthetic import ITEMS, digest_of, do_everything
from tests.run.test_a_run_is_continued_from_any_folder import SKILLS, lay_out
from tests.run.test_newcomers_are_looked_at_like_the_first import edit, write_items

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cycleqd.run.store import RunStore

pytestmark = pytest.mark.runtime

OLD = [f"search {n}" for n in range(ITEMS)]
HELD_OUT = [f"test {n}" for n in range(ITEMS)]
TASK = SKILLS[1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest of two experts."""
    folder = tmp_path / "place"
    folder.mkdir()
    lay_out(folder)
    family(folder / "models", experts=SKILLS)
    for skill in SKILLS:
        write_items(folder / f"{skill}.search.jsonl", OLD)
        write_items(folder / f"{skill}.test.jsonl", HELD_OUT)
    edit(folder, begin_with)
    monkeypatch.chdir(folder)
    return folder


def begin_with(spec: dict[str, Any]) -> None:
    spec["evaluation"] = {"engine": "transformers"}
    for task in spec["tasks"]:
        name = task["name"]
        task["items"] = {"search": f"{name}.search.jsonl", "test": f"{name}.test.jsonl"}


@pytest.fixture
def run(place: Path) -> RunStore:
    """A finished run of the two."""
    run = asked(place, MemoryStore())
    do_everything(run)
    return run


def asked(place: Path, objects: Any, said: list[str] | None = None, *, look: bool = True) -> Any:
    return admit(
        objects,
        load_manifest(place / "run.json"),
        checkpoints=place / "scratch",
        say=(lambda line: None) if said is None else said.append,
        look_at_items=look,
    )


def ask_for(place: Path, generations: int = 6, **items: object) -> None:
    """Name other items for the second task."""

    def change(spec: dict[str, Any]) -> None:
        spec["tasks"][1]["items"] |= items
        spec["evolution"]["generations"] = generations

    edit(place, change)


def joined(run: RunStore) -> list[EvaluateEntry]:
    (generation,) = run.latest().joins
    plan = run.plan(keys.generation(generation))
    assert plan is not None
    return [entry for entry in plan.entries if isinstance(entry, EvaluateEntry)]


def verify(run: RunStore) -> None:
    Verifier(run, lambda candidate: digest_of(run, candidate)).verify()


@pytest.mark.parametrize("name", ["longer.jsonl", f"{TASK}.search.jsonl"])
def test_appended_items_are_asked_alone_under_another_name_or_the_same(
    place: Path, run: RunStore, name: str
) -> None:
    write_items(place / name, [*OLD, "one more", "another"])
    ask_for(place, search=name)
    said: list[str] = []
    grown = asked(place, run.objects, said)
    assert said == [
        "checking what joins the run",
        f"task {TASK}: 2 search items join those it has",
    ]
    do_everything(grown)
    for entry in joined(grown):
        assert (entry.tasks, entry.first_items) == ((TASK,), {TASK: ITEMS})
    verify(grown)


def test_files_of_a_task_that_is_retired_need_not_be_there(place: Path, run: RunStore) -> None:
    ask_for(place)
    edit(place, lambda spec: spec["tasks"][1].update(retired=True))
    (place / f"{TASK}.search.jsonl").unlink()
    (place / f"{TASK}.test.jsonl").unlink()
    grown = asked(place, run.objects)
    do_everything(grown)
    assert joined(grown) == []
    assert set(grown.latest().items) > {*grown.latest().tasks}
    verify(grown)


def changed_first(prompts: list[str]) -> list[str]:
    return ["other", *prompts[1:], "more"]


@pytest.mark.parametrize(
    "change",
    [changed_first, lambda prompts: prompts[:-1], lambda prompts: [*prompts[::-1], "more"]],
    ids=["edited", "shorter", "turned round"],
)
def test_all_else_replaces_the_items(
    place: Path, run: RunStore, change: Callable[[list[str]], list[str]]
) -> None:
    prompts = change(OLD)
    write_items(place / f"{TASK}.search.jsonl", prompts)
    ask_for(place)
    said: list[str] = []
    grown = asked(place, run.objects, said)
    assert said[-1] == f"task {TASK}: {len(prompts)} search items replace those it has"
    do_everything(grown)
    assert {json.dumps(entry.first_items) for entry in joined(grown)} == {"{}"}
    verify(grown)


def test_more_of_the_same_file_may_be_used(place: Path, run: RunStore) -> None:
    ask_for(place, searchLimit=ITEMS - 5)
    fewer = asked(place, run.objects)
    do_everything(fewer)
    ask_for(place, generations=9, searchLimit=ITEMS)
    more = asked(place, run.objects)
    do_everything(more)
    counts = [r.items[TASK]["search"].count for r in more.history.refresh()]
    assert counts == [ITEMS, ITEMS - 5, ITEMS]
    assert more.latest().items[TASK]["search"].extends == (ITEMS - 5,)
    verify(more)


def test_the_same_items_in_another_file_change_nothing(place: Path, run: RunStore) -> None:
    rows = [{"answer": "a", "prompt": p, "id": f"{n}"} for n, p in enumerate(OLD)]
    (place / "array.json").write_text(json.dumps(rows))
    ask_for(place, search="array.json")
    grown = asked(place, run.objects)
    do_everything(grown)
    assert grown.latest().joins == ()
    assert json.loads(grown.objects.read(keys.revision(1)))["format"] == "cycleqd-revision/1"
    assert asked(place, run.objects).latest().number == 1


def test_files_are_looked_at_only_where_they_are_the_run_s(
    place: Path, run: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_items(place / f"{TASK}.search.jsonl", ["others"])
    assert asked(place, run.objects, look=False).latest().number == 0
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(place, elsewhere)
    monkeypatch.chdir(elsewhere)
    assert asked(elsewhere, run.objects).latest().number == 0
    monkeypatch.chdir(place)
    (place / f"{TASK}.search.jsonl").unlink()
    assert asked(place, run.objects).latest().number == 0


def test_other_held_out_items_spend_no_generation(place: Path, run: RunStore) -> None:
    write_items(place / "held-out.jsonl", ["unseen 1", "unseen 2"])
    ask_for(place, test="held-out.jsonl")
    said: list[str] = []
    grown = asked(place, run.objects, said)
    assert said[-1] == f"task {TASK}: 2 test items replace those it has"
    do_everything(grown)
    assert grown.latest().joins == ()
    (final,) = [keys.final(n) for n in (6,)]
    tested = [len(result.outcomes[TASK]) for _, result in grown.evaluated(final)]
    assert set(tested) == {2}
    verify(grown)


def empty(place: Path) -> None:
    (place / "new.jsonl").write_text("")
    ask_for(place, search="new.jsonl")


def missing(place: Path) -> None:
    ask_for(place, search="new.jsonl")


def shared(place: Path) -> None:
    write_items(place / "new.jsonl", [*OLD, "test 3"])
    ask_for(place, search="new.jsonl")


def tested_before(place: Path) -> None:
    write_items(place / "new.jsonl", ["search 4", "unseen"])
    write_items(place / f"{TASK}.search.jsonl", ["new"])
    ask_for(place, test="new.jsonl")


def too_long(place: Path) -> None:
    write_items(place / "new.jsonl", [*OLD, "cat " * 600])
    ask_for(place, search="new.jsonl")


def no_generation_left(place: Path) -> None:
    write_items(place / f"{TASK}.search.jsonl", [*OLD, "one more"])


def other_type(place: Path) -> None:
    edit(place, lambda spec: spec["tasks"][1].update(type="number"))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (empty, DatasetError, r"^spec\.tasks\[1\]\.items\.search: new.jsonl: holds no item; write"),
        (missing, DatasetError, r"^spec\.tasks\[1\]\.items\.search: new.jsonl: no such file"),
        (shared, DatasetError, r"^spec\.tasks\[1\]\.items: search and test share 1 prompts"),
        (tested_before, DatasetError, r"^spec\.tasks\[1\]\.items\.test: the search has used 1 of "),
        (too_long, DatasetError, r"^spec\.tasks\[1\]\.items\.search: .*: prompt: has 600 to"),
        (no_generation_left, InputError, r"^spec\.evolution\.generations: .*search of .*write 4"),
        (other_type, RunMismatch, r"^spec\.tasks\[1\]\.type: the run in the store has .*; restore"),
    ],
)
def test_what_cannot_join_leaves_the_store_alone(
    place: Path,
    run: RunStore,
    change: Callable[[Path], None],
    kind: type[InputError],
    message: str,
) -> None:
    change(place)
    before = {key: run.objects.read(key) for key in run.objects.list("")}
    with pytest.raises(kind, match=message):
        asked(place, run.objects)
    assert {key: run.objects.read(key) for key in run.objects.list("")} == before


def test_items_whose_answers_were_taught_do_not_come_back_as_unseen(place: Path) -> None:
    edit(place, lambda spec: spec["evolution"].update(tune={"share": "0.2", "holdOutShare": "0.3"}))
    run = asked(place, MemoryStore())
    do_everything(run)
    write_items(place / "new.jsonl", ["other", *OLD[1:]])
    ask_for(place, search="new.jsonl")
    with pytest.raises(DatasetError, match=rf"items.search: {ITEMS - 1} of the new items were amo"):
        asked(place, run.objects)
    write_items(place / "new.jsonl", [*OLD, "one more", "another", "a third"])
    grown = asked(place, run.objects)
    do_everything(grown)
    verify(grown)
