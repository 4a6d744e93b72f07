"""Words for what is wrong with a field: its path, the value found, the remedy.

Pydantic finds the faults; its messages speak of tuples and inputs, so only the place and the kind
of each fault are taken from it. What a field expects is read off the JSON schema, hence said the
same way here, in ``docs/manifest.md`` and in the custom resource definition.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cycleqd.manifest.schema import manifest_schema
from cycleqd.manifest.values import (
    DECIMAL_FORMAT,
    DECIMAL_PATTERN,
    LABEL_VALUE_PATTERN,
    NAME_PATTERN,
    OBJECT_NAME_PATTERN,
    decimal_text,
)

if TYPE_CHECKING:
    from pydantic import ValidationError

Location = Sequence[str | int]

_CREDENTIAL_FIELD = re.compile(
    r"secret|password|access_?key|credential|api_?key|token$", re.IGNORECASE
)
_AWS_CREDENTIALS = (
    "the usual AWS chain (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role)"
)
_TRACKING_CREDENTIALS = (
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in a cluster "
    "by credentialsSecretRef"
)
_USERINFO = re.compile(r"://[^/\s@]*@")
_SIGNED_QUERY = re.compile(r"\?.*$", re.DOTALL)
_SCHEMA = manifest_schema()


def path_of(location: Location) -> str:
    """``spec.tasks[1].name`` from ``("spec", "tasks", 1, "name")``; odd keys are quoted."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", step):
            path += f".{step}" if path else step
        else:
            path += f"[{json.dumps(step)}]"
    return path


def shown(value: object) -> str:
    """A value as its author wrote it, short and without credentials."""
    if isinstance(value, str):
        text = _USERINFO.sub("://***@", value)
        if "://" in text:
            text = _SIGNED_QUERY.sub("?***", text)
        return json.dumps(text if len(text) <= 80 else text[:77] + "...")
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, tuple | list):
        return "a list" if value else "an empty list"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinity"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**20:
        return "a number of more than 20 digits"
    return json.dumps(value)


def field_problems(error: ValidationError) -> list[str]:
    """One line for each fault of a document, in the order of the fields."""
    problems = []
    for fault in error.errors(include_url=False, include_context=True):
        location, value = fault["loc"], fault["input"]
        kind = fault["type"]
        if kind == "too_short" and len(value) >= fault["ctx"]["min_length"]:
            continue  # its elements failed, and each has said so
        location = tuple(step for step in location if step != "[key]")
        if kind == "missing":
            text = _missing(location)
        elif kind == "extra_forbidden":
            text = _unknown(location)
        else:
            text = _misfit(_schema_at(location), value)
        problems.append(f"{path_of(location)}: {text}")
    return problems


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that is most likely meant: same but for case, '-' and '_', else similar."""
    for candidate in known:
        if _folded(candidate) == _folded(name):
            return candidate
    by_case = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), list(by_case), n=1, cutoff=0.6)
    return by_case[close[0]] if close else None


def _folded(name: str) -> str:
    return re.sub(r"[-_ .]", "", name).lower()


def _schema_at(location: Location) -> dict[str, Any]:
    node = _SCHEMA
    for step in location:
        if isinstance(step, int):
            node = node["items"]
        else:
            node = node.get("properties", {}).get(step) or node["additionalProperties"]
    return node


def _first_sentence(node: dict[str, Any]) -> str:
    text = node.get("description", "").split(". ")[0].rstrip(".")
    return f"{text[0].lower()}{text[1:]}" if text[1:2].islower() else text


def _missing(location: Location) -> str:
    node = _schema_at(location)
    if node["type"] == "object":
        return f"is missing; add it with {_fields(node, required_only=True)}"
    if "const" in node:
        return f"is missing; add `{location[-1]}: {node['const']}`"
    if "enum" in node:
        return f"is missing; add one of {_choices(node)}"
    if "pattern" in node:
        return f"is missing; add {_expectation(node)}"
    return f"is missing; add {_expectation(node)}: {_first_sentence(node)}"


def _unknown(location: Location) -> str:
    name = str(location[-1])
    here = list(_schema_at(location[:-1])["properties"])
    elsewhere = dict(_places(_SCHEMA, ()))
    for candidate in here:
        if _folded(candidate) == _folded(name):
            return f"unknown field; write `{candidate}`"
    places = [path for path, field in elsewhere.items() if _folded(field) == _folded(name)]
    if places:
        return f"unknown field here; it stands at {' or '.join(places[:3])}"
    if _CREDENTIAL_FIELD.search(name):
        giver = _TRACKING_CREDENTIALS if "tracking" in location else _AWS_CREDENTIALS
        return f"credentials never stand in a manifest; remove the line and give them by {giver}"
    if near := nearest(name, here):
        return f"unknown field; did you mean `{near}`?"
    close = difflib.get_close_matches(name, list(elsewhere.values()), n=1, cutoff=0.75)
    if close:
        places = [path for path, field in elsewhere.items() if field == close[0]]
        return f"unknown field; did you mean {' or '.join(places[:3])}?"
    return f"unknown field; remove it, known here are {', '.join(here)}"


def _places(node: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every field's path (with ``[]`` for any element) and its name."""
    for name, part in node.get("properties", {}).items():
        yield ".".join((*above, name)), name
        step = f"{name}[]" if part["type"] == "array" else name
        yield from _places(part.get("items", part), (*above, step))


def _fields(node: dict[str, Any], *, required_only: bool = False) -> str:
    names = node.get("required", []) if required_only else list(node.get("properties", {}))
    return ", ".join(names) if names else "its fields"


def _choices(node: dict[str, Any]) -> str:
    return ", ".join(node["enum"])


