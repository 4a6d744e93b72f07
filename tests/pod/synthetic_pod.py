"""A worker pod whose engine is `tests.run.synthetic_worker`: everything real but the models.

``CRASH`` may hold ``CANDIDATE SIGNAL`` for it, or a shell command to run in its place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cycleqd.cli.pod import _play
from cycleqd.errors import CycleQDError
from cycleqd.pod.settings import WorkerPodSettings
from cycleqd.pod.work import work


def command(settings: WorkerPodSettings) -> Sequence[str]:
    crash = os.environ.get("CRASH", "").split()
    place = [settings.store, str(settings.index), str(settings.workers)]
    stage = [] if settings.stage is None else ["--stage", settings.stage.folder]
    return [sys.executable, "-m", "tests.run.synthetic_worker", *place, *crash, *stage]


def role() -> None:
    settings = WorkerPodSettings.from_environment(os.environ)
    script = os.environ.get("SCRIPT")
    work(settings, command if script is None else lambda _: [sys.executable, "-c", script])


if __name__ == "__main__":
    try:
        _play(role, 40.0)
    except CycleQDError as error:  # as `cycleqd.cli.main` does
        sys.exit(error.exit_code)
