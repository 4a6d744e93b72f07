"""``cycleqd track``: a run in MLflow, once or for as long as it lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer

from cycleqd.cli.console import print_note, print_result
from cycleqd.cli.stores import StoreArgument, open_run_store
from cycleqd.errors import ServiceUnavailable
from cycleqd.run.store import RunStore
from cycleqd.tracking.follower import Follower
from cycleqd.tracking.mlflow_client import Server, connect
from cycleqd.tracking.mlflow_sink import MlflowSink

EXPERIMENT = "cycleqd"


def track(
    store: StoreArgument,
    mlflow: Annotated[
        str,
        typer.Option(
            "--mlflow",
            metavar="URI",
            help="Address of the MLflow server. Credentials come from MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.",
        ),
    ],
    experiment: Annotated[
        str, typer.Option(metavar="NAME", help="Experiment there, made where it is missing.")
    ] = EXPERIMENT,
    *,
    registered_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Register the published models as versions of this model; the alias `champion` "
            "moves through the gate of `spec.publication` alone.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the run is complete.")
    ] = False,
    interval: Annotated[
        float, typer.Option(min=0.1, help="With `--follow`: seconds between two looks.")
    ] = 10.0,
) -> None:
    """Log a run's curves, held-out scores, models and report in MLflow; nothing twice.

    What was logged is asked of MLflow itself: kill the command at any moment and repeat it, on a
    run that lives or has ended. The step of all curves is the number of evaluations.
    """
    server = Server(mlflow)
    client = connect(server)
    run = open_run_store(store, patient=follow)

    def begin() -> Follower:
        sink = MlflowSink(
            client,
            server,
            experiment=experiment,
            run=run,
            registered_model=registered_model,
            say=print_note,
        )
        print_note(f"{run.document.run_id} is run {sink.run_id} of experiment {experiment!r}")
        return Follower(run, sink, print_note)

    follower = begin()
    complete = follower.look()
    while follow and not complete:
        time.sleep(interval)
        follower, complete = _look(follower, begin)
    state = "complete" if complete else "not complete yet; repeat the command, or add --follow"
    print_result(f"{mlflow}: {run.document.run_id} is logged up to {_where(run)}, {state}")


def _look(follower: Follower, begin: Callable[[], Follower]) -> tuple[Follower, bool]:
    """One look, which may find the server away: what it has is asked anew once it is back."""
    try:
        return follower, follower.look()
    except ServiceUnavailable as error:
        print_note(f"{error}; trying again")
    try:
        return begin(), False
    except ServiceUnavailable:
        return follower, False


def _where(run: RunStore) -> str:
    return f"generation {run.committed()}"
