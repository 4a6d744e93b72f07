"""``spec.evaluation.sandbox: Require`` refuses a run where less would contain its programs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cycleqd.api import evolving
from cycleqd.errors import ManifestError, SandboxUnavailable
from cycleqd.evaluation.sandbox import PythonProgram, Sandbox, check_containment
from cycleqd.manifest.reader import parse_manifest
from tests.manifest.documents import VALID, as_yaml, edited

pytestmark = pytest.mark.timeout(120)


def confinement(*, namespaces: bool) -> str:
    """What this machine gives; empty for nothing."""
    try:
        with Sandbox(namespaces=namespaces) as box:
            return box.confinement
    except SandboxUnavailable:
        return ""


def test_one_machine_without_namespaces_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if confinement(namespaces=False) != "plain":
        pytest.skip("this machine contains nothing without namespaces")
    monkeypatch.setattr(evolving, "check_files", lambda _: [])
    monkeypatch.setattr(evolving, "Sandbox", lambda: Sandbox(namespaces=False))
    edit = {"spec.evaluation": {"sandbox": "Require", "engine": "transformers"}}
    manifest = parse_manifest(as_yaml(edited(edit, VALID)), "run.yaml")
    with pytest.raises(ManifestError, match=r"^spec\.evaluation\.sandbox: is Require, .*; allow"):
        evolving.prepare(manifest, tmp_path / "store")
    assert ManifestError.exit_code == 78
    assert not list(tmp_path.rglob("run.json"))


def test_namespaces_are_enough() -> None:
    if confinement(namespaces=True) != "namespaces":
        pytest.skip("this machine gives no namespaces")
    with Sandbox() as box:
        check_containment(box)


def test_what_contained_the_programs_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cycleqd")
    program = PythonProgram("", "x = 1", "assert x == 1")
    with Sandbox() as box:
        assert box.contained_by is None
        box.run([program])
        box.run([program])
        assert box.contained_by == box.confinement
        told = [record.getMessage() for record in caplog.records]
        assert told.count(f"generated code is contained by: {box.confinement}") == 1
