"""`cycleqd compare` with real models, killed in its evaluations, ends with the same files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.run.tiny import MANIFEST, ROOT, cycleqd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
FILES = ("compare.csv", "compare.json", "compare.md", "compare.png")


@pytest.fixture
def manifests(tiny_demo: None, tmp_path: Path) -> list[str]:
    paths = []
    for name, strategy in (("cycleqd", "CycleQD"), ("random", "RandomGenomes")):
        document = yaml.safe_load(MANIFEST.read_text())
        document["metadata"]["name"] = name
        document["spec"]["evolution"] = {
            "strategy": strategy,
            "generations": 2,
            "candidatesPerGeneration": 3,
        }
        for task in document["spec"]["tasks"]:
            task["items"] |= {"searchLimit": 10, "testLimit": 1}
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        paths.append(str(path))
    return paths


def test_a_comparison_is_killed_and_goes_on(manifests: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["compare", *manifests, "--seeds", "7", "--out", str(out), "--items", "20"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cycleqd.cli", *arguments],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(list((out / "held-out").glob("*.json"))) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()

    cycleqd(*arguments)
    first = {name: (out / name).read_bytes() for name in FILES}
    document = json.loads(first["compare.json"])
    rows = [(row["name"], row["seed"]) for row in document["rows"]]
    assert rows == [("cycleqd", 7), ("random", 7)]
    assert document["items"] == {"sql": 20, "python": 20, "shell": 20}
    assert all(row["seconds"] > 0 and row["evaluations"] == 9 for row in document["rows"])

    for path in (out / "held-out").iterdir():
        path.unlink()
    cycleqd(*arguments)
    assert {name: (out / name).read_bytes() for name in FILES} == first
