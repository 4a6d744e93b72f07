"""``cycleqd track``: a run in MLflow and TensorBoard, once or for as long as it lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from cycleqd.cli.console import print_note, print_result
from cycleqd.cli.stores import StoreArgument, open_run_store
from cycleqd.errors import InputError, ServiceUnavailable
from cycleqd.run.store import RunStore
from cycleqd.tracking.event_files import EventFolder, check_installed
from cycleqd.tracking.follower import Follower
from cycleqd.tracking.mlflow_client import Server, connect
from cycleqd.tracking.mlflow_sink import MlflowSink
from cycleqd.tracking.tensorboard_sink import TensorboardSink

EXPERIMENT = "cycleqd"

TENSORBOARD = "--tensorboard"

Begin = Callable[[RunStore], Follower]
"""Makes the follower that tells a run to one tool."""


def track(
    store: StoreArgument,
    mlflow: Annotated[
        str | None,
        typer.Option(
            "--mlflow",
            metavar="URI",
            help="Address of the MLflow server. Credentials come from MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.",
        ),
    ] = None,
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
    tensorboard: Annotated[
        str | None,
        typer.Option(
            TENSORBOARD,
            metavar="FOLDER",
            help="Folder of this run's event files, made where it is missing.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the run is complete.")
    ] = False,
    interval: Annotated[
        float, typer.Option(min=0.1, help="With `--follow`: seconds between two looks.")
    ] = 10.0,
) -> None:
    """Log a run's curves, held-out scores, models and report in MLflow, TensorBoard or both.

    Nothing is logged twice: what is there is asked of the tool itself. Kill the command at any
    moment and repeat it, on a run that lives or has ended. The step of all curves is the number of
    evaluations.
    """
    begins: dict[str, Begin] = {}
    with ExitStack() as stack:
        if mlflow is not None:
            begins[mlflow] = _to_mlflow(mlflow, experiment, registered_model)
        elif registered_model is not None or experiment != EXPERIMENT:
            raise InputError(
                "--mlflow: is missing, and --experiment and --registered-model need it"
            )
        if tensorboard is not None:
            begins[tensorboard] = _to_tensorboard(tensorboard, store, stack)
        if not begins:
            raise InputError(f"--mlflow, {TENSORBOARD}: name where to log, by one of them or both")
        run = open_run_store(store, patient=follow)
        followers = {place: begin(run) for place, begin in begins.items()}
        complete = {place: follower.look() for place, follower in followers.items()}
        while follow and not all(complete.values()):
            time.sleep(interval)
            for place in [place for place, whole in complete.items() if not whole]:
                followers[place], complete[place] = _look(followers[place], begins[place], run)
    for place, whole in complete.items():
        state = "complete" if whole else "not complete yet; repeat the command, or add --follow"
        print_result(f"{place}: {run.document.run_id} is logged up to {_where(run)}, {state}")


def _to_mlflow(uri: str, experiment: str, registered_model: str | None) -> Begin:
    server = Server(uri)
    client = connect(server)

    def begin(run: RunStore) -> Follower:
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

    return begin


def _to_tensorboard(folder: str, store: str, stack: ExitStack) -> Begin:
    if "://" in folder:
        raise InputError(f"{TENSORBOARD}: {folder} is no local folder; name one and copy it there")
    path = Path(folder).resolve()
    if "://" not in store and path.is_relative_to(Path(store).resolve()):
        raise InputError(f"{TENSORBOARD}: {folder} lies in the store {store}; name another folder")
    check_installed(TENSORBOARD)

    def begin(run: RunStore) -> Follower:
        events = stack.enter_context(closing(EventFolder(path, TENSORBOARD)))
        return Follower(run, TensorboardSink(events, run), print_note)

    return begin


def _look(follower: Follower, begin: Begin, run: RunStore) -> tuple[Follower, bool]:
    """One look, which may find the server away: what it has is asked anew once it is back."""
    try:
        return follower, follower.look()
    except ServiceUnavailable as error:
        print_note(f"{error}; trying again")
    try:
        return begin(run), False
    except ServiceUnavailable:
        return follower, False


def _where(run: RunStore) -> str:
    return f"generation {run.committed()}"
