"""``cycleqd export`` and ``cycleqd materialize``: from a member's genome to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cycleqd.api.run import MAX_LOSS, open_run
from cycleqd.cli.console import print_note, print_result
from cycleqd.cli.stores import StoreArgument, open_run_store
from cycleqd.errors import InputError
from cycleqd.run.members import resolve_member
from cycleqd.scratch import scratch_folder
from cycleqd.store.cache import cache_folder

Format = Literal["model", "lora"]

MemberOption = Annotated[
    str,
    typer.Option(help="A candidate id, `best:TASK`, `balanced`, `aggregate` or `published`."),
]


def export(
    store: StoreArgument,
    member: MemberOption,
    out: Annotated[Path, typer.Option(help="A new folder for the checkpoint or adapter.")],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="A whole `model`, or a `lora` adapter of the base: exact for members of adapters, "
            "with `--rank` the closest for others.",
        ),
    ] = "model",
    *,
    rank: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With `--format lora`: the closest adapter of this rank. What it loses is "
            "measured on the search items.",
        ),
    ] = None,
    onto: Annotated[
        str | None,
        typer.Option(
            metavar="MEMBER",
            help="With `--format lora`: add to this member, exported as a whole model, and not to "
            "the base.",
        ),
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="With `--rank`: refuse an adapter whose mean score over tasks is lower than the "
            f"member's by more than this; {MAX_LOSS} if absent.",
        ),
    ] = None,
    save_others: Annotated[
        bool,
        typer.Option(
            "--save-others",
            help="With `--rank`: save embeddings, norms and head whole, which peft opens and vLLM "
            "does not; else they stay the base's.",
        ),
    ] = False,
) -> None:
    """Write a member as a Hugging Face checkpoint that transformers opens and vLLM serves."""
    _check_options(form, rank, onto, max_loss, save_others)
    run = open_run(store)
    candidate = run.resolve(member)
    if form == "model":
        print_result(f"{out}: {candidate}, weights {run.export(candidate, out)}")
        return
    made = run.export_adapter(
        candidate,
        out,
        rank,
        onto=onto,
        max_loss=MAX_LOSS if max_loss is None else max_loss,
        save_others=save_others,
        say=print_note,
    )
    error = f"relative error {made.relative_error:.2g}" if made.loss is not None else "exact"
    print_result(
        f"{out}: {candidate}, adapter of rank {made.rank} for {made.modules} modules, {error}, "
        f"{made.nbytes / 1e6:.1f} MB"
    )
    if (loss := made.loss) is not None:
        print_result(
            f"search items: mean score lower by {loss.mean_loss:z.3f} (standard error "
            f"{loss.standard_error:.3f}): {loss.scores}"
        )
        if loss.left_out:
            print_result(
                f"left as in the base: {len(loss.left_out)} tensors that no product can hold, "
                f"{loss.left_out_share:.1%} of what the member adds"
            )


def _check_options(
    form: Format, rank: int | None, onto: str | None, max_loss: float | None, save_others: bool
) -> None:
    """See that every option means something.

    Raises:
        InputError: one does not.
    """
    if form == "model":
        for option, given in (("--rank", rank is not None), ("--onto", onto is not None)):
            if given:
                raise InputError(f"{option}: a whole model has none; add --format lora")
    if rank is None:
        for option, given in (("--max-loss", max_loss is not None), ("--save-others", save_others)):
            if given:
                raise InputError(f"{option}: is for adapters of a rank; add --format lora --rank R")


def materialize(store: StoreArgument, member: MemberOption) -> None:
    """Keep a member's weights in the store, under candidates/CANDIDATE/model/."""
    from cycleqd.run.kept_models import keep_model  # noqa: PLC0415 - torch
    from cycleqd.run.models import RunModels  # noqa: PLC0415

    run = open_run_store(store)
    candidate = resolve_member(run, member)
    models = RunModels(run, cache_folder()).under_way()
    with scratch_folder("model", cache_folder()) as folder:
        made = folder / "model"
        digest = models.export(candidate, made)
        prefix = keep_model(run.objects, candidate, made, digest, cache_folder() / "checkpoints")
    print_result(f"{run.objects.uri}/{prefix}: weights {digest}")
