"""Where a machine keeps what it can download or compute again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where downloads, factors and logs go: ``CYCLEQD_CACHE``, else the user's cache folder."""
    named = os.environ.get("CYCLEQD_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cycleqd"
