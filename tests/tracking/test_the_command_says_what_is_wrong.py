"""`cycleqd track` names what is missing or wrong before it logs anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cycleqd.cli.ending import run_command
from tests.manifest.documents import as_yaml, edited


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("http://me:secret@127.0.0.1:1", "--mlflow: holds a user or password"),
        ("127.0.0.1", "--mlflow: '127.0.0.1' has no scheme; write http://127.0.0.1"),
        ("", "--mlflow: '' has no scheme"),
    ],
)
def test_an_address_that_cannot_be(
    uri: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["track", str(tmp_path), "--mlflow", uri]) == 78
    said = capsys.readouterr().err
    assert told in said
    assert "secret" not in said


def test_a_missing_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert run_command(["track", str(tmp_path), "--mlflow", "http://127.0.0.1:1"]) == 78
    assert "pip install 'cycleqd-operator[tracking]'" in capsys.readouterr().err


def test_a_run_that_asks_for_a_missing_package_does_not_begin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    asks = edited({"spec.tracking": {"mlflow": {"uri": "http://mlflow:5000"}}})
    (tmp_path / "run.yaml").write_text(as_yaml(asks))
    store = tmp_path / "store"
    assert run_command(["run", str(tmp_path / "run.yaml"), "--store", str(store)]) == 78
    told = capsys.readouterr().err
    assert "spec.tracking.mlflow: mlflow is not installed" in told
    assert "pip install 'cycleqd-operator[tracking]'" in told
    assert not store.exists()
