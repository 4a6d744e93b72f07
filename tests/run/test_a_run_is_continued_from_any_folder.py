"""A run that was begun with relative paths is continued and exported from any working directory."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cycleqd.cli.ending import run_command
from cycleqd.errors import CheckpointError, RunMismatch
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.records.documents import RunDocument, SourceRecord
from cycleqd.run.admission import admit
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from tests.checkpoints import family
from tests.run.synthetic import ITEMS, archives, do_everything

pytestmark = pytest.mark.runtime

SKILLS = ("sql", "python")


def lay_out(folder: Path, generations: int = 2) -> Path:
    """Checkpoints, items and a manifest that names them by relative paths."""
    family(folder / "models", experts=SKILLS)
    for skill in SKILLS:
        for split in ("search", "test"):
            items = [
                {"id": f"{n}", "prompt": f"{split} {skill} {n}", "answer": "a"}
                for n in range(ITEMS)
            ]
            lines = "".join(f"{json.dumps(item)}\n" for item in items)
            (folder / f"{skill}.{split}.jsonl").write_text(lines)
    write_manifest(folder, generations)
    return folder


def write_manifest(folder: Path, generations: int) -> None:
    document: dict[str, Any] = {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {"name": "relative"},
        "spec": {
            "base": {"uri": "models/base"},
            "experts": [{"name": s, "uri": f"models/{s}"} for s in SKILLS],
            "tasks": [
                {
                    "name": s,
                    "type": "exact",
                    "items": {"search": f"{s}.search.jsonl", "test": f"{s}.test.jsonl"},
                }
                for s in SKILLS
            ],
            "evolution": {"generations": generations, "candidatesPerGeneration": 2},
        },
    }
    (folder / "run.json").write_text(json.dumps(document))


def evolve(folder: Path, scratch: Path) -> RunStore:
    """Run the manifest from the working directory; scores are synthetic, weights are real."""
    objects = open_store(str(folder / "store"))
    run = admit(objects, load_manifest(folder / "run.json"), checkpoints=scratch)
    do_everything(run)
    models = RunModels(run, scratch).under_way()
    for skill in SKILLS:
        models.factor(skill)
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = lay_out(tmp_path_factory.mktemp("here"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        evolve(folder, tmp_path_factory.mktemp("scratch"))
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        returncode: its exit status.
        stdout: what it printed.
        stderr: what it said besides.
    """

    returncode: int
    stdout: str
    stderr: str


def cycleqd(folder: Path, *arguments: str) -> Ended:
    """A command given in a folder, by this process, which need not load torch again."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.chdir(folder)
        patch.setenv("CYCLEQD_CACHE", str(folder / "cache"))
        status = run_command(arguments)
    return Ended(status, output.getvalue(), errors.getvalue())


def test_export(finished: Path, elsewhere: Path) -> None:
    arguments = ("export", str(finished / "store"), "--member", "best:sql", "--out", "member")
    done = cycleqd(elsewhere, *arguments)
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "member/model.safetensors").is_file()
    from cycleqd.weights.checkpoint import Checkpoint

    digest = Checkpoint.open(elsewhere / "member").digest()
    assert digest.removeprefix("sha256:") in done.stdout.replace("\n", "")


def test_run(finished: Path, elsewhere: Path) -> None:
    manifest, store = str(finished / "run.json"), str(finished / "store")
    done = cycleqd(elsewhere, "run", manifest, "--store", store, "--no-report")
    assert done.returncode == 0, done.stderr
    done = cycleqd(elsewhere, "run", manifest, "--store", "new", "--no-report")
    assert done.returncode == 78, "a new run still names what is not there"
    assert done.stderr.startswith('spec.base.uri: "models/base" does not exist')
    assert not (elsewhere / "new").exists()


def test_more_generations(finished: Path, elsewhere: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "store", elsewhere / "store")
    write_manifest(elsewhere, generations=3)
    run = evolve(elsewhere, tmp_path / "scratch")
    assert run.latest().number == 1
    assert run.summary(3) is not None


def test_the_folder_changes_nothing_else(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = lay_out(tmp_path / "other")
    monkeypatch.chdir(other)
    run = evolve(other, tmp_path / "scratch")
    first = RunStore(open_store(str(finished / "store")))
    assert archives(run.objects) == archives(first.objects)
    assert run.document.base.location == str(other / "models/base")
    assert first.document.base.location == str(finished / "models/base")
    assert _without_locations(run.document) == _without_locations(first.document)


def _without_locations(run: RunDocument) -> RunDocument:
    experts = {name: _without(source) for name, source in run.experts.items()}
    return run.model_copy(update={"base": _without(run.base), "experts": experts})


def _without(source: SourceRecord) -> SourceRecord:
    return source.model_copy(update={"location": None})


def test_what_moved_is_found_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = lay_out(tmp_path / "here")
    monkeypatch.chdir(here)
    run = admit(open_store("store"), load_manifest(here / "run.json"), checkpoints=tmp_path)
    there = tmp_path / "there"
    here.rename(there)
    monkeypatch.chdir(tmp_path)
    run = RunStore(open_store(str(there / "store")))
    with pytest.raises(CheckpointError) as caught:
        assert RunModels(run, tmp_path).under_way().base
    assert str(here / "models/base") in str(caught.value)
    assert f"working directory {tmp_path}" in str(caught.value)
    monkeypatch.chdir(there)
    assert RunModels(run, tmp_path).under_way().base.folder == Path("models/base")


def test_the_digest_decides(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = lay_out(tmp_path / "here")
    monkeypatch.chdir(here)
    run = admit(open_store("store"), load_manifest(here / "run.json"), checkpoints=tmp_path)
    shutil.rmtree("models/base")
    shutil.copytree("models/sql", "models/base")
    monkeypatch.chdir(finished)  # has the right one under the same relative path
    with pytest.raises(RunMismatch, match=f"{here}/models/base are not those"):
        assert RunModels(run, tmp_path).under_way().base


def test_a_store_of_before_starts_at_the_working_directory(
    finished: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = RunStore(open_store(str(finished / "store"))).document
    old = _without_locations(written).to_bytes()
    assert b"location" not in old
    assert RunDocument.from_bytes(old, keys.RUN).to_bytes() == old
    objects = open_store(str(elsewhere / "store"))
    objects.create(keys.RUN, old)
    with pytest.raises(CheckpointError, match=f"the working directory {elsewhere}"):
        assert RunModels(RunStore(objects), tmp_path).under_way().base
    monkeypatch.chdir(finished)
    assert RunModels(RunStore(objects), tmp_path).under_way().base.folder == Path("models/base")
