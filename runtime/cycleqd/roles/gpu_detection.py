"""The NVIDIA GPUs of this machine, found without torch, which takes seconds and memory to import.

``nvidia-smi`` comes with the driver and knows MIG instances. Containers that were given no tools
have only the driver's own list of GPUs.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path

from cycleqd.roles.gpus import listed

log = logging.getLogger(__name__)

LIMIT_SECONDS = 30.0
"""How long the tool may take; a driver that is not kept loaded starts up for each call."""

DRIVER_LIST = Path("/proc/driver/nvidia/gpus")
"""Has a folder for each GPU."""


def nvidia_gpus(
    *, limit_seconds: float = LIMIT_SECONDS, driver_list: Path = DRIVER_LIST
) -> tuple[str, ...]:
    """The machine's GPUs, as ``CUDA_VISIBLE_DEVICES`` names them; none where there is no driver."""
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        try:
            done = subprocess.run(
                [tool, "-L"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_seconds,
                check=False,  # it fails where one GPU of several is broken, and lists the others
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("nvidia-smi does not answer, the driver is asked instead: %s", error)
        else:
            return listed(done.stdout)
    try:
        return tuple(str(index) for index, _ in enumerate(driver_list.iterdir()))
    except OSError:
        return ()
