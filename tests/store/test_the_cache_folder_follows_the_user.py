"""The cache folder is where the user's variables say; one that cannot be is told with its name."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from cycleqd.errors import InputError
from cycleqd.store.cache import cache_folder


def test_each_variable_goes_before_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder({}) == tmp_path / "home/.cache/cycleqd"
    assert cache_folder({"XDG_CACHE_HOME": "relative/is/ignored"}).is_relative_to(tmp_path / "home")
    shared = {"XDG_CACHE_HOME": str(tmp_path / "xdg")}
    assert cache_folder(shared) == tmp_path / "xdg/cycleqd"
    own = {**shared, "CYCLEQD_CACHE": str(tmp_path / "own")}
    assert cache_folder(own) == tmp_path / "own"
    assert (tmp_path / "own").is_dir()


@pytest.mark.parametrize("variable", ["CYCLEQD_CACHE", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("below", ["", "/inside"])
def test_a_file_in_its_place_is_told(variable: str, below: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"^{variable}: .*file.*set CYCLEQD_CACHE to a folder"):
        cache_folder({variable: f"{tmp_path}/file{below}"})


def test_a_home_that_cannot_be_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    with pytest.raises(InputError, match=r"^HOME: /dev/null.*set CYCLEQD_CACHE to a folder"):
        cache_folder({})


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(InputError, match=r"^HOME: is not set.*set CYCLEQD_CACHE to a folder"):
        cache_folder({})


def test_a_folder_of_somebody_else_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may always write
    with pytest.raises(InputError, match=r"^CYCLEQD_CACHE: .*cannot be written"):
        cache_folder({"CYCLEQD_CACHE": str(tmp_path)})
