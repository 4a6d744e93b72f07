"""Rules between fields: what no single field shows to be wrong.

They read the document as written, not the validated model, for two reasons. All problems are told
at once, so a rule must work beside fields that are themselves wrong (it then looks away). And a
value without effect is refused only where the user wrote it: defaults are silent.

Each rule is a generator of problem lines over the ``spec``; `RULES` is the whole list.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cycleqd.manifest_document import manifest_schema
from cycleqd.manifest_problems import nearest, path_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESERVED_EXPERTS = ("base", "aggregate", "uniform-merge")
"""Rows of the final table that are no experts."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMA = manifest_schema()


@dataclass(frozen=True)
class Part:
    """A place in the document; values of a wrong type read as absent.

    Attributes:
        raw: what the user wrote there, None where nothing stands.
        schema: what is expected there.
        location: the way to it from the document's root.
    """

    raw: Any
    schema: dict[str, Any]
    location: tuple[str | int, ...]

    @property
    def path(self) -> str:
        """The place in document spelling."""
        return path_of(self.location)

    def part(self, name: str) -> Part:
        """The field ``name`` of a mapping."""
        inside = self.raw.get(name) if isinstance(self.raw, dict) else None
        return Part(inside, self.schema["properties"][name], (*self.location, name))

    def parts(self, name: str) -> list[Part]:
        """The elements of the list ``name``."""
        field = self.part(name)
        elements = field.raw if isinstance(field.raw, tuple) else ()
        return [
            Part(element, field.schema["items"], (*field.location, index))
            for index, element in enumerate(elements)
        ]

    @property
    def text(self) -> str | None:
        """The text that stands here or is the default."""
        value = self.schema.get("default") if self.raw is None else self.raw
        return value if isinstance(value, str) else None

    @property
    def number(self) -> float | None:
        """The number that stands here or is the default."""
        value = self.schema.get("default") if self.raw is None else self.raw
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def changed(self) -> bool:
        """Whether the user wrote a text or number that is not the default."""
        written = isinstance(self.raw, str | int | float)
        return written and self.raw != self.schema.get("default")


def rule_problems(document: dict[str, Any]) -> list[str]:
    """One line for each broken rule of a document that may have other faults too."""
    spec = Part(document, _SCHEMA, ()).part("spec")
    return [problem for rule in RULES for problem in rule(spec)]


def local_path(uri: str) -> str | None:
    """The URI as a local path, None where it has a scheme."""
    return None if _SCHEME.match(uri) else uri


def _unique_names(spec: Part) -> Iterator[str]:
    for field in ("experts", "tasks"):
        first: dict[str, Part] = {}
        for element in spec.parts(field):
            name = element.part("name")
            if name.text is None:
                continue
            if name.text in first:
                yield (
                    f"{name.path}: {shown(name.text)} is also the name of "
                    f"{first[name.text].path}; give each of the {field} its own name"
                )
            first.setdefault(name.text, element)


def _reserved_names(spec: Part) -> Iterator[str]:
    for expert in spec.parts("experts"):
        name = expert.part("name")
        if name.text in RESERVED_EXPERTS:
            yield (
                f"{name.path}: {shown(name.text)} is a row of the final table of its own "
                f"(so are {', '.join(RESERVED_EXPERTS)}); choose another name, "
                f"for example {name.text}-expert"
            )


def _known_expert(spec: Part) -> Iterator[str]:
    names = [expert.part("name").text for expert in spec.parts("experts")]
    if not any(names):
        return
    pattern = spec.schema["properties"]["experts"]["items"]["properties"]["name"]["pattern"]
    known = [name for name in names if name is not None and re.fullmatch(pattern, name)]
    for task in spec.parts("tasks"):
        expert = task.part("expert")
        if expert.text is not None and expert.text not in names:
            near = nearest(expert.text, known)
            remedy = f"did you mean {near}?" if near else f"name one of {', '.join(known)}"
            yield f"{expert.path}: no expert is called {shown(expert.text)}; {remedy}"


def _same_place(uri: str) -> str:
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return posixpath.normpath(uri)
    return f"{scheme[1].lower()}://{uri[scheme.end() :].rstrip('/')}"


