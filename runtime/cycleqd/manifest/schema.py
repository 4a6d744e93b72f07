"""A manifest as data: its canonical form and its JSON schema.

The canonical form is what ``run.json`` stores and what a continued run is compared with: every
default written out, so that a later version with other defaults still continues the run it finds.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from cycleqd.manifest.model import Manifest
from cycleqd.manifest.values import DECIMAL_FORMAT, decimal_text

if TYPE_CHECKING:
    from pydantic import BaseModel


def canonical(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON data in document spelling, with all defaults that are values.

    Absent optional fields stay absent. `cycleqd.manifest.reader.parse_manifest` of its JSON text
    gives an equal manifest.
    """
    document: dict[str, Any] = manifest.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model's documents: no references, descriptions from docstrings."""
    whole = model.model_json_schema(by_alias=True)
    definitions = whole.pop("$defs", {})

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        # The field's own description says more than its type's.
        return {**target, **{key: value for key, value in node.items() if key != "$ref"}}

    def inline(node: dict[str, Any]) -> dict[str, Any]:
        node = resolved(node)
        if "anyOf" in node:
            (only,) = (part for part in node["anyOf"] if part.get("type") != "null")
            rest = {key: node[key] for key in node if key not in ("anyOf", "default")}
            node = {**resolved(only), **rest, "nullable": True}
        node = {key: value for key, value in node.items() if key != "title"}
        if node.get("format") == DECIMAL_FORMAT and "default" in node:
            node["default"] = decimal_text(node["default"])
        if "description" in node:
            node["description"] = " ".join(node["description"].replace("``", "`").split())
        if "properties" in node:
            node["properties"] = {name: inline(part) for name, part in node["properties"].items()}
        for key in ("items", "additionalProperties"):
            if isinstance(node.get(key), dict):
                node[key] = inline(node[key])
        return node

    return inline(whole)


@cache
def _manifest_schema() -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema_of(Manifest)}


def manifest_schema() -> dict[str, Any]:
    """The JSON schema of a manifest: no references, descriptions from the models' docstrings.

    Optional fields carry ``nullable: true`` instead of a union with null, as Kubernetes wants it.
    Rules between fields are not in it.
    """
    return copy.deepcopy(_manifest_schema())
