"""``cycleqd export`` and ``cycleqd materialize``: from a member's genome to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cycleqd.api.run import open_run
from cycleqd.cli.console import print_result
from cycleqd.cli.stores import StoreArgument, open_run_store
from cycleqd.errors import InputError
from cycleqd.records import keys
from cycleqd.run.members import resolve_member
from cycleqd.scratch import scratch_folder
from cycleqd.store.cache import cache_folder

Format = Literal["model", "lora"]

MemberOption = Annotated[
    str,
    typer.Option(help="A candidate id, `best:TASK`, `balanced` or `aggregate`."),
]


def export(
    store: StoreArgument,
    member: MemberOption,
    out: Annotated[Path, typer.Option(help="A new folder for the checkpoint or adapter.")],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="A whole `model`, or a `lora` adapter of the base: exact for members of adapters.",
        ),
    ] = "model",
    rank: Annotated[
        int | None,
        typer.Option(min=1, help="With `--format lora`: cut to this rank, which is an error."),
    ] = None,
) -> None:
    """Write a member as a Hugging Face checkpoint that transformers opens and vLLM serves."""
    run = open_run(store)
    candidate = run.resolve(member)
    if form == "lora":
        made = run.export_adapter(candidate, out, rank)
        error = f"relative error {made.relative_error:.2g}" if made.relative_error else "exact"
        print_result(
            f"{out}: {candidate}, adapter of rank {made.rank} for {made.modules} modules, {error}, "
            f"{made.nbytes / 1e6:.1f} MB"
        )
        return
    if rank is not None:
        raise InputError("--rank: a whole model has none; add --format lora")
    print_result(f"{out}: {candidate}, weights {run.export(candidate, out)}")


def materialize(store: StoreArgument, member: MemberOption) -> None:
    """Keep a member's weights in the store, under candidates/CANDIDATE/model/."""
    from cycleqd.run.models import RunModels  # noqa: PLC0415 - torch

    run = open_run_store(store)
    candidate = resolve_member(run, member)
    models = RunModels(run, cache_folder()).latest()
    prefix = keys.model_folder(candidate)
    with scratch_folder("model", cache_folder()) as folder:
        made = folder / "model"
        digest = models.export(candidate, made)
        for path in sorted(made.iterdir()):
            run.objects.create_file(f"{prefix}/{path.name}", path)
    print_result(f"{run.objects.uri}/{prefix}: weights {digest}")
