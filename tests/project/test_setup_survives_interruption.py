"""`make setup` does an interrupted installation again, and a finished one not at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from .repository import load_script

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


class Killed(BaseException):
    """Stands for a kill: nothing after it happens."""


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/setup on a project of its own; only what needs an index is left out."""
    module = load_script("setup")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("numpy==2.0\n")
    (tmp_path / "constraints-dev.txt").write_text("pytest==9.0\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PEERS", tmp_path / ".venv-peers")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp")
    monkeypatch.setattr(
        module, "CONSTRAINTS", (tmp_path / "constraints.txt", tmp_path / "constraints-dev.txt")
    )
    calls: list[tuple[str, ...]] = []

    def install(*arguments: str) -> None:
        if arguments[0] == module.killed_at:
            raise Killed
        calls.append(arguments)
        if "--editable" in arguments:
            (tmp_path / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
            (tmp_path / ".venv" / "bin" / "cycleqd").touch()

    def make_environment() -> None:
        (tmp_path / ".venv").mkdir(exist_ok=True)

    def make_peers() -> None:
        if module.killed_at == "peers":
            raise Killed
        (tmp_path / ".venv-peers" / "bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / ".venv-peers" / "bin" / "python").touch()

    monkeypatch.setenv("CYCLEQD_VLLM", "0")
    monkeypatch.setattr(module, "install", install)
    monkeypatch.setattr(module, "install_uv", lambda: None)
    monkeypatch.setattr(module, "uninstall", lambda package: None)
    monkeypatch.setattr(module, "make_environment", make_environment)
    monkeypatch.setattr(module, "make_peers", make_peers)
    module.calls, module.killed_at = calls, None  # type: ignore[attr-defined]
    return module


def test_done_once(setup: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main() == 0
    done = len(setup.calls)
    assert done > 0
    assert setup.main() == 0
    assert len(setup.calls) == done
    assert "up to date" in capsys.readouterr().out


@pytest.mark.parametrize("step", ["torch==2.13.0", "--editable", "peers"])
def test_killed_then_repeated(setup: ModuleType, step: str) -> None:
    setup.killed_at = step
    with pytest.raises(Killed):
        setup.main()
    setup.killed_at = None
    setup.calls.clear()
    assert setup.main() == 0
    assert {"torch==2.13.0", "--editable"} <= {call[0] for call in setup.calls}


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "constraints-dev.txt"])
def test_a_change_installs_again(setup: ModuleType, tmp_path: Path, name: str) -> None:
    setup.main()
    setup.calls.clear()
    with (tmp_path / name).open("a") as file:
        file.write("# changed\n")
    # A kill while the change is installed must not leave the old stamp in force.
    setup.killed_at = "--editable"
    with pytest.raises(Killed):
        setup.main()
    setup.killed_at = None
    setup.main()
    assert "--editable" in {call[0] for call in setup.calls}


@pytest.mark.parametrize("program", [".venv/bin/cycleqd", ".venv-peers/bin/python"])
def test_an_environment_without_its_program_is_repaired(
    setup: ModuleType, tmp_path: Path, program: str
) -> None:
    setup.main()
    (tmp_path / program).unlink()
    setup.calls.clear()
    setup.main()
    assert setup.calls
    assert (tmp_path / program).exists()


def test_an_old_python_is_refused_with_the_remedy(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(SystemExit, match=r"3\.11 or later.*PYTHON="):
        setup.main()
    assert not setup.calls
