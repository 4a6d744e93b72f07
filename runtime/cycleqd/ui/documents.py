"""What ``/api/runs`` and ``/api/runs/<id>`` answer; fields are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cycleqd.report.data import TableRow
    from cycleqd.ui.views import Joining, Listing, RevisionLook, RunLook, StageLook


def listing_document(listing: Listing) -> dict[str, Any]:
    """All runs of a prefix."""
    return {
        "runs": [run_summary(look) for look in listing.looks],
        "waiting": listing.waiting,
        "problems": [{"id": name, "message": message} for name, message in listing.problems],
        "truncated": listing.cut,
    }


def run_summary(look: RunLook) -> dict[str, Any]:
    """A run in numbers, by the names of `cycleqd status --json`."""
    return {
        "id": look.id,
        "name": look.name,
        "runId": look.run_id,
        "store": look.uri,
        "phase": look.phase,
        "revision": look.revision,
        "generation": look.generation,
        "generations": look.generations,
        "evaluations": look.evaluations,
        "failed": look.failed,
        "stopped": look.stopped,
        "complete": look.complete,
        "goalReached": look.goal_reached,
        "totalCoverage": look.coverage,
        "totalQdScore": look.qd_score,
        "coverage": {task: one.coverage for task, one in look.by_task.items()},
        "qdScore": {task: one.qd_score for task, one in look.by_task.items()},
        "best": {task: one.best for task, one in look.by_task.items()},
        "begun": look.begun.isoformat(),
        "changed": look.changed.isoformat(),
    }


def run_document(
    look: RunLook,
    stages: Sequence[StageLook],
    joining: Joining | None,
    revisions: Sequence[RevisionLook],
    problem: str,
) -> dict[str, Any]:
    """A run with all that its page shows first."""
    return {
        **run_summary(look),
        "strategy": look.strategy,
        "engine": look.engine,
        "experts": list(look.experts),
        "tasks": list(look.tasks),
        "stages": [{"name": s.name, "done": s.done, "of": s.of} for s in stages],
        "revisiting": None
        if joining is None
        else {
            "who": joining.who,
            "generation": joining.generation,
            "done": joining.done,
            "of": joining.of,
        },
        "models": {
            model.role: {"candidate": model.candidate, "command": model.command}
            for model in look.models
        },
        "table": [_row(row) for row in look.table],
        "revisions": [
            {
                "number": revision.number,
                "fromGeneration": revision.from_generation,
                "generations": revision.generations,
                "experts": list(revision.experts),
                "tasks": list(revision.tasks),
                "retired": list(revision.retired),
            }
            for revision in revisions
        ],
        "problem": problem or None,
    }


def _row(row: TableRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "candidate": row.candidate,
        "scores": dict(row.scores),
        "mean": row.mean,
        "minimum": row.minimum,
        "standardError": row.standard_error,
        "gain": row.difference,
        "gainError": row.difference_error,
    }
