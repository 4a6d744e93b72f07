"""``cycleqd demo-experts``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cycleqd.cli.console import print_note, print_result


def demo_experts(
    preset: Annotated[
        Literal["smollm2", "tiny"],
        typer.Option(help="smollm2: a real 135 M model, minutes. tiny: 2 M from scratch, seconds."),
    ] = "smollm2",
    out: Annotated[
        Path | None, typer.Option(help="Folder to fill; out/demo/PRESET when absent.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Base of smollm2: a folder or hf://org/name; from a wheel when absent."),
    ] = None,
    *,
    pooled: Annotated[
        bool, typer.Option("--pooled", help="Also train one model on the three experts' questions.")
    ] = False,
    later: Annotated[
        bool,
        typer.Option("--later", help="Also make regex and json, which join a run later."),
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Training length of each expert; the preset's when absent."),
    ] = None,
) -> None:
    """Make a base model, three experts (sql, python, shell) and their items for a first run.

    What is already there is kept, so an interrupted call goes on where it stopped.
    """
    from cycleqd.demo import make  # noqa: PLC0415 - torch

    folder = out or Path("out/demo") / preset
    make(preset, folder, base, print_note, pooled=pooled, later=later, epochs=epochs)
    print_result(f"{folder}: base, experts and items are ready")
