"""From the documents of a run to what tracking tools hold: points, parameters and tags. Pure.

The step of every point is the number of evaluations so far, which makes runs of different
generation sizes comparable. Evaluations need not grow with every generation (one in which somebody
only retires has none), so a point also says which generation it is of: key and generation name it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cycleqd.evolution.final import recommended
from cycleqd.evolution.joining import joining
from cycleqd.manifest.schema import canonical
from cycleqd.records.documents import ArchiveDocument
from cycleqd.records.final_table import SummaryDocument, SummaryRow
from cycleqd.run.revision import Revision

COMMITTED = "generation"
"""Key of the points that say of which generations all other points of the archives are there."""

TABLE = "held_out_generation"
"""The same of final tables."""

PARAMETERS = (
    "seed",
    "base",
    "experts",
    "tasks",
    "archive",
    "evolution",
    "evaluation",
    "goal",
    "publication",
)
"""Parts of the manifest that decide what a run finds. Storage and pods are nobody's business."""


@dataclass(frozen=True)
class Point:
    """A number on a curve.

    Attributes:
        key: name of the curve.
        value: the number.
        step: evaluations so far.
        generation: the committed generation that it is of.
    """

    key: str
    value: float
    step: int
    generation: int


def archive_points(archive: ArchiveDocument) -> list[Point]:
    """What a commit says: each archive in three numbers, the hypervolume, who failed."""
    values: dict[str, float] = {}
    for task, record in archive.archives.items():
        values[f"best/{task}"] = record.best
        values[f"coverage/{task}"] = record.coverage
        values[f"qd_score/{task}"] = record.qd_score
    values["hypervolume"] = archive.hypervolume
    values["members"] = len(members_of(archive))
    values["failed"] = len(archive.failed)
    values["stopped"] = archive.stopped
    return [_point(archive, key, value) for key, value in values.items()]


def committed_point(archive: ArchiveDocument) -> Point:
    """Says that all points of a commit are there."""
    return _point(archive, COMMITTED, archive.generation)


def table_points(summary: SummaryDocument, archive: ArchiveDocument) -> list[Point]:
    """What a final table says of the held-out items: every row, and the model to take.

    Args:
        summary: the table.
        archive: the commit that it is made of.
    """
    rows = {row.name.replace(" ", "-"): row for row in summary.rows}
    best = recommended(summary)
    if best is not None:
        rows["recommended"] = best
    values = dict(itertools.chain(*(_row_values(name, row) for name, row in rows.items())))
    return [_point(archive, key, value) for key, value in values.items()]


def table_point(archive: ArchiveDocument) -> Point:
    """Says that all points of the final table after a commit are there."""
    return _point(archive, TABLE, archive.generation)


def _row_values(name: str, row: SummaryRow) -> Iterator[tuple[str, float]]:
    for task, score in row.test.items():
        yield f"held_out/{task}/{name}", score
    yield f"held_out_mean/{name}", row.mean
    yield f"held_out_minimum/{name}", row.minimum
    yield f"held_out_error/{name}", row.standard_error
    if row.gain is not None and row.gain_error is not None:
        yield f"held_out_gain/{name}", row.gain
        yield f"held_out_gain_error/{name}", row.gain_error


def _point(archive: ArchiveDocument, key: str, value: float) -> Point:
    return Point(key, float(value), archive.evaluations, archive.generation)


def members_of(archive: ArchiveDocument) -> Mapping[str, Mapping[str, float]]:
    """Search scores by task of every elite, by candidate id."""
    records = (member for record in archive.archives.values() for member in record.members)
    return {member.candidate: member.scores for member in records}


def parameters(first: Revision) -> dict[str, str]:
    """The manifest as a run began with it, flat: ``evolution.generations``, ``tasks.sql.type``.

    Entries of lists are called by their names. Later edits are no parameters: see
    `revision_tags`.
    """
    spec: Mapping[str, Any] = canonical(first.manifest)["spec"]
    found = {"run": first.run.run_id, "engine": first.engine, "base.digest": first.base.digest}
    for part in PARAMETERS:
        if part in spec:
            found |= _flat(part, spec[part])
    return found


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    elif isinstance(value, list) and value and all(_is_named(item) for item in value):
        for item in value:
            rest = {key: inner for key, inner in item.items() if key != "name"}
            yield from _flat(f"{path}.{item['name']}", rest)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and "name" in value


def revision_tags(revisions: Sequence[Revision], committed: int) -> dict[str, str]:
    """Every accepted change that has taken effect: from when it holds, and who came or went.

    Args:
        revisions: all of the run, oldest first.
        committed: the last committed generation.
    """
    tags = {}
    for before, after in itertools.pairwise(revisions):
        if after.from_generation > committed + 1:
            continue
        new = joining(before.spec, after.spec)
        told = [
            *(f"expert {name} joined" for name in new.experts),
            *(f"task {name} joined" for name in new.tasks),
            *(f"items of {task} joined" for task in after.first_items(before)),
            *(f"{name} retired" for name in (*new.retired_experts, *new.retired)),
        ]
        length = after.spec.evolution.generations
        if length != before.spec.evolution.generations:
            told.append(f"{length} generations")
        text = f"from generation {after.from_generation}: {', '.join(told) or 'settings changed'}"
        tags[f"cycleqd.revision.{after.number}"] = text
    return tags
