"""A member is pushed to a real S3 server as an adapter, and opens in peft from there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from cycleqd.store import access, open_store
from cycleqd.weights.checkpoint import Checkpoint
from tests.run.test_a_run_is_continued_from_any_folder import cycleqd, evolve, lay_out
from tests.run.test_adapters_are_experts_of_a_run import adapt
from tests.servers.s3 import S3Server
from tests.weights.peft_adapters import answers, answers_of, opened

pytestmark = pytest.mark.s3


def test_it_opens_from_there(
    tmp_path: Path, versitygw: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_out(tmp_path / "here")
    adapt(folder, "sql", "python")
    monkeypatch.chdir(folder)
    evolve(folder, folder / "scratch")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (versitygw.env | access.environment_of(versitygw.settings)).items():
        monkeypatch.setenv(name, value)
    place = versitygw.uri("pushed")
    arguments = ("push", "store", place, "--member", "best:sql", "--format")

    sent = cycleqd(folder, *arguments, "lora")
    assert sent.returncode == 0, sent.stderr
    again = cycleqd(folder, *arguments, "lora")
    assert "was there already" in again.stdout
    other = cycleqd(folder, *arguments, "model")
    assert other.returncode == 78
    assert place in other.stderr

    there = open_store(place, versitygw.settings)
    taken = tmp_path / "taken"
    taken.mkdir()
    for key in there.list():
        (taken / key).write_bytes(there.read(key))
    head = yaml.safe_load((taken / "README.md").read_text().split("---\n")[1])
    assert head["library_name"] == "peft"
    exported = cycleqd(folder, "export", "store", *arguments[3:5], "--out", "whole")
    assert exported.returncode == 0, exported.stderr
    base = folder / "models/base"
    said = answers(opened(base, taken))
    # The model is rounded to bf16 and the adapter is not.
    model = answers_of(base, dict(Checkpoint.open(folder / "whole")))
    plain = answers_of(base, dict(Checkpoint.open(base)))
    assert float((said - model).abs().max()) < 0.05 * float((said - plain).abs().max())
