"""What commands that run manifests on this machine have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cycleqd.cli.console import print_note

WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Worker processes; spec.workers.replicas if absent.")
]
ShareGpusOption = Annotated[
    bool, typer.Option("--share-gpus", help="Let workers share GPUs; each needs one otherwise.")
]


@contextmanager
def resumable() -> Iterator[None]:
    """Work that Ctrl-C may end at any moment, with exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        print_note("stopped; nothing is lost, the same command goes on")
        sys.exit(130)
