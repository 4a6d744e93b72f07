"""``cycleqd validate`` and ``cycleqd schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cycleqd.cli.console import print_json, print_note, print_result
from cycleqd.errors import ManifestError
from cycleqd.manifest.reader import check_files, load_manifest
from cycleqd.manifest.schema import manifest_schema

ManifestArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A CycleQDRun manifest.")]


def validate(
    file: ManifestArgument,
    files: Annotated[
        bool, typer.Option("--files", help="Local files that do not exist are problems too.")
    ] = False,
) -> None:
    """Check a manifest: exit 0, or 78 with one problem a line, beginning with the field's path.

    Local files that are missing here are only warned of, since the manifest may be meant for
    another machine; `cycleqd run` refuses them.
    """
    manifest = load_manifest(file)
    missing = check_files(manifest)
    if missing and files:
        raise ManifestError(missing)
    for problem in missing:
        print_note(f"warning: {problem}")
    print_result(f"{file}: valid")


def schema() -> None:
    """Print the JSON schema of manifests."""
    print_json(manifest_schema())