def _range(node: dict[str, Any]) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if above is not None and high is not None:
        return f" above {above}, at most {high}"
    if low is not None and below is not None:
        return f" from {low} to {below - 1}"
    return f" of at least {low}" if low is not None else ""


def _expectation(node: dict[str, Any]) -> str:
    if "const" in node:
        return json.dumps(node["const"])
    if "enum" in node:
        return f"one of {_choices(node)}"
    if node.get("format") == DECIMAL_FORMAT:
        return f"a number{_range(node)}, in quotes"
    if "pattern" in node:
        signs = _SIGNS[node["pattern"]]
        return f"{signs} (not first or last), at most {node['maxLength']} characters"
    match node["type"]:
        case "array":
            words = f"a list (each element {_expectation(node['items'])})"
        case "object" if node.get("additionalProperties") is True:
            words = "a mapping"
        case "object" if "properties" not in node:
            words = "a mapping of names to text"
        case "object":
            words = f"a mapping with {_fields(node)}"
        case kind:
            words = _KINDS[kind] + _range(node)
    return words


_SIGNS = {
    NAME_PATTERN: "a name of lower-case letters, digits and '-'",
    OBJECT_NAME_PATTERN: "a name of lower-case letters, digits, '-' and '.'",
    LABEL_VALUE_PATTERN: "a word of letters, digits, '-', '_' and '.'",
}
_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def _misfit(node: dict[str, Any], value: object) -> str:
    """What is wrong with a value that its schema refuses, and the remedy."""
    if isinstance(value, tuple) and node["type"] == "array":
        return _misfit_length(node, value)
    if isinstance(value, dict) and len(value) > node.get("maxProperties", len(value)):
        return f"has {len(value)} fields, at most {node['maxProperties']} are allowed; remove some"
    remedy = _remedy(node, value)
    if value == "" and node["type"] == "string" and "enum" not in node and "pattern" not in node:
        return "must not be empty; write a value or remove the line"
    if isinstance(value, str) and node["type"] == "string" and "pattern" not in node:
        if len(value) > node.get("maxLength", len(value)):
            return f"has {len(value)} characters, at most {node['maxLength']} are allowed; {remedy}"
        if "enum" not in node and "const" not in node:
            return f"{shown(value)} is not valid Unicode text; save the file as UTF-8"
    return f"must be {_expectation(node)}, not {shown(value)}; {remedy}"


def _misfit_length(node: dict[str, Any], value: tuple[Any, ...]) -> str:
    if not value:
        return f"must have at least one element, the list is empty; add {_example(node['items'])}"
    return f"has {len(value)} elements, at most {node['maxItems']} are allowed; remove some"


def _example(item: dict[str, Any]) -> str:
    return f"one with {_fields(item, required_only=True)}" if "required" in item else "one"


def _remedy(node: dict[str, Any], value: object) -> str:
    if value is None:
        return _null_remedy(node)
    if "enum" in node or "const" in node:
        return _choice_remedy(node, value)
    if node.get("format") == DECIMAL_FORMAT:
        return _decimal_remedy(node, value)
    match node["type"]:
        case "integer" | "number":
            remedy = _number_remedy(node["type"], value)
        case "boolean":
            remedy = "write true or false without quotes"
        case "string":
            remedy = _text_remedy(node, value)
        case "array" if isinstance(value, dict):
            remedy = "begin each element with '- '"
        case "array":
            remedy = f"write [{shown(value)}]"
        case _ if isinstance(value, tuple):
            remedy = "remove the '- ' before its fields"
        case _:
            remedy = "indent its fields below it"
    return remedy


def _null_remedy(node: dict[str, Any]) -> str:
    default = node.get("default")
    if default is None:
        return "write a value after the colon"
    if isinstance(default, dict):
        return "remove the line to use the defaults"
    return f"remove the line to use the default {json.dumps(default)}, or write a value"


def _choice_remedy(node: dict[str, Any], value: object) -> str:
    choices = [node["const"]] if "const" in node else node["enum"]
    if len(choices) == 1:
        return f"write {choices[0]}"
    near = nearest(value, choices) if isinstance(value, str) else None
    return f"did you mean {near}?" if near else "write one of them"


def _number_remedy(wanted: str, value: object) -> str:
    if isinstance(value, str):
        try:
            number = json.loads(value)
        except (ValueError, RecursionError):
            number = None
        if isinstance(number, int | float) and not isinstance(number, bool):
            return f"remove the quotes: {value.strip()}"
        return "write a number"
    if isinstance(value, float) and math.isfinite(value) and wanted == "integer":
        below, above = math.floor(value), math.ceil(value)
        return f"write {below}" if below == above else f"write {below} or {above}"
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return "choose a value in that range"
    return "write a number"


def _decimal_remedy(node: dict[str, Any], value: object) -> str:
    number = _finite(value)
    if number is None:
        return 'write a number in quotes, like "0.5"'
    text = decimal_text(number)
    low, high = node.get("minimum", node.get("exclusiveMinimum", 0)), node["maximum"]
    fits = low <= number <= high and number != node.get("exclusiveMinimum")
    if not fits or not re.fullmatch(DECIMAL_PATTERN, text):
        return "choose a value in that range"
    return f'write "{text}"' if isinstance(value, str) else f'quote it: "{text}"'


def _finite(value: object) -> float | None:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text_remedy(node: dict[str, Any], value: object) -> str:
    if isinstance(value, bool):
        return "put the word in quotes (YAML reads yes, no, on and off as true or false)"
    if isinstance(value, int | float):
        return f'put it in quotes: "{shown(value)}"'
    if not isinstance(value, str):
        return "write one text"
    if "pattern" in node:
        slug = re.sub(r"[^a-z0-9]+", "-", value.lower())[: node["maxLength"]].strip("-")
        return f"for example {slug}" if slug else "choose another name"
    return "shorten it"
