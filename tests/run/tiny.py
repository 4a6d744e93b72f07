"""Fixtures: the tiny example made and run once, as a user would from the project's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from devcluster.base import examples

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "manifests/examples/tiny.yaml"
SHORT_GENERATIONS = 6


def cycleqd(*arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """A command that must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "cycleqd.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "140"},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="session")
def tiny_demo() -> None:
    """Base, experts and items of the tiny preset, kept in out/demo/tiny between sessions."""
    examples.make("tiny")


@pytest.fixture(scope="session")
def tiny_store(tiny_demo: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run of tiny.yaml by one worker."""
    store = tmp_path_factory.mktemp("tiny") / "store"
    cycleqd("run", str(MANIFEST), "--store", str(store), "--workers", "1")
    return store


@pytest.fixture(scope="session")
def short_manifest(tiny_demo: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny.yaml with fewer generations, candidates and items: what is disturbed, several times."""
    document = yaml.safe_load(MANIFEST.read_text())
    for task in document["spec"]["tasks"]:
        task["items"] |= {"searchLimit": 12, "testLimit": 12}
    document["spec"]["evolution"] |= {
        "generations": SHORT_GENERATIONS,
        "candidatesPerGeneration": 4,
    }
    path = tmp_path_factory.mktemp("short") / "short.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="session")
def short_store(short_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run of it by one worker."""
    store = tmp_path_factory.mktemp("short") / "store"
    cycleqd("run", str(short_manifest), "--store", str(store), "--workers", "1")
    return store
