"""From the models' JSON schema to a structural schema, as a custom resource definition wants it.

The two differ in small ways, all of them here: a constant is an enumeration of one, a limit on a
decimal in quotes is a rule, and absent fields are absent, never null: the API server drops a null
where ``nullable`` is not set. Unknown fields are no matter of the schema: ``kubectl`` has the
server refuse them.
"""

from __future__ import annotations

from typing import Any

from cycleqd.manifest.values import DECIMAL_FORMAT, decimal_text
from cycleqd_operator.api.cel import VALIDATIONS, Rule, quoted

Schema = dict[str, Any]

_COPIED = ("description", "type", "pattern", "minLength", "minItems", "maxItems", "maxProperties")
_INT32_MAX = 2**31 - 1


def structural(node: Schema, *, defaults: bool = True) -> Schema:
    """The structural form of a schema without references.

    Args:
        node: from `cycleqd.manifest.schema.schema_of`.
        defaults: whether absent fields are filled in; not in a status.
    """
    result: Schema = {key: node[key] for key in _COPIED if key in node}
    match node["type"]:
        case "string":
            result |= _text(node)
        case "integer":
            result |= _whole(node)
        case "array":
            result["x-kubernetes-list-type"] = "atomic"
            result["items"] = structural(node["items"], defaults=defaults)
        case "object":
            result |= _mapping(node, defaults=defaults)
    if defaults and "default" in node:
        result["default"] = _written(node["default"])
    return result


def _written(default: object) -> object:
    """A default without its nulls.

    That of a mapping holds those of its fields, though each field has its own: the API server
    checks rules on it alone.
    """
    if isinstance(default, dict):
        return {key: _written(part) for key, part in default.items() if part is not None}
    return default


def _text(node: Schema) -> Schema:
    choices = [node["const"]] if "const" in node else node.get("enum")
    if choices:
        return {"enum": choices}
    if node.get("format") == DECIMAL_FORMAT:
        return {"maxLength": node["maxLength"], VALIDATIONS: [_limits(node).schema()]}
    if node.get("format") == "date-time":
        return {"format": "date-time", "maxLength": 64}
    return {"maxLength": node["maxLength"]}


def _limits(node: Schema) -> Rule:
    above = node.get("exclusiveMinimum")
    low = node["minimum"] if above is None else above
    bound, words = (">=", f"from {low} to") if above is None else (">", f"above {low}, at most")
    high = node["maximum"]
    return Rule(
        f"!self.matches({quoted(node['pattern'])})"  # the schema says so already
        f" || (double(self) {bound} {float(low)} && double(self) <= {float(high)})",
        f"must be a number {words} {decimal_text(high)}, in quotes",
    )


def _whole(node: Schema) -> Schema:
    high = node["maximum"] if "maximum" in node else node["exclusiveMaximum"] - 1
    size = "int32" if high <= _INT32_MAX else "int64"
    return {"format": size, "minimum": node["minimum"], "maximum": high}


def _mapping(node: Schema, *, defaults: bool) -> Schema:
    if "properties" not in node:
        values = node["additionalProperties"]
        if values is True:
            return {"x-kubernetes-preserve-unknown-fields": True}
        return {"additionalProperties": structural(values, defaults=defaults)}
    fields = {
        name: structural(part, defaults=defaults) for name, part in node["properties"].items()
    }
    required = {"required": node["required"]} if "required" in node else {}
    return {"properties": fields} | required


def place(schema: Schema, path: str) -> Schema:
    """The part of a structural schema at a path such as ``spec.tasks[].name``; empty for all."""
    for step in path.split(".") if path else ():
        schema = schema["properties"][step.removesuffix("[]")]
        if step.endswith("[]"):
            schema = schema["items"]
    return schema


def key_lists(schema: Schema, keys: dict[str, str]) -> None:
    """Make the lists at some paths maps: their elements are found by a field, not by position."""
    for path, key in keys.items():
        part = place(schema, path)
        part["x-kubernetes-list-type"] = "map"
        part["x-kubernetes-list-map-keys"] = [key]


def add_rules(schema: Schema, rules: dict[str, tuple[Rule, ...]]) -> None:
    """Add rules to the places of a schema."""
    for path, added in rules.items():
        place(schema, path).setdefault(VALIDATIONS, []).extend(rule.schema() for rule in added)
