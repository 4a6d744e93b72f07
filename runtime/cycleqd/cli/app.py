"""The application: global options and the list of commands."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from cycleqd.cli import (
    compare,
    demo,
    export,
    fit_base,
    history,
    inspect,
    items,
    manifests,
    pod,
    push,
    run,
    track,
    ui,
)
from cycleqd.cli.console import print_result
from cycleqd.contract import pods, variables
from cycleqd.version import __version__

app = typer.Typer(
    name="cycleqd",
    help="Evolve swarms of language models: quality diversity over model merging (CycleQD).",
    epilog="Start with: make demo. Documentation: docs/index.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(value: bool) -> None:
    if value:
        print_result(f"cycleqd {__version__}")
        raise typer.Exit


@app.callback()
def common(
    s3_endpoint: Annotated[
        str | None, typer.Option(help="URL of the S3 server; AWS when absent.")
    ] = None,
    s3_region: Annotated[str | None, typer.Option(help="Region of the S3 server.")] = None,
    s3_ca_bundle: Annotated[
        str | None, typer.Option(help="PEM file of the authorities that sign its certificate.")
    ] = None,
    s3_addressing_style: Annotated[str | None, typer.Option(help="Auto, Path or Virtual.")] = None,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Options for all commands; a manifest's ``spec.storage.s3`` goes before them."""
    given = {
        variables.S3_ENDPOINT: s3_endpoint,
        variables.S3_REGION: s3_region,
        variables.S3_CA_BUNDLE: s3_ca_bundle,
        variables.S3_ADDRESSING_STYLE: s3_addressing_style,
    }
    os.environ.update({name: value for name, value in given.items() if value is not None})
    # Of a home folder that cannot be written it says three lines, and draws all the same.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # Says each batch that a receiver does not take, and headers that are none with their secrets.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)


app.command(epilog="Example: cycleqd validate manifests/examples/tiny.yaml")(manifests.validate)
app.command(epilog="Example: cycleqd schema > cycleqdrun.schema.json")(manifests.schema)
app.add_typer(items.app, name="items")
app.command("fit-base", epilog="Example: cycleqd fit-base models/base --untie --out models/untied")(
    fit_base.fit_base
)
app.command(
    "demo-experts", epilog="Example: cycleqd demo-experts --preset tiny --out out/demo/tiny"
)(demo.demo_experts)
app.command(
    epilog="Example: cycleqd run manifests/examples/tiny.yaml --store out/tiny --workers 2"
)(run.run)
app.command(hidden=True)(run.work)
app.command(epilog="Example: cycleqd compare mine.yaml other.yaml --seeds 1,2,3 --out out/compare")(
    compare.compare
)
app.command(epilog="Example: cycleqd status out/tiny --json")(inspect.status)
app.command(epilog="Example: cycleqd history out/tiny --json")(history.history)
app.command(epilog="Example: cycleqd report out/tiny --out report")(inspect.report)
app.command(epilog="Example: cycleqd ui out")(ui.ui)
app.command("list", epilog="Example: cycleqd list out/tiny --task sql")(inspect.list_members)
app.command(epilog="Example: cycleqd show out/tiny c000012")(inspect.show)
app.command(epilog="Example: cycleqd export out/tiny --member c000012 --out models/c000012")(
    export.export
)
app.command(epilog="Example: cycleqd materialize out/tiny --member c000012")(export.materialize)
app.command(epilog="Example: cycleqd push out/tiny s3://models/tiny-balanced --member balanced")(
    push.push
)
app.command(epilog="Example: cycleqd track out/tiny --mlflow http://localhost:5000 --follow")(
    track.track
)
app.command(epilog="Example: cycleqd verify out/tiny")(inspect.verify)
app.add_typer(pod.app, name=pods.COMMAND_GROUP, hidden=True)
