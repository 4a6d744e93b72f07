"""``cycleqd ui``: the live page."""

from __future__ import annotations

from typing import Annotated

import typer

from cycleqd.cli.console import print_note
from cycleqd.errors import InputError
from cycleqd.store import open_store
from cycleqd.store.access import settings_of

PORT = 8321


def ui(
    prefix: Annotated[
        str,
        typer.Argument(
            metavar="PREFIX", help="A folder or s3://bucket/prefix with runs in it, or one run's."
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine can reach 0.0.0.0.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = PORT,
    root_path: Annotated[
        str,
        typer.Option(metavar="PATH", help="Path that an ingress puts the page below: /cycleqd."),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Host name of the ingress; others are then refused; repeatable."
        ),
    ] = None,
) -> None:
    """Show runs in a browser, live and reading only: archives, members, histories, comparisons."""
    store = open_store(prefix, settings_of())
    try:
        from cycleqd.ui.serving import serve  # noqa: PLC0415 - optional libraries
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed; the page needs the extra: "
            "pip install 'cycleqd-operator[ui]'"
        ) from error
    serve(store, host, port, print_note, names=allow_host or (), root_path=root_path)
