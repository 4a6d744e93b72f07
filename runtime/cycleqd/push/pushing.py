"""A push: claim the place, export the member, write its card, send."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from cycleqd.cards.facts import CARD_FILE, card_facts, stated_licence
from cycleqd.cards.text import card
from cycleqd.checkpoints.source import resolve
from cycleqd.errors import CheckpointError, StoreError
from cycleqd.push.destinations import LABEL_FILE, Label
from cycleqd.records.documents import SourceRecord
from cycleqd.run.store import RunStore
from cycleqd.scratch import scratch_folder
from cycleqd.store.access import settings_of
from cycleqd.store.cache import cache_folder
from cycleqd.store.localfile import disk_errors


class Place(Protocol):
    """Where one model goes."""

    def claim(self, label: Label) -> bool:
        """Make the place the model's; whether all of it is there already."""

    def send(self, folder: Path) -> None:
        """Send what is missing of a folder."""


def push(run: RunStore, label: Label, place: Place, export: Callable[[Path], object]) -> bool:
    """Push a member; whether there was something to do.

    Args:
        run: the run's store.
        label: says which member, in which form.
        place: where to.
        export: writes the member into a new folder.

    Raises:
        InputError: the place is another model's or cannot be written, or the member cannot be
            exported so.
        ServiceUnavailable: the place does not answer.
        StoreError: a store failed, or the disk is full.
    """
    if place.claim(label):
        return False
    cache = cache_folder()
    with disk_errors(f"cannot write {cache}"):
        cache.mkdir(parents=True, exist_ok=True)
    with scratch_folder("push", cache) as scratch:
        folder = scratch / "model"
        export(folder)
        facts = card_facts(run, label.candidate, partial(_licence_of, run, cache / "checkpoints"))
        with disk_errors(f"cannot write {folder}"):
            (folder / CARD_FILE).write_text(card(facts, label.form), "utf-8")
            (folder / LABEL_FILE).write_bytes(label.to_bytes())
        place.send(folder)
    return True


def _licence_of(run: RunStore, cache: Path, source: SourceRecord) -> str | None:
    """What the card of a checkpoint states; None where there is none, or it cannot be had."""
    if source.member is not None:
        return None
    if source.uri.startswith("hf://"):
        return _licence_on_hub(source.uri)
    s3 = run.history.latest().spec.storage.s3
    try:
        return stated_licence(resolve(source.uri, cache, settings_of(s3), location=source.location))
    except (CheckpointError, StoreError):
        return None


def _licence_on_hub(uri: str) -> str | None:
    from huggingface_hub import errors, hf_hub_download  # noqa: PLC0415 - takes 1 s

    name, _, revision = uri.removeprefix("hf://").partition("@")
    try:
        path = hf_hub_download(name, CARD_FILE, revision=revision or None)
    except (errors.HfHubHTTPError, errors.EntryNotFoundError, OSError):
        return None
    return stated_licence(Path(path).parent)