def _distinct_checkpoints(spec: Part) -> Iterator[str]:
    seen: dict[str, Part] = {}
    base = spec.part("base").part("uri")
    if base.text:
        seen[_same_place(base.text)] = base
    for expert in spec.parts("experts"):
        uri = expert.part("uri")
        if not uri.text:
            continue
        other = seen.setdefault(_same_place(uri.text), uri)
        if other is base:
            yield (
                f"{uri.path}: {shown(uri.text)} is the base model itself, whose task vector "
                "is zero; name a fine-tuned checkpoint"
            )
        elif other is not uri:
            yield (
                f"{uri.path}: {shown(uri.text)} is also {other.path}; "
                "name another checkpoint or remove one of the two"
            )


def _held_out_items(spec: Part) -> Iterator[str]:
    searches: dict[str, Part] = {}
    for task in spec.parts("tasks"):
        search = task.part("items").part("search")
        if search.text:
            searches.setdefault(_same_place(search.text), search)
    for task in spec.parts("tasks"):
        test = task.part("items").part("test")
        found = searches.get(_same_place(test.text)) if test.text else None
        if found:
            yield (
                f"{test.path}: {shown(test.text)} is also {found.path}; held-out items must "
                "not guide the search: split the items into two files"
            )


def _bounds(spec: Part) -> Iterator[str]:
    for task in spec.parts("tasks"):
        bounds = task.part("bounds")
        low, high = bounds.part("min").number, bounds.part("max").number
        if low is not None and high is not None and low >= high:
            yield f"{bounds.path}: min {low} must be below max {high}; exchange or widen them"


def _selection(spec: Part) -> Iterator[str]:
    selection = spec.part("evolution").part("selection")
    method, low, high = (
        selection.part("method").text,
        selection.part("low").number,
        selection.part("high").number,
    )
    if method == "Elite" and low is not None and high is not None and low > high:
        yield (
            f"{selection.path}: low {low} is above high {high}, which would prefer the worst "
            "elites; exchange them"
        )
    if method == "Uniform":
        yield from _without_effect(selection, ("low", "high"), "method Uniform")


def _without_effect(part: Part, fields: tuple[str, ...], condition: str) -> Iterator[str]:
    for name in fields:
        field = part.part(name)
        if field.changed:
            yield f"{field.path}: has no effect with {condition}; remove the line"


_MUTATION_IGNORES = {
    "ExpertSVD": ("stddev",),
    "ChildSVD": ("stddev",),
    "Gaussian": ("maxScale", "rank"),
    "None": ("maxScale", "rank", "stddev"),
}


def _mutation(spec: Part) -> Iterator[str]:
    evolution = spec.part("evolution")
    mutation = evolution.part("mutation")
    method = mutation.part("method").text or ""
    yield from _without_effect(mutation, _MUTATION_IGNORES.get(method, ()), f"method {method}")
    granularity = evolution.part("crossover").part("granularity")
    if (
        evolution.part("strategy").text == "CycleQD"
        and method in ("Gaussian", "ChildSVD")
        and granularity.text in ("Block", "Tensor")
    ):
        yield (
            f"{granularity.path}: {granularity.text} cannot be combined with mutation {method}, "
            "whose terms have one coefficient for the whole model; write granularity Model, "
            "or mutation method ExpertSVD or None"
        )


def _timeout(spec: Part) -> Iterator[str]:
    for task in spec.parts("tasks"):
        if task.part("type").text == "exact":
            yield from _without_effect(task, ("timeoutSeconds",), "type exact, which runs no code")


def _token_limits(spec: Part) -> Iterator[str]:
    longest = spec.part("evaluation").part("maxModelLen")
    for task in spec.parts("tasks"):
        new = task.part("maxNewTokens")
        if new.number is not None and longest.number is not None and new.number >= longest.number:
            yield (
                f"{new.path}: {new.number:g} leaves no room for a prompt within {longest.path} "
                f"= {longest.number:g}; lower maxNewTokens or raise maxModelLen"
            )


