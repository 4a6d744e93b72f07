"""The user's cache folder: what can be downloaded or computed again, shared by all runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.contract import variables
from cycleqd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMEDY = f"set {variables.CACHE} to a folder where this user may write"


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where downloads, factors and logs go, made if it is missing.

    That is ``CYCLEQD_CACHE``, else ``cycleqd`` in ``XDG_CACHE_HOME`` where that is an absolute
    path, else in ``~/.cache``.

    Raises:
        InputError: there is no such folder and none can be made; the message names the variable.
    """
    variable, folder = _named(environment)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{variable}: {folder} cannot be the cache folder: {error.strerror}; {_REMEDY}"
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise InputError(f"{variable}: the cache folder {folder} cannot be written; {_REMEDY}")
    return folder


def _named(environment: Mapping[str, str]) -> tuple[str, Path]:
    """The variable that decides, and the folder that it means."""
    named = environment.get(variables.CACHE)
    if named:
        return variables.CACHE, Path(named)
    shared = environment.get("XDG_CACHE_HOME", "")
    if shared.startswith("/"):
        return "XDG_CACHE_HOME", Path(shared) / "cycleqd"
    try:
        return "HOME", Path.home() / ".cache" / "cycleqd"
    except RuntimeError as error:
        raise InputError(
            f"HOME: is not set and this user has no home folder for a cache; {_REMEDY}"
        ) from error
