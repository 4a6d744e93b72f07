"""Where a member is pushed to, as a user writes it. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from cycleqd.cards.text import Form
from cycleqd.errors import InputError
from cycleqd.store.opening import parse_s3_uri

Kind = Literal["s3", "hf", "mlflow"]

LABEL_FILE = "cycleqd.json"
"""Says which member of which run a pushed folder is."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_MODEL_NAME = re.compile(r"[^/:\s][^/:]{0,255}")
_FORMS = "s3://BUCKET/PREFIX, hf://ORG/NAME or mlflow:models/NAME"


@dataclass(frozen=True)
class Destination:
    """A place.

    Attributes:
        kind: of place.
        name: in its own terms: an ``s3://`` URI, ``org/name``, or a registered model's name.
        uri: as the user wrote it.
    """

    kind: Kind
    name: str
    uri: str


def parse_destination(uri: str) -> Destination:
    """Read a destination.

    Raises:
        InputError: it is none; the message says what it may be.
    """
    if uri.startswith("s3://"):
        _, prefix = parse_s3_uri(uri)
        if not prefix:
            raise InputError(f"DESTINATION: {uri} has no prefix; a model needs one of its own")
        return Destination("s3", uri, uri)
    scheme, _, name = uri.partition("://") if "://" in uri else uri.partition(":models/")
    if scheme == "hf":
        if not _HUB_NAME.fullmatch(name):
            raise InputError(f"DESTINATION: {uri} names no model of a hub; write hf://ORG/NAME")
        return Destination("hf", name, uri)
    if scheme == "mlflow":
        if not _MODEL_NAME.fullmatch(name):
            raise InputError(
                f"DESTINATION: {uri} names no registered model; write mlflow:models/NAME"
            )
        return Destination("mlflow", name, uri)
    raise InputError(f"DESTINATION: {uri} is no place to push to; write {_FORMS}")


@dataclass(frozen=True)
class Label:
    """What a pushed folder is of: all that its weights follow from.

    Attributes:
        run_id: the run.
        candidate: the member.
        form: a whole model, or an adapter.
        rank: of a closest adapter; None for what is exact.
    """

    run_id: str
    candidate: str
    form: Form
    rank: int | None

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        document = {
            "format": "cycleqd-pushed/1",
            "run": self.run_id,
            "candidate": self.candidate,
            "form": self.form,
            "rank": self.rank,
        }
        return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def check_label(uri: str, found: bytes, wanted: Label) -> None:
    """See that a place is of the member that is pushed there.

    Raises:
        InputError: it is another model's.
    """
    if found != wanted.to_bytes():
        shown = " ".join(found[:300].decode(errors="replace").split())
        raise InputError(
            f"DESTINATION: {uri} holds another model ({shown}); name a place of its own"
        )
