"""Text to document: YAML or JSON as plain mappings, tuples and scalars, or a clear refusal.

PyYAML alone would keep the last of two equal keys silently, read ``3e-4`` as text, ``12:30`` as a
number in base 60 and ``2026-01-01`` as a date. Here the parsed nodes are converted by hand, so that
every refusal can say the line, and so that a document means what it means to ``kubectl``: scalars
are null, true/false (also yes/no/on/off), JSON's numbers, or text.

`cycleqd.manifest.reader` is the only caller.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from cycleqd.errors import ManifestError
from cycleqd.manifest.bounds import MAX_LEVELS, MAX_VALUES, too_deep, too_large

MAX_BYTES = 1_048_576
"""A larger document is no manifest; the Kubernetes API server refuses it too."""

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,64}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?")
_EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)")
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "str", "timestamp", "value", "seq", "map")
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})


def load_document(text: str, source: str) -> dict[str, Any]:
    """The single mapping that a YAML or JSON text holds; its lists are tuples.

    Args:
        text: the document.
        source: what to call it in messages, usually the file's name.

    Raises:
        ManifestError: the text is no YAML, holds no document or several, or no mapping.
    """
    if len(text) > MAX_BYTES:
        raise ManifestError(
            [f"{source}: longer than {MAX_BYTES} characters; this is not a run's manifest"]
        )
    try:
        nodes = list(yaml.compose_all(_without_json_tabs(text), Loader=yaml.SafeLoader))
        documents = [node for node in nodes if node is not None and not _is_null(node)]
        if not documents:
            raise ManifestError(
                [f"{source}: empty; start from `cycleqd schema` or manifests/examples/"]
            )
        if len(documents) > 1:
            line = documents[1].start_mark.line + 1
            problem = (
                f"{source}: holds {len(documents)} documents, the second begins at line {line}; "
                "keep one run in a file, without '---' between documents"
            )
            raise ManifestError([problem])
        conversion = _Conversion(source)
        document = conversion.value(documents[0])
    except yaml.YAMLError as error:
        raise ManifestError([_syntax_problem(error, source)]) from error
    except RecursionError as error:
        raise ManifestError([f"{source}: {_too_deep(text)}"]) from error
    if conversion.problems:
        raise ManifestError(conversion.problems)
    if not isinstance(document, dict):
        kind = "a list" if isinstance(document, tuple) else f"the single value {document!r:.60}"
        problem = (
            f"{source}: must be a mapping with apiVersion, kind, metadata and spec, "
            f"not {kind}; see manifests/examples/"
        )
        raise ManifestError([problem])
    return document


def _without_json_tabs(text: str) -> str:
    """JSON may be indented by tabs, which YAML refuses; inside JSON texts a raw tab is illegal."""
    return text.replace("\t", " ") if text.lstrip("\ufeff \t\r\n").startswith("{") else text


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS


def _syntax_problem(error: yaml.YAMLError, source: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f" line {mark.line + 1}, column {mark.column + 1}:"
        what = error.problem or error.context or "syntax error"
        hint = "check the indentation and quotes there"
        if "'\\t'" in what:
            hint = "indent with spaces, not tabs"
        elif "mapping values are not allowed" in what:
            hint = "put a value that contains ': ' in quotes, or check the indentation"
        elif "undefined alias" in what or "'*'" in what:
            hint = "put a value that begins with '*' in quotes"
        elif "'%'" in what or "'@'" in what or "'`'" in what:
            hint = "put the value in quotes"
        return f"{source}:{where} not valid YAML ({what}); {hint}"
    return f"{source}: not valid YAML ({' '.join(str(error).split())}); save the file as UTF-8 text"


def _too_deep(text: str) -> str:
    """Where a document is too deep for a parser that calls itself at each level.

    The events are told without recursion, up to the first place below `MAX_LEVELS`.
    """
    location: list[Any] = []  # a number in each list, in a mapping its key; None before a key
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            location.pop()
        elif not isinstance(event, yaml.NodeEvent):
            continue
        elif location and location[-1] is None:
            location[-1] = event.value if isinstance(event, yaml.ScalarEvent) else "?"
            continue
        else:
            if location and isinstance(location[-1], int):
                location[-1] += 1
            if len(location) > MAX_LEVELS:
                break
            if isinstance(event, yaml.CollectionStartEvent):
                location.append(None if isinstance(event, yaml.MappingStartEvent) else -1)
                continue
        if location and isinstance(location[-1], str):
            location[-1] = None
    return too_deep(location)


class _Conversion:
    """Nodes to values; problems are collected, with the line of each."""

    def __init__(self, source: str) -> None:
        self.problems: list[str] = []
        self._source = source
        self._open: set[int] = set()
        self._nodes = 0

    def _refuse(self, node: yaml.Node, what: str) -> None:
        mark = node.start_mark
        self.problems.append(
            f"{self._source}: line {mark.line + 1}, column {mark.column + 1}: {what}"
        )

    def value(self, node: yaml.Node, *location: str | int) -> object:
        self._nodes += 1
        if self._nodes > MAX_VALUES or len(location) > MAX_LEVELS:
            if not self.problems:
                deep = len(location) > MAX_LEVELS
                self._refuse(node, (too_deep if deep else too_large)(location))
            return None
        if id(node) in self._open:
            self._refuse(node, "an anchor that contains itself; write the values out")
            return None
        if node.tag not in _TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(node, f"the tag {tag} has no meaning here; write a plain value")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return tuple(
                    self.value(item, *location, index) for index, item in enumerate(node.value)
                )
            return self._mapping(node, location)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, location: tuple[str | int, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, "a field's name must be text, not a list or mapping")
                continue
            key = _joined(key_node.value)
            value = self.value(value_node, *location, key)
            if key == "<<" and key_node.style is None:
                parts = value if isinstance(value, tuple) else (value,)
                for part in parts:
                    if isinstance(part, dict):
                        merged = {**part, **merged}
                    else:
                        self._refuse(value_node, "'<<' merges mappings only")
                continue
            if key in own:
                self._refuse(
                    key_node,
                    f"{key!r} stands here again, first at line {lines[key]}; "
                    "keep one of the two, or join them",
                )
                continue
            own[key] = value
            lines[key] = key_node.start_mark.line + 1
        return {**merged, **own}

    @staticmethod
    def _scalar(node: yaml.ScalarNode) -> object:
        if node.style is not None:
            return _joined(node.value)
        if node.tag != "tag:yaml.org,2002:str" or _EXPONENT.fullmatch(node.value):
            return _plain_scalar(node.value)
        return _joined(node.value)


def _joined(text: str) -> str:
    r"""The text with JSON's surrogate pairs (``"\ud83d\ude00"``) as the characters they mean."""
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:  # half a pair: the field's own check refuses it
        return text


def _plain_scalar(text: str) -> object:
    """What a scalar without quotes means."""
    word = text.lower() if text in (text.lower(), text.upper(), text.capitalize()) else text
    value: object = text
    if text in _NULLS:
        value = None
    elif word in _TRUE or word in _FALSE:
        value = word in _TRUE
    elif _INTEGER.fullmatch(text):
        value = int(text)
    elif _HEXADECIMAL.fullmatch(text):
        value = int(text, 16)
    elif _FLOAT.fullmatch(text):
        value = float(text)
    elif special := _SPECIAL.fullmatch(text):
        value = float(special[1] + special[2])
    return value
