"""``cycleqd pod coordinate``, ``work`` and ``sandbox``: what the images of a cluster run.

They take no options: the operator tells them everything by their environment (`cycleqd.pod`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import typer

from cycleqd.cli.console import LOG_FORMAT, log_to_stderr
from cycleqd.cli.termination import exit_on_sigterm
from cycleqd.contract.pods import COMMANDS, EXIT_SECONDS, SANDBOX, SANDBOX_EXIT_SECONDS
from cycleqd.errors import InputError
from cycleqd.pod.ending import told_why
from cycleqd.pod.settings import (
    CoordinatorSettings,
    SandboxSettings,
    WorkerPodSettings,
    termination_log,
)

app = typer.Typer(
    help="The roles inside pods of a cluster; started by the operator, not by people.",
    no_args_is_help=True,
)


@app.command(COMMANDS["coordinator"])
def coordinate() -> None:
    """Coordinate a run: plan, commit and report to the operator, until the run is complete.

    Reads CYCLEQD_STORE, CYCLEQD_CACHE, CYCLEQD_MANIFEST, CYCLEQD_NAMESPACE,
    CYCLEQD_PROGRESS_CONFIGMAP, CYCLEQD_HEALTH_PORT, CYCLEQD_TERMINATION_LOG and CYCLEQD_S3_*.
    """

    def role() -> None:
        settings = CoordinatorSettings.from_environment(os.environ)
        from cycleqd.pod.coordinate import coordinate as run  # noqa: PLC0415 - optional libraries

        run(settings)

    _play(role, EXIT_SECONDS["coordinator"])


@app.command(COMMANDS["worker"])
def work() -> None:
    """Work on a run: evaluate candidates with one warm engine, until nothing is left to do.

    Reads CYCLEQD_STORE, CYCLEQD_CACHE, JOB_COMPLETION_INDEX, CYCLEQD_WORKERS, CYCLEQD_STAGE,
    CYCLEQD_HEALTH_PORT, CYCLEQD_TERMINATION_LOG and CYCLEQD_S3_*.
    """

    def role() -> None:
        settings = WorkerPodSettings.from_environment(os.environ)
        from cycleqd.pod.work import work as run  # noqa: PLC0415 - optional libraries

        run(settings)

    _play(role, EXIT_SECONDS["worker"])


@app.command(SANDBOX)
def sandbox() -> None:
    """Run generated code for the worker beside it, and nothing else.

    Reads CYCLEQD_SANDBOX and CYCLEQD_TERMINATION_LOG.
    """

    def role() -> None:
        settings = SandboxSettings.from_environment(os.environ)
        from cycleqd.pod.sandbox import serve  # noqa: PLC0415 - only here

        serve(settings)

    _play(role, SANDBOX_EXIT_SECONDS)


def _play(role: Callable[[], Any], grace_seconds: float) -> None:
    log_to_stderr(logging.WARNING, f"%(asctime)s {LOG_FORMAT}")
    logging.getLogger("cycleqd").setLevel(logging.INFO)
    exit_on_sigterm(grace_seconds)
    with told_why(termination_log(os.environ)):
        try:
            role()
        except ModuleNotFoundError as error:
            raise InputError(
                f"{error.name} is not installed in this image; install cycleqd-operator[runtime]"
            ) from error
