"""A folder that holds something else than a checkpoint is refused with the most specific reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.manifest.contents import why_no_checkpoint
from cycleqd.manifest.reader import check_files, parse_manifest

from .documents import VALID

CASES = {
    "a checkpoint": (["config.json", "model.safetensors"], None),
    # Whoever reads it says what an adapter is good for.
    "an adapter": (["adapter_config.json", "adapter_model.safetensors"], None),
    "a GGUF file": (["README.md", "model-Q4_K_M.gguf"], r"GGUF file (model-Q4_K_M.gguf)"),
    "a GGUF file beside folders": (["a.gguf", "sub/config.json"], "GGUF file (a.gguf)"),
    "a checkpoint below": (["logs", "sub/config.json"], "its folder sub has; name models/x/sub"),
    "checkpoints of a training": (
        ["checkpoint-10/config.json", "checkpoint-20/config.json"],
        "name models/x/checkpoint-10",
    ),
    "adapters of a training": (
        ["trainer_state.json", "checkpoint-10/adapter_config.json"],
        "has no adapter_config.json, its folder checkpoint-10 has; name models/x/checkpoint-10",
    ),
    "its maker's format": (["consolidated.00.pth", "params.json"], "its maker's own format"),
    "anything else": (["notes.txt"], "has no config.json; name a folder in Hugging Face format"),
    "nothing": ([], "has no config.json; name a folder in Hugging Face format"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_reason_is_the_most_specific_one(case: str) -> None:
    names, said = CASES[case]
    found = why_no_checkpoint(names, "models/x/")
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert said in found


def test_a_manifest_s_folders_are_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, file in (
        ("base", "checkpoint-10/config.json"),
        ("python", "model.gguf"),
        ("sql", "config.json/not-a-file"),
    ):
        path = tmp_path / "models" / name / file
        path.parent.mkdir(parents=True)
        path.touch()
    problems = check_files(parse_manifest(VALID, "run.yaml"))
    said = {line.split(": ")[0]: line for line in problems}
    assert "name models/base/checkpoint-10" in said["spec.base.uri"]
    assert "GGUF" in said["spec.experts[0].uri"]
    assert "has no config.json" in said["spec.experts[1].uri"]


def test_a_training_s_adapters_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "models/python/checkpoint-10/adapter_config.json"
    path.parent.mkdir(parents=True)
    path.touch()
    problems = check_files(parse_manifest(VALID, "run.yaml"))
    (said,) = (line for line in problems if line.startswith("spec.experts[0].uri: "))
    assert said.endswith("name models/python/checkpoint-10")
