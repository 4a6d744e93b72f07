"""A page of Jobs or pods, of which only what the cache keeps is made into Python objects.

Nine tenths of such a page are who wrote which field and the pod template that each Job repeats in
its pods. To parse them took more than half of the operator's processor time at its start. The API
server's schema says where they stand, so they are skipped in the text. The text is cut into its
objects first: each is made small before the next one is parsed. Whatever is not as the schema says,
and all other kinds, `cycleqd_operator.kube.pages` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import GenericAlias
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from cycleqd_operator.kube.objects import Json
from cycleqd_operator.kube.pages import parse_page
from cycleqd_operator.kube.resources import JOB, POD
from cycleqd_operator.kube.trimming import (
    CONTAINER_LISTS,
    CONTAINER_STATUS,
    JOB_SPEC,
    METADATA,
    POD_SPEC,
    POD_STATUS,
    trim,
)


def _struct(
    name: str,
    keys: Iterable[str],
    typed: Mapping[str, object] | None = None,
    *,
    whole: bool = False,
) -> type[Struct]:
    """A type of objects with some keys, each of which may be missing.

    Args:
        name: for messages.
        keys: whose values are any JSON.
        typed: further keys with the types of their values.
        whole: whether another key is an error; else it is skipped.
    """
    types: dict[str, object] = dict.fromkeys(keys, Any) | dict(typed or {})
    fields: list[Any] = [(key, kind, UNSET) for key, kind in types.items()]
    return msgspec.defstruct(name, fields, forbid_unknown_fields=whole)


_Metadata = _struct("_Metadata", (*METADATA, "labels", "annotations", "ownerReferences"))
_Containers = GenericAlias(list, (_struct("_Container", CONTAINER_STATUS),))
_PodStatus = _struct("_PodStatus", POD_STATUS, dict.fromkeys(CONTAINER_LISTS, _Containers))
_Job = _struct(
    "_Job",
    ("apiVersion", "kind", "status"),
    {"metadata": _Metadata | None, "spec": _struct("_JobSpec", JOB_SPEC) | None},
    whole=True,
)
_Pod = _struct(
    "_Pod",
    ("apiVersion", "kind"),
    {
        "metadata": _Metadata | None,
        "spec": _struct("_PodSpec", POD_SPEC) | None,
        "status": _PodStatus | None,
    },
    whole=True,
)
_OBJECTS: dict[str, msgspec.json.Decoder[Struct]] = {
    JOB.kind: msgspec.json.Decoder(_Job),
    POD.kind: msgspec.json.Decoder(_Pod),
}
_PAGE = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw])


def read_page(kind: str, text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of a text; where it is a page of a LIST, its objects trimmed.

    Args:
        kind: of the objects.
        text: what the API server answered.

    Raises:
        ValueError: the text is no JSON.
    """
    objects = _OBJECTS.get(kind)
    if objects is not None:
        try:
            return _typed_page(kind, objects, text)
        except (msgspec.MsgspecError, RecursionError, KeyError):
            pass
    return parse_page(text, partial(trim, kind))


def _typed_page(kind: str, objects: msgspec.json.Decoder[Struct], text: str) -> Json:
    """A page whose objects are as the schema says.

    Raises:
        MsgspecError: they are not, or this is no page.
        KeyError: a page without objects.
    """
    parts = _PAGE.decode(text)
    items = _ITEMS.decode(parts.pop("items"))
    page: Json = {key: msgspec.json.decode(part) for key, part in parts.items()}
    page["items"] = [trim(kind, msgspec.to_builtins(objects.decode(item))) for item in items]
    return page
