"""What a pod of a run is made of, for the operator who makes it and the process that runs in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Component = Literal["coordinator", "worker"]
"""The two roles; also the name of the container that plays one."""

COMMAND_GROUP: Final = "pod"

COMMANDS: Final[Mapping[Component, str]] = {"coordinator": "coordinate", "worker": "work"}
"""Subcommand of ``cycleqd pod`` for each role."""

SANDBOX: Final = "sandbox"
"""Container of a worker's pod that runs generated code; also its subcommand of ``cycleqd pod``."""

SANDBOX_FOLDER: Final = "/sandbox"
"""Where that container and the worker find the socket between them."""

SANDBOX_SOCKET: Final = f"{SANDBOX_FOLDER}/socket"

SANDBOX_FILES_FOLDER: Final = "/sandbox-files"
"""Where the worker puts files that generated code may read; that container cannot write there."""

HEALTH_PORT: Final = 8080
"""Port of the pod's HTTP server."""

HEALTH_PATH: Final = "/healthz"
METRICS_PATH: Final = "/metrics"

MANIFEST_FOLDER: Final = "/etc/cycleqd"
CA_FOLDER: Final = "/etc/cycleqd-ca"
SCRATCH_FOLDER: Final = "/scratch"

TERMINATION_LOG: Final = "/dev/termination-log"
"""Kubernetes' own choice of the file for a container's last words."""

TERMINATION_MESSAGE_BYTES: Final = 4096
"""Kubernetes keeps no more of that file."""

SANDBOX_EXIT_SECONDS: Final = 5.0
"""Time after SIGTERM in which the container for generated code ends by itself."""

GRACE_SECONDS: Final[Mapping[Component, int]] = {"coordinator": 30, "worker": 60}
"""Time from SIGTERM to SIGKILL."""

EXIT_SECONDS: Final[Mapping[Component, float]] = {"coordinator": 20.0, "worker": 40.0}
"""Time after SIGTERM in which the process ends by itself; less than `GRACE_SECONDS`."""


def arguments(component: Component) -> list[str]:
    """Arguments of the image's entry point, ``cycleqd``."""
    return [COMMAND_GROUP, COMMANDS[component]]
