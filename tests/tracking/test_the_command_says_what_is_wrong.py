"""`cycleqd track` names what is missing or wrong before it logs anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cycleqd.cli.ending import run_command
from cycleqd.store import open_store
from tests.manifest.documents import as_yaml, edited
from tests.run import synthetic


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


@pytest.mark.parametrize(
    ("package", "place", "extra"),
    [("mlflow", "http://127.0.0.1:1", "tracking"), ("tensorboard", "events", "tensorboard")],
)
def test_a_missing_package(
    package: str,
    place: str,
    extra: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert run_command(["track", "store", f"--{package}", place]) == 78
    told = capsys.readouterr().err
    assert f"--{package}: {package} is not installed" in told
    assert f"pip install 'cycleqd-operator[{extra}]'" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--mlflow, --tensorboard: name where to log, by one of them or both"),
        (["--tensorboard", "s3://a/b"], "--tensorboard: s3://a/b is no local folder"),
        (["--tensorboard", "store/events"], "--tensorboard: store/events lies in the store store"),
        (["--tensorboard", "a-file"], "--tensorboard: cannot write in"),
        (["--tensorboard", "events", "--registered-model", "x"], "--mlflow: is missing"),
        (["--tensorboard", "events", "--experiment", "x"], "--mlflow: is missing"),
    ],
)
def test_a_place_that_cannot_be(
    words: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    synthetic.begin(open_store("store"), synthetic.manifest())
    assert run_command(["track", "store", *words]) == 78
    assert told in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"a-file", "store"}


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
