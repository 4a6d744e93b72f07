"""Pushing to an S3 prefix: objects that are created once, like all that a store holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cycleqd.cards.facts import CARD_FILE
from cycleqd.push.destinations import LABEL_FILE, Label, check_label
from cycleqd.store.base import ObjectStore


class StorePlace:
    """A prefix of a store as a place for one model.

    Args:
        objects: all below the prefix.
        say: told of each file.
    """

    def __init__(self, objects: ObjectStore, say: Callable[[str], None]) -> None:
        self._objects = objects
        self._say = say

    def claim(self, label: Label) -> bool:
        """Make the place the model's; whether all of it is there already.

        Raises:
            InputError: it is another model's.
            StoreError: the store failed.
        """
        self._objects.create(LABEL_FILE, label.to_bytes())
        check_label(self._objects.uri, self._objects.read(LABEL_FILE), label)
        return self._objects.exists(CARD_FILE)

    def send(self, folder: Path) -> None:
        """Send what is missing, the card last.

        Raises:
            StoreError: the store failed.
        """
        files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != CARD_FILE)
        for path in (*files, folder / CARD_FILE):
            key = path.relative_to(folder).as_posix()
            created = self._objects.create_file(key, path)
            self._say(f"{key}: {'sent' if created else 'was there'}")
