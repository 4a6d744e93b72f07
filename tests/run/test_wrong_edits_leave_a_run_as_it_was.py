"""Wrong edits of a living run: each is refused with its field and a remedy, and the run goes on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cycleqd.cli.ending import run_command
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.local import LocalRunner
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.admission import admit
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store import open_store
from tests.checkpoints import family
from tests.run.synthetic import ITEMS, SyntheticWorkbench, digest_of, do_everything
from tests.run.test_a_run_is_continued_from_any_folder import SKILLS, lay_out
from tests.run.wrong_edits import (
    COMMITTED,
    EDITS,
    GENERATIONS,
    NEW,
    Edit,
    Spec,
    expert,
    task,
    write_items,
)

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run in the middle of its generations, whose task python has had other items before.

    Its store is ``store``, and ``undisturbed`` a copy of that.
    """
    place = tmp_path_factory.mktemp("living")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYCLEQD_CACHE", str(place / "cache"))
        patch.chdir(place)
        # Nobody begins to work where an edit is taken after all.
        patch.setattr(LocalRunner, "run", lambda runner, *observers: pytest.fail("it was accepted"))
        lay_out(place)
        family(place / "models", experts=(*SKILLS, NEW))
        for split in ("search", "test"):
            write_items(f"{NEW}.{split}.jsonl", [f"{split} {NEW} {n}" for n in range(ITEMS)])
        edit(begin_with)
        go_on(accept("store"), 0)
        edit(other_items)
        go_on(accept("store"), COMMITTED)
        shutil.copytree("store", "undisturbed")
        yield place


def begin_with(spec: Spec) -> None:
    spec["evaluation"] = {"engine": "transformers"}
    spec["evolution"] = {
        "generations": GENERATIONS,
        "candidatesPerGeneration": 3,
        "tune": {"share": "0.2", "holdOutShare": "0.3"},
    }


def other_items(spec: Spec) -> None:
    others = write_items("others.jsonl", [f"another {n}" for n in range(ITEMS)])
    spec["tasks"][1]["items"]["search"] = others


def grow(spec: Spec) -> None:
    spec["experts"].append(expert())
    spec["tasks"].append(task())
    spec["evolution"]["generations"] = GENERATIONS + 2


def edit(change: Edit) -> None:
    document = json.loads(Path("run.json").read_text())
    change(document["spec"])
    Path("run.json").write_text(json.dumps(document))


@contextmanager
def edited(change: Edit) -> Iterator[None]:
    """The manifest and the checkpoints after an edit, which is taken back."""
    manifest, models = Path("run.json").read_bytes(), contents("models")
    edit(lambda spec: spec["evolution"].update(generations=GENERATIONS + 2))
    edit(change)
    try:
        yield
    finally:
        Path("run.json").write_bytes(manifest)
        shutil.rmtree("models")
        for path, content in models.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def contents(folder: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def ask(store: str = "store") -> int:
    return run_command(["run", "run.json", "--store", store])


def accept(store: str) -> RunStore:
    manifest = load_manifest(Path("run.json"))
    return admit(open_store(store), manifest, checkpoints=Path("scratch"), look_at_items=True)


def go_on(run: RunStore, generation: int) -> None:
    """Work until a generation is committed and the next ones are planned."""
    coordinator, queue = Coordinator(run), EntryQueue(run, 0, 1)
    settings = WorkerSettings(0, 1, scratch=None)  # type: ignore[arg-type]
    worker = Worker(run, settings, SyntheticWorkbench(run))  # type: ignore[arg-type]
    while coordinator.step().generation < generation:
        work = queue.next()
        assert work is not None
        worker.do(work)


@pytest.mark.parametrize(("change", "path", "message"), EDITS)
def test_an_edit_is_refused_with_its_field_and_a_remedy(
    living: Path, change: Edit, path: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = contents("store")
    with edited(change):
        assert ask() == 78
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(rf"(^| )spec\.{re.escape(path)}: .*{message}", said)
    assert contents("store") == stored


def test_items_of_an_attempt_that_was_killed_are_named(
    living: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree("undisturbed", tmp_path / "killed")
    key = keys.items("regex", "search")
    open_store(str(tmp_path / "killed")).create(key, b"{}\n")
    with edited(lambda spec: spec["tasks"].append(task("regex"))):
        assert ask(str(tmp_path / "killed")) == 78
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(r"spec\.tasks\[2\]\.items\.search: .* was not accepted; .*another name", said)


def test_the_run_goes_on_as_if_nobody_had_asked(living: Path) -> None:
    for change, _, _ in EDITS:
        with edited(change):
            assert ask() == 78
    shutil.copytree("undisturbed", "whole")
    with edited(grow):
        for store in ("whole", "store"):
            do_everything(accept(store))
    run = RunStore(open_store("store"))
    assert run.latest().joins == (4, COMMITTED + 4)
    assert lasting("store") == lasting("whole")
    Verifier(run, lambda candidate: digest_of(run, candidate)).verify()


def lasting(store: str) -> dict[str, bytes]:
    """All objects; of results, which tell how long they took, that they are there."""
    objects = open_store(store)
    return {k: b"" if "/results/" in k else objects.read(k) for k in objects.list("")}
