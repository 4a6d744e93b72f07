"""Fixtures: the tiny example made and run once, as a user would from the project's folder."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from devcluster.base import examples
from devcluster.base.locks import held

from cycleqd.evaluation import processor
from cycleqd.store.cache import cache_folder

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "manifests/examples/tiny.yaml"
DEMO = ROOT / "out" / "demo" / "tiny"
LONGEST_MAKING = 1800.0
LONGEST_COMMAND = 1500.0
"""A run of 180 s took over 600 s beside the other tiers; this is against hangs."""
TINY_GENERATIONS = 4
SHORT_GENERATIONS = 6


def cycleqd(
    *arguments: str, timeout: float = LONGEST_COMMAND, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command that must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "cycleqd.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "140", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="session")
def tiny_demo() -> None:
    """Base, experts and items of the tiny preset in out/demo/tiny.

    They are kept there, and for fresh clones in the cache folder: training takes two minutes.
    """
    kept = cache_folder() / "tests" / f"tiny-{recipe_digest()}"
    kept.parent.mkdir(exist_ok=True)
    with held(kept.with_suffix(".lock"), LONGEST_MAKING):
        if kept.exists() and not DEMO.exists():
            copy_whole(kept, DEMO)
        examples.make("tiny")
        if not kept.exists():
            copy_whole(DEMO, kept)


def recipe_digest() -> str:
    """Of what the tiny preset's bytes follow from: its code, the libraries, the processor."""
    digest = hashlib.sha256()
    for file in (ROOT / "constraints.txt", *sorted((ROOT / "runtime/cycleqd/demo").glob("*.py"))):
        digest.update(file.name.encode() + file.read_bytes())
    flags = processor.flags(processor.facts()) or ()
    digest.update(f"{platform.machine()} {' '.join(sorted(flags))}".encode())
    return digest.hexdigest()[:20]


def copy_whole(source: Path, target: Path) -> None:
    """Copy a folder so that its name appears when all of it is there."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, ignore=shutil.ignore_patterns(".lock"))
    partial.rename(target)


@pytest.fixture(scope="session")
def tiny_store(tiny_demo: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run by one worker of tiny.yaml with fewer generations.

    Its manifest is ``tiny.yaml`` beside it, its temporary files are in ``tmp``.
    """
    store = tmp_path_factory.mktemp("tiny") / "store"
    temporary, manifest = store.with_name("tmp"), store.with_name(MANIFEST.name)
    temporary.mkdir()
    document = yaml.safe_load(MANIFEST.read_text())
    document["spec"]["evolution"]["generations"] = TINY_GENERATIONS
    manifest.write_text(yaml.safe_dump(document))
    cycleqd("run", str(manifest), "--store", str(store), "--workers", "1", TMPDIR=str(temporary))
    return store


@pytest.fixture(scope="session")
def short_manifest(tiny_demo: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny.yaml with fewer generations, candidates and items, some of them tuned: is disturbed."""
    document = yaml.safe_load(MANIFEST.read_text())
    for task in document["spec"]["tasks"]:
        task["items"] |= {"searchLimit": 12, "testLimit": 12}
    document["spec"]["evolution"] |= {
        "generations": SHORT_GENERATIONS,
        "candidatesPerGeneration": 4,
        "tune": {"share": "0.3", "rank": 4, "epochs": 1},
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
