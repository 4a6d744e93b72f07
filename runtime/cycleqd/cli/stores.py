"""The STORE argument and what it opens."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from cycleqd.errors import StoreError
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.store.access import settings_of
from cycleqd.store.patient import PatientStore

log = logging.getLogger(__name__)

StoreArgument = Annotated[
    str,
    typer.Argument(
        metavar="STORE", help="The run's folder or s3://bucket/prefix, as given to `run --store`."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def open_run_store(uri: str, *, patient: bool = False) -> RunStore:
    """The run that a STORE argument names.

    Args:
        uri: of the run's folder.
        patient: wait for a store that is away, for as long as it takes.

    Raises:
        InputError: no run is stored there.
    """
    store = open_store(uri, settings_of())
    run = RunStore(PatientStore(store, _log_trouble) if patient else store)
    assert run.document  # reads run.json, or says that there is none
    return run


def _log_trouble(error: StoreError | None) -> None:
    if error is None:
        log.warning("the store answers again")
    else:
        log.warning("%s", error)
