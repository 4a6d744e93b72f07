"""What all JSON documents of a run have in common: they are frozen, with canonical bytes."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from cycleqd.errors import StoreCorrupt
from cycleqd.records.json_text import MAX_SHOWN, parse_json


class Document(BaseModel):
    """Base of all documents: frozen, camelCase, canonical bytes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        allow_inf_nan=False,
    )

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, two spaces, a newline at the end."""
        return dump_json(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def from_bytes(cls, data: bytes, key: str) -> Self:
        """Parse what `to_bytes` wrote.

        Raises:
            StoreCorrupt: the bytes are not this document, or of a version we do not know.
        """
        try:
            document = cls.model_validate(parse_json(data))
        except ValidationError as error:
            raise StoreCorrupt(
                f"{key}: not a {cls.__name__} of this version of cycleqd ({first_fault(error)})"
            ) from error
        except ValueError as error:
            raise StoreCorrupt(f"{key}: not a {cls.__name__} of cycleqd ({error})") from error
        if "format" in cls.model_fields and "format" not in document.model_fields_set:
            raise StoreCorrupt(f"{key}: not a {cls.__name__} of cycleqd (format: Field required)")
        return document


def dump_json(document: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Canonical JSON bytes of a value."""
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def first_fault(error: ValidationError) -> str:
    """Where the first fault is, and what it is."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part)[:MAX_SHOWN] for part in first["loc"])
    return f"{where}: {first['msg']}"
