"""The tiny example with the vLLM engine: candidates are swapped and tuned, and resume exactly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cycleqd.store import open_store
from tests.run.chaos import assert_same, run_with_kills
from tests.run.tiny import MANIFEST, cycleqd

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.timeout(3000)]


def test_vllm_runs_and_resumes_exactly(tiny_demo: None, tmp_path: Path) -> None:
    document = yaml.safe_load(MANIFEST.read_text())
    document["spec"]["evaluation"]["engine"] = "vllm"
    for task in document["spec"]["tasks"]:
        task["items"] |= {"searchLimit": 12, "testLimit": 12}
    document["spec"]["evolution"] |= {
        "generations": 2,
        "candidatesPerGeneration": 3,
        "tune": {"share": "0.5", "rank": 4, "epochs": 1},
    }
    manifest = tmp_path / "vllm.yaml"
    manifest.write_text(yaml.safe_dump(document))
    quiet, disturbed = tmp_path / "quiet", tmp_path / "disturbed"

    cycleqd("run", str(manifest), "--store", str(quiet), "--workers", "1")
    run_with_kills(manifest, str(disturbed), workers=1, kills=1, seed=3, longest_pause=30)

    assert json.loads((quiet / "run.json").read_text())["engine"] == "vllm"
    assert_same(open_store(str(quiet)), open_store(str(disturbed)))
    assert list(quiet.glob("candidates/*/adapter.safetensors")), "none was tuned"
    cycleqd("verify", str(quiet))
