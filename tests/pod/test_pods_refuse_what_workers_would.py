"""What a worker would refuse ends the coordinator's pod with 78 first, and nothing is begun."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cycleqd.manifest.reader import parse_manifest
from cycleqd.store import open_store
from tests.pod.pods import PATIENCE, Pods
from tests.run.test_a_run_is_continued_from_any_folder import lay_out
from tests.weights.damage import edit_config

pytestmark = [pytest.mark.pods, pytest.mark.runtime]


def test_what_workers_would_refuse_is_refused_before_they_start(pods: Pods, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    lay_out(inputs)
    edit_config(inputs / "models/python", rope_scaling={"rope_type": "yarn", "factor": 4.0})
    (inputs / "sql.test.jsonl").write_text(
        json.dumps({"id": "1", "prompt": "the cat " * 300, "answer": "sat"})
    )
    document = json.loads((inputs / "run.json").read_text())
    spec = document["spec"]
    for part in (spec["base"], *spec["experts"]):
        part["uri"] = str(inputs / part["uri"])
    for task in spec["tasks"]:
        task["items"] = {split: str(inputs / name) for split, name in task["items"].items()}
    pods.apply(parse_manifest(json.dumps(document), "run.json"))
    assert pods.coordinate().wait(PATIENCE) == 78
    failure = pods.failure("coordinator")
    assert failure is not None
    lines = failure.message.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "spec.experts[1].uri",
        "spec.tasks[0].items.test",
    ]
    assert "rope_parameters" in lines[0]
    assert f"{inputs}/sql.test.jsonl:1: prompt: has 600 tokens" in lines[1]
    assert list(open_store(pods.store).list()) == []
