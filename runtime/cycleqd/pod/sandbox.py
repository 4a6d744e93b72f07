"""``cycleqd pod sandbox``: the process of the container that runs generated code.

It has no store, no credentials and no port: only the socket that the worker connects to.
"""

from __future__ import annotations

import logging

from cycleqd.errors import SandboxUnavailable
from cycleqd.evaluation.sandbox.listener import Listener
from cycleqd.pod.settings import SandboxSettings

log = logging.getLogger(__name__)


def serve(settings: SandboxSettings) -> None:
    """Serve harnesses until SIGTERM.

    Raises:
        SandboxUnavailable: nobody can listen there.
    """
    try:
        listener = Listener(settings.socket)
    except OSError as error:
        raise SandboxUnavailable(
            f"{settings.socket}: cannot listen there: {error}; its folder must be there and"
            " writable"
        ) from error
    log.info("%s: listening", settings.socket)
    try:
        listener.serve()
    finally:
        listener.close()
