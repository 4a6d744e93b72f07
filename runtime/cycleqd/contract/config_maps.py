"""Keys of a run's two ConfigMaps: the manifest for its coordinator, and the coordinator's progress.

The first is mounted as a folder, so its keys are names of files there.
"""

from __future__ import annotations

from typing import Final

DOCUMENT: Final = "run.json"
"""The manifest as JSON."""

GENERATION: Final = "generation"
"""``metadata.generation`` of that manifest."""

PROGRESS: Final = "progress"
"""A `cycleqd.contract.progress.Progress` as JSON, patched by the coordinator."""
