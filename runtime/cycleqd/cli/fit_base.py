"""``cycleqd fit-base``: a base that experts with a head or with tokens of their own fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cycleqd.cli.console import print_result
from cycleqd.errors import InputError


def fit_base(
    base: Annotated[str, typer.Argument(metavar="BASE", help="The base, as in spec.base.uri.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    *,
    untie: Annotated[
        bool, typer.Option("--untie", help="Give it an output head that equals its embeddings.")
    ] = False,
    tokens_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXPERT",
            help="Give it the tokens that this full expert added; may be given several times.",
        ),
    ] = None,
) -> None:
    """Write a copy of a base that has what its experts have more: name it as spec.base.uri then.

    The copy computes what the base does. Experts that stayed with one head, or with the base's
    tokens, are taken with it too, the latter with `vocabulary: Base`.
    """
    from cycleqd.run import fitting  # noqa: PLC0415 - torch

    if not untie and not tokens_of:
        raise InputError("fit-base: add --untie, --tokens-of EXPERT, or both")
    made = fitting.fit_base(base, tokens_of or [], out, untie=untie)
    head = f", output head {made.head}" if made.head else ""
    print_result(
        f"{out}: {made.rows} rows for tokens, {made.added} added{head}, tokenizer of "
        f"{made.tokenizer}"
    )