def _uris(spec: Part) -> Iterator[str]:
    models = [spec.part("base"), *spec.parts("experts")]
    for model in models:
        yield from _uri_problems(model.part("uri"), ("hf", "s3"))
    for task in spec.parts("tasks"):
        for split in ("search", "test"):
            yield from _uri_problems(task.part("items").part(split), ("s3",))
    storage = spec.part("storage")
    yield from _uri_problems(storage.part("uri"), ("s3",))
    yield from _uri_problems(storage.part("s3").part("caBundle"), ())
    yield from _endpoint_problems(storage.part("s3").part("endpoint"))


_FORMS = {
    "hf": (r"hf://[\w.-]+/[\w.-]+(@[\w./-]+)?", "hf://org/name or hf://org/name@revision"),
    "s3": (r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", "s3://bucket/prefix"),
}


def _credentials(uri: Part, scheme: str | None) -> str | None:
    text = uri.text or ""
    signed = re.search(r"[?&](x-amz-|awsaccesskeyid|signature|token)", text, re.IGNORECASE)
    if scheme not in (None, "hf") and (re.search(r"://[^/\s]*@", text) or signed):
        return (
            f"{uri.path}: holds credentials, which never stand in a manifest; remove them and "
            "use the usual AWS chain (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, "
            "a role)"
        )
    return None


def _uri_problems(uri: Part, schemes: tuple[str, ...]) -> Iterator[str]:
    text = uri.text
    if not text:
        return
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else None
    if problem := _credentials(uri, scheme):
        yield problem
    elif text != text.strip():
        yield f"{uri.path}: {shown(text)} begins or ends with a space; remove it"
    elif scheme is None:
        if "\0" in text:
            yield f"{uri.path}: {shown(text)} holds a NUL character; write a path"
    elif scheme not in schemes:
        allowed = " or ".join(["a local path", *(_FORMS[known][1] for known in schemes)])
        remedy = f"write {allowed}"
        hub = re.fullmatch(r"https?://huggingface\.co/([\w.-]+/[\w.-]+)/?", text)
        if scheme == "file":
            remedy = "write the path itself, without file://"
        elif hub and "hf" in schemes:
            remedy = f"write hf://{hub[1]}"
        yield f"{uri.path}: {shown(text)} has the scheme {scheme}://; {remedy}"
    elif not re.fullmatch(_FORMS[scheme][0], text):
        yield f"{uri.path}: {shown(text)} is not of the form {_FORMS[scheme][1]}; correct it"


def _endpoint_problems(endpoint: Part) -> Iterator[str]:
    text = endpoint.text
    if not text:
        return
    if problem := _credentials(endpoint, "https"):
        yield problem
    elif not re.fullmatch(r"https?://[^/\s?#]+/?", text):
        yield (
            f"{endpoint.path}: {shown(text)} is not the URL of a server; write "
            "https://host or http://host:port"
        )


def _s3_settings(spec: Part) -> Iterator[str]:
    storage = spec.part("storage")
    settings = storage.part("s3")
    where = storage.part("uri").text
    if not where or local_path(where) is None or not isinstance(settings.raw, dict):
        return
    inputs = [spec.part("base"), *spec.parts("experts")]
    uris = [part.part("uri").text for part in inputs]
    for task in spec.parts("tasks"):
        uris += [task.part("items").part(split).text for split in ("search", "test")]
    if any(uri and uri.startswith("s3://") for uri in uris):
        return
    if any(settings.part(name).changed for name in settings.schema["properties"]):
        yield (
            f"{settings.path}: has no effect, spec.storage.uri {shown(where)} is a folder and "
            "nothing else lies on S3; remove spec.storage.s3, or write "
            "s3://bucket/prefix as spec.storage.uri"
        )


RULES: tuple[Callable[[Part], Iterator[str]], ...] = (
    _unique_names,
    _reserved_names,
    _known_expert,
    _uris,
    _distinct_checkpoints,
    _held_out_items,
    _bounds,
    _timeout,
    _selection,
    _mutation,
    _token_limits,
    _s3_settings,
)
"""Every rule between fields."""
