"""`cycleqd run` and `status` say that a goal ended the run, and what of a manifest they ignore."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cycleqd.manifest.schema import canonical
from cycleqd.store import open_store
from tests.run.synthetic import SKILLS, begin, do_everything, manifest

GOAL = ("QDScore", "0.001")


def cycleqd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "cycleqd.cli", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, and what its manifest names, as far as the command looks at it."""
    folder = tmp_path_factory.mktemp("finished")
    do_everything(begin(open_store(str(folder / "store")), manifest(goal=GOAL)))
    for model in ("base", *SKILLS):
        (folder / "models" / model).mkdir(parents=True)
        (folder / "models" / model / "config.json").write_text("{}")
    for skill in SKILLS:
        for split in ("search", "test"):
            (folder / f"{skill}.{split}.jsonl").write_text("{}\n")
    document = canonical(manifest(goal=GOAL))
    (folder / "run.json").write_text(json.dumps(document))
    document["spec"]["suspend"] = True
    (folder / "suspended.json").write_text(json.dumps(document))
    return folder


def test_a_goal_that_was_reached(folder: Path) -> None:
    done = cycleqd(folder, "run", "run.json", "--store", "store", "--no-report")
    assert "goal reached at generation 0 of 6" in done.stdout
    assert "spec.suspend" not in done.stderr
    assert "goal QDScore 0.001 reached" in cycleqd(folder, "status", "store").stdout
    document = json.loads(cycleqd(folder, "status", "store", "--json").stdout)
    assert (document["complete"], document["goalReached"], document["generation"]) == (
        True,
        True,
        0,
    )


def test_suspend_is_for_clusters(folder: Path) -> None:
    done = cycleqd(folder, "run", "suspended.json", "--store", "store", "--no-report")
    assert "spec.suspend: ignored" in done.stderr
