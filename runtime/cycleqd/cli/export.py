"""``cycleqd export`` and ``cycleqd materialize``: from a member's genome to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cycleqd.api.run import open_run
from cycleqd.cli.console import print_result
from cycleqd.cli.stores import StoreArgument, open_run_store
from cycleqd.records import keys
from cycleqd.run.members import resolve_member
from cycleqd.scratch import scratch_folder
from cycleqd.store.cache import cache_folder

MemberOption = Annotated[
    str,
    typer.Option(help="A candidate id, `best:TASK`, `balanced` or `aggregate`."),
]


def export(
    store: StoreArgument,
    member: MemberOption,
    out: Annotated[Path, typer.Option(help="A new folder for the checkpoint.")],
) -> None:
    """Write a member as a Hugging Face checkpoint that transformers opens and vLLM serves."""
    run = open_run(store)
    candidate = run.resolve(member)
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
        digest = models.materializer.to_file(models.genome(candidate), made)
        for path in sorted(made.iterdir()):
            run.objects.create_file(f"{prefix}/{path.name}", path)
    print_result(f"{run.objects.uri}/{prefix}: weights {digest}")
