"""From a file to a `Manifest`, or to all that is wrong with it at once.

A document passes three gates: the text must be one YAML or JSON mapping (`text`), each field must
be known and fit (`model`, in the words of `problems`), and fields must fit one another (`rules`).
The last two report together. What ``kubectl get -o yaml`` adds to a document is dropped, so that a
run fetched from a cluster can be read, edited and run again.

`check_files` stands apart because it looks at this machine: a manifest may be written on another
one than it runs on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from cycleqd.errors import ManifestError
from cycleqd.manifest.bounds import BoundedCopy, template_problems
from cycleqd.manifest.contents import why_no_checkpoint
from cycleqd.manifest.model import API_VERSION, KIND, Manifest, Spec
from cycleqd.manifest.presets import with_preset
from cycleqd.manifest.problems import field_problems, nearest, shown
from cycleqd.manifest.rules import rule_problems
from cycleqd.manifest.text import MAX_BYTES, load_document
from cycleqd.manifest.uris import local_path, where_paths_start
from cycleqd.manifest.values import DOCUMENT

__all__ = [
    "check_files",
    "check_storage_files",
    "parse_manifest",
    "parse_resource",
]

SERVER_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
"""Metadata that the API server writes; accepted and dropped."""


def load_manifest(file: str | Path) -> Manifest:
    """The manifest in a YAML or JSON file.

    Raises:
        ManifestError: the file cannot be read, or with every problem of its content.
    """
    path = Path(file)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES * 4 + 1)
    except FileNotFoundError as error:
        raise ManifestError([f"{path}: no such file; check the path"]) from error
    except IsADirectoryError as error:
        raise ManifestError([f"{path}: is a folder; name the manifest's file in it"]) from error
    except OSError as error:
        raise ManifestError([f"{path}: cannot be read ({error.strerror})"]) from error
    except ValueError as error:
        raise ManifestError([f"{str(path)!r}: not a path ({error})"]) from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            [f"{path}: line {line}: not UTF-8 text; save the file as UTF-8"]
        ) from error
    return parse_manifest(text, str(path))


def parse_manifest(text: str, source: str) -> Manifest:
    """The manifest that a YAML or JSON text holds.

    Args:
        text: the document.
        source: what to call it where a problem has no field, usually the file's name.

    Raises:
        ManifestError: with every problem, one line each, beginning with the field's path.
    """
    return _manifest(load_document(text, source))


def parse_resource(resource: Mapping[str, Any]) -> Manifest:
    """The manifest in a ``CycleQDRun`` as the Kubernetes API server returns it.

    Of the metadata only the name is the run's; the rest, like the status, belongs to the object.
    Its `canonical` form is therefore the same document, whoever applied it and how.

    Raises:
        ManifestError: with every problem, one line each, beginning with the field's path.
    """
    metadata = resource.get("metadata")
    name = {"name": metadata.get("name")} if isinstance(metadata, Mapping) else {}
    return _manifest(
        {
            "apiVersion": resource.get("apiVersion", API_VERSION),
            "kind": resource.get("kind", KIND),
            "metadata": name,
            "spec": BoundedCopy().of(resource.get("spec"), "spec"),
        }
    )


def _manifest(document: dict[str, Any]) -> Manifest:
    if problems := _identity_problems(document):
        raise ManifestError(problems)
    document.pop("status", None)
    if isinstance(metadata := document.get("metadata"), dict):
        document["metadata"] = {
            key: value for key, value in metadata.items() if key not in SERVER_METADATA
        }
    document = with_preset(document)
    problems = template_problems(document.get("spec"))
    manifest = None
    try:
        # strict mode knows lists by tuples, which is what load_document makes of them.
        manifest = Manifest.model_validate(document, by_alias=True, by_name=False, context=DOCUMENT)
    except ValidationError as error:
        problems += field_problems(error)
    problems += rule_problems(document)
    if manifest is None or problems:
        raise ManifestError(problems)
    return manifest


def _identity_problems(document: dict[str, Any]) -> list[str]:
    """A document of another kind gets one clear line instead of many about its fields."""
    version, kind = document.get("apiVersion"), document.get("kind")
    if kind in ("List", "CycleQDRunList") and isinstance(document.get("items"), tuple):
        return [f"kind: {shown(kind)} holds several objects; save the one run you want by its name"]
    foreign = []
    if isinstance(kind, str) and kind != KIND:
        hint = f"write {KIND}" if nearest(kind, [KIND]) else f"this is no {KIND}; name its file"
        foreign.append(f"kind: must be {KIND}, not {shown(kind)}; {hint}")
    if isinstance(version, str) and version != API_VERSION:
        ours = version.startswith("cycleqd.io/")
        hint = "this release reads that version only" if ours else f"write {API_VERSION}"
        foreign.append(f"apiVersion: must be {API_VERSION}, not {shown(version)}; {hint}")
    return foreign


def check_files(manifest: Manifest) -> list[str]:
    """Problems with the local files that a manifest names, looked for from the working directory.

    Returns:
        One line each, beginning with the field's path; URIs with a scheme are not looked at.
    """
    return _input_problems(manifest.spec) + check_storage_files(manifest)


def _input_problems(spec: Spec) -> list[str]:
    problems = _base_problems("spec.base.uri", spec.base.uri)
    for index, expert in enumerate(spec.experts):
        if expert.uri is not None:
            problems += _folder_problems(f"spec.experts[{index}].uri", expert.uri)
    for index, task in enumerate(spec.tasks):
        problems += _file_problems(f"spec.tasks[{index}].items.search", task.items.search)
        problems += _file_problems(f"spec.tasks[{index}].items.test", task.items.test)
    return problems


def check_storage_files(manifest: Manifest) -> list[str]:
    """Like `check_files`, of what is needed to reach the store.

    A run that has begun needs no more here: its store has the items and knows where the checkpoints
    were found.
    """
    spec = manifest.spec
    problems = []
    if spec.storage.s3.ca_bundle is not None:
        problems += _file_problems("spec.storage.s3.caBundle", spec.storage.s3.ca_bundle)
    store = spec.storage.uri
    if store is not None and local_path(store) is not None and _kind(store) == "file":
        problems.append(f"spec.storage.uri: {shown(store)} is a file; name a folder")
    return problems


def _kind(uri: str) -> Literal["file", "folder"] | None:
    try:
        if Path(uri).is_dir():
            return "folder"
        return "file" if Path(uri).exists() else None
    except OSError:  # a name too long for the file system, a folder we may not enter
        return None


def _base_problems(path: str, uri: str) -> list[str]:
    if _is_adapter(uri):
        remedy = "name the model that it was trained from here and the adapter as an expert"
        return [f"{path}: {shown(uri)} is a LoRA adapter; {remedy}"]
    return _folder_problems(path, uri)


def _folder_problems(path: str, uri: str) -> list[str]:
    if local_path(uri) is None:
        return []
    kind = _kind(uri)
    if kind is None:
        return [f"{path}: {shown(uri)} does not exist; {_missing_remedy(uri)}"]
    if kind == "file":
        return [f"{path}: {shown(uri)} is a file; name the checkpoint's folder"]
    wrong = why_no_checkpoint(_names_in(uri), uri)
    return [f"{path}: {shown(uri)} {wrong}"] if wrong else []


def _names_in(uri: str) -> list[str]:
    """Files of a folder, and where one level below it a configuration lies."""
    try:
        found = list(Path(uri).iterdir())
    except OSError:  # a folder we may not read; whoever opens its files says so
        return ["config.json"]
    names = [path.name for path in found]
    for name in ("config.json", "adapter_config.json"):
        if name in names and _kind(f"{uri}/{name}") != "file":
            names.remove(name)
    inner = [
        f"{path.name}/{name}" for path in found for name in ("config.json", "adapter_config.json")
    ]
    return names + [name for name in inner if _kind(f"{uri}/{name}") == "file"]


def _is_adapter(uri: str) -> bool:
    local = local_path(uri) is not None and _kind(f"{uri}/config.json") != "file"
    return local and _kind(f"{uri}/adapter_config.json") == "file"


def _file_problems(path: str, uri: str) -> list[str]:
    if local_path(uri) is None or _kind(uri) == "file":
        return []
    if _kind(uri) == "folder":
        return [f"{path}: {shown(uri)} is a folder; name the file in it"]
    return [f"{path}: {shown(uri)} does not exist; {where_paths_start(uri)}"]


def _missing_remedy(uri: str) -> str:
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", uri):
        return f"{where_paths_start(uri)}; for the model on the Hugging Face hub write hf://{uri}"
    return where_paths_start(uri)
