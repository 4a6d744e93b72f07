"""``cycleqd push``: a member to where others find it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from cycleqd.api.run import Run
from cycleqd.cards.text import Form
from cycleqd.cli.console import print_note, print_result
from cycleqd.cli.export import MemberOption
from cycleqd.cli.stores import StoreArgument, open_run_store
from cycleqd.errors import InputError
from cycleqd.push.destinations import Destination, Label, parse_destination
from cycleqd.push.pushing import Place
from cycleqd.push.pushing import push as push_to
from cycleqd.push.to_hub import HubPlace, hub_api
from cycleqd.push.to_mlflow import MlflowPlace
from cycleqd.push.to_store import StorePlace
from cycleqd.store import open_store
from cycleqd.store.access import settings_of


def push(
    store: StoreArgument,
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION",
            help="`s3://BUCKET/PREFIX`, `hf://ORG/NAME` or `mlflow:models/NAME`.",
        ),
    ],
    member: MemberOption,
    form: Annotated[
        Form,
        typer.Option("--format", help="A whole `model`, or a `lora` adapter, as `export` writes."),
    ] = "model",
    *,
    rank: Annotated[
        int | None, typer.Option(min=1, help="With `--format lora`: the closest of this rank.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="On the hub: everybody may see a new model.")
    ] = False,
) -> None:
    """Push a member with a model card: scores with errors, lineage, licences, how to reproduce.

    Repeated, it goes on where it was, or says that all is there. Credentials come from the AWS
    chain, `HF_TOKEN`, or MLflow's own variables.
    """
    where = parse_destination(destination)
    if form == "model" and rank is not None:
        raise InputError("--rank: a whole model has none; add --format lora")
    if public and where.kind != "hf":
        raise InputError("--public: is for models of the hub; leave it out")
    run = open_run_store(store)
    reader = Run(run.objects)
    candidate = reader.resolve(member)
    label = Label(run.document.run_id, candidate, form, rank)
    export = (
        partial(reader.export, candidate)
        if form == "model"
        else partial(reader.export_adapter, candidate, rank=rank, say=print_note)
    )
    sent = push_to(run, label, _place(where, public=public), export)
    print_result(f"{destination}: {candidate}{'' if sent else ' was there already'}")


def _place(where: Destination, *, public: bool) -> Place:
    if where.kind == "s3":
        return StorePlace(open_store(where.name, settings_of()), print_note)
    if where.kind == "hf":
        return HubPlace(hub_api(), where, public=public, say=print_note)
    return MlflowPlace(where, print_note)
