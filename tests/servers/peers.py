"""The environment of what tests start or compare with, which `make setup` makes beside `.venv`."""

from __future__ import annotations

from pathlib import Path

PYTHON = str(Path(__file__).resolve().parents[2] / ".venv-peers" / "bin" / "python")
