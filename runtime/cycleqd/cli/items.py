"""``cycleqd items check``: what a file of items holds, before a run depends on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from cycleqd.cli.console import print_json, print_note, print_result
from cycleqd.cli.stores import JsonOption
from cycleqd.errors import DatasetError, InputError
from cycleqd.evaluation.sandbox import MOST_SLOTS, Limits, Sandbox
from cycleqd.evaluation.sandbox.programs import MEBIBYTE
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evaluation.tasks.reading import Dataset
from cycleqd.evaluation.tasks.skill import Skill
from cycleqd.evaluation.tasks.solutions import Tried, try_out
from cycleqd.manifest.model import Evaluation, Task
from cycleqd.manifest.registry import TASK_TYPES
from cycleqd.manifest.schema import schema_of
from cycleqd.manifest.values import DOCUMENT, PATTERN_FORMAT, Model, pattern_problem
from cycleqd.run.databases import published_databases
from cycleqd.store.access import settings_of

app = typer.Typer(help="Files of items.", no_args_is_help=True)

_SHOWN = 20
_SECONDS = Task.model_fields["timeout_seconds"].default
_MEBIBYTES = Evaluation.model_fields["memory_limit_mib"].default


@app.command(epilog="Example: cycleqd items check data/search.jsonl --type python")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Items, in any format of a run.")],
    type_: Annotated[
        str, typer.Option("--type", metavar="T", help=f"One of {', '.join(TASK_TYPES.names)}.")
    ],
    *,
    settings: Annotated[
        str,
        typer.Option(
            metavar="MAPPING",
            help="The type's settings as in a manifest, such as '{answerPattern: \"#### (.+)\"}'.",
        ),
    ] = "{}",
    solutions: Annotated[
        bool, typer.Option(help="Judge the solutions that the file tells, and empty answers.")
    ] = True,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Judge the first so many items; all if absent.")
    ] = None,
    seconds: Annotated[
        int,
        typer.Option("--timeout-seconds", min=1, max=600, help="As spec.tasks[].timeoutSeconds."),
    ] = _SECONDS,
    mebibytes: Annotated[
        int, typer.Option("--memory-limit-mib", min=16, help="As spec.evaluation.memoryLimitMib.")
    ] = _MEBIBYTES,
    as_json: JsonOption = False,
) -> None:
    """Read a file of items as a run would, judge its own solutions, and show the first item.

    Exit 78 with one problem a line, if something is wrong: rows that are no items, or solutions
    that do not solve their items, so that no model could.
    """
    skill = skill_of(_known(type_), _settings(type_, settings))
    tried = None
    with published_databases(str(file), skill.database_folder, settings_of()) as databases:
        found = read_items(file, skill, limit=limit, databases=databases)
        if solutions:
            tried = _tried(found, skill, seconds, mebibytes)
    if as_json:
        print_json(_document(file, type_, found, tried))
    else:
        _tell(file, type_, found, tried)
    if tried is not None and tried.unsolved:
        raise DatasetError(_unsolved(file, tried.unsolved, seconds, skill))


def _tried(found: Dataset, skill: Skill[Any], seconds: int, mebibytes: int) -> Tried:
    limits = Limits(
        cpu_seconds=seconds, wall_seconds=3 * seconds + 2, memory_bytes=mebibytes * MEBIBYTE
    )
    with Sandbox(slots=MOST_SLOTS) as sandbox:
        return try_out(found, skill, sandbox, limits, print_note)


def _known(name: str) -> str:
    if name not in TASK_TYPES.entries:
        raise InputError(f"--type: no type {name!r}; there are {', '.join(TASK_TYPES.names)}")
    return name


def _settings(name: str, text: str) -> Model | None:
    """The settings that a mapping says.

    Raises:
        InputError: it is none, or the type has no such settings.
    """
    try:
        mapping = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise InputError(f"--settings: is no YAML ({' '.join(str(error).split())})") from error
    model = TASK_TYPES.entries[name].settings_model
    if model is None:
        if mapping:
            raise InputError(f"--settings: type {name} has none; remove the option")
        return None
    try:
        settings = model.model_validate(mapping, context=DOCUMENT)
    except ValidationError as error:
        faults = [
            ".".join(map(str, fault["loc"])) + f": {fault['msg']}" for fault in error.errors()
        ]
        raise InputError(f"--settings: {'; '.join(faults)}; see docs/manifest.md") from error
    for field, node in schema_of(model)["properties"].items():
        pattern = mapping.get(field)
        if node.get("format") == PATTERN_FORMAT and (problem := pattern_problem(pattern)):
            raise InputError(f"--settings: {field}: {problem}")
    return settings


def _tell(file: Path, kind: str, found: Dataset, tried: Tried | None) -> None:
    print_result(f"{file}: {found.format}; {found.count} items of type {kind}")
    forms = [f"{name}: {number}" for name, number in found.forms.items()]
    print_result(f"read as {', '.join(forms) or 'items with the fields of the type'}")
    print_result(f"a run stores {len(found.content)} bytes, SHA-256 {found.digest}")
    if tried is not None:
        solved = tried.told - len(tried.unsolved)
        print_result(f"solutions that solve their item: {solved} of {tried.told} told")
        if tried.vacuous:
            print_result(f"solved by an empty answer: {_listed(tried.vacuous)}")
    first = found.items[0]
    print_result(f"item {first.text('id')}, as the model will see it:")
    for line in first.text("prompt").split("\n"):
        print_result(f"  | {line}")
    for name, value in first.fields.items():
        if name not in ("id", "prompt"):
            print_result(f"judged by {name}:")
            for line in _lines(value):
                print_result(f"  | {line}")


def _lines(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    """A field's value for people: at most so many lines, none of them too long."""
    text = value if isinstance(value, str) else json.dumps(value)
    lines = text.rstrip("\n").split("\n")
    more = [f"... and {len(lines) - _SHOWN} more lines"] if len(lines) > _SHOWN else []
    return [line if len(line) <= 200 else f"{line[:200]}..." for line in lines[:_SHOWN]] + more


def _document(file: Path, kind: str, found: Dataset, tried: Tried | None) -> dict[str, Any]:
    first = found.items[0]
    return {
        "file": str(file),
        "type": kind,
        "format": found.format,
        "forms": dict(found.forms),
        "items": found.count,
        "digest": found.digest,
        "solutions": None
        if tried is None
        else {
            "told": tried.told,
            "unsolved": list(tried.unsolved),
            "solvedByEmptyAnswer": list(tried.vacuous),
        },
        "first": dict(first.fields),
    }


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _unsolved(file: Path, names: tuple[str, ...], seconds: int, skill: Skill[Any]) -> str:
    longer = "" if "timeoutSeconds" in skill.ignores else f"within {seconds} s of processor time "
    raise_it = "; take these out" if not longer else "; raise --timeout-seconds, or take these out"
    return (
        f"{file}: {len(names)} solutions do not solve their items {longer}here, so no model can"
        f"{raise_it}: {_listed(names)}"
    )
