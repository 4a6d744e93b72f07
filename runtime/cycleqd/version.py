"""The version of the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cycleqd-operator")
except PackageNotFoundError:  # a source tree on sys.path that was never installed
    __version__ = "0.0.0+source"
