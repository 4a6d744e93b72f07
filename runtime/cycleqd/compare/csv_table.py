"""``compare.csv``: a line for each model, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io

from cycleqd.compare.documents import ComparisonDocument, ModelScores, RunRow

_FIELDS = ("kind", "name", "seed", "candidate", "mean", "min")
_HELD_OUT = ("members", "preferred", "qdScore", "coverage", "hypervolume")
_RUN = ("seconds", "evaluations", *_HELD_OUT)


def csv_of(document: ComparisonDocument) -> str:
    """The table: ``kind`` is ``reference``, ``balanced`` or ``aggregate``.

    Columns of the run, and of its archives on held-out items where they were evaluated, stand
    beside both of its models and are empty beside references.
    """
    text = io.StringIO()
    columns = [*_FIELDS, *(f"score.{task}" for task in document.tasks), *_RUN]
    columns += [f"heldOut.{name}" for name in _HELD_OUT]
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for reference in document.references:
        writer.writerow(_model("reference", reference.name, reference))
    for row in document.rows:
        for kind, model in (("balanced", row.balanced), ("aggregate", row.aggregate)):
            if model is not None:
                writer.writerow(_model(kind, row.name, model) | _run(row))
    return text.getvalue()


def _model(kind: str, name: str, model: ModelScores) -> dict[str, object]:
    return {
        "kind": kind,
        "name": name,
        "candidate": model.candidate,
        "mean": model.mean,
        "min": model.min,
        **{f"score.{task}": score for task, score in model.scores.items()},
    }


def _run(row: RunRow) -> dict[str, object]:
    told = row.model_dump(by_alias=True)
    held_out = told["heldOut"] or {}
    return {
        "seed": row.seed,
        **{name: told[name] for name in _RUN},
        **{f"heldOut.{name}": held_out.get(name, "") for name in _HELD_OUT},
    }
