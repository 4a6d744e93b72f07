"""The numbers of a run's status, from what its coordinator reported.

They follow commits, not single evaluations: a status that changed with each result would be written
for each, by the hundreds of thousands. Where the coordinator has nothing to say (it starts anew, or
its report was lost), the last numbers stay.
"""

from __future__ import annotations

from cycleqd.contract.progress import Progress
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.values import decimal_text
from cycleqd_operator.api.status import (
    ArchiveSummary,
    Best,
    Evaluations,
    Revisiting,
    RunStatus,
)
from cycleqd_operator.text import one_line

STATUS_BYTES = 15_000
"""Bound of a status as JSON; the promise is 16 KiB with what the API server adds."""

MOST_BEST = 64

REVISITING_STEPS = 20
"""How often at most a status tells of one joining how far it is."""


def with_progress(old: RunStatus, progress: Progress | None, manifest: Manifest) -> RunStatus:
    """The status with the numbers of a report.

    Args:
        old: the status so far.
        progress: the report; None without one.
        manifest: the one in force.
    """
    generations = manifest.spec.evolution.generations
    if progress is None or progress.phase == "Admitting":
        return old.model_copy(update={"generations": generations})
    evaluations = Evaluations(
        succeeded=max(0, progress.succeeded),
        failed=max(0, progress.failed),
        open=sum(max(0, stage.entries - stage.finished) for stage in progress.stages),
    )
    same_commit = (
        old.generation == progress.generation
        and old.evaluations.succeeded == evaluations.succeeded
        and old.evaluations.failed == evaluations.failed
        and (old.evaluations.open == 0) == (evaluations.open == 0)
    )
    return old.model_copy(
        update={
            "revision": max(0, progress.revision),
            "accepted_revision": (
                progress.accepted_revision if progress.accepted_revision >= 0 else None
            ),
            "revisiting": revisiting(progress),
            "run_id": one_line(progress.run_id, 256),
            "store": one_line(progress.store, 1024),
            "report": one_line(progress.report, 1024),
            "generation": min(max(-1, progress.generation), 1_000_000),
            "generations": max(0, progress.generations) or generations,
            "evaluations": old.evaluations if same_commit else evaluations,
            "archive": ArchiveSummary(
                coverage=_decimal(progress.coverage), qd_score=_decimal(progress.qd_score)
            ),
            "best": tuple(
                Best(
                    task=one_line(best.task, 64),
                    candidate=one_line(best.candidate, 64),
                    score=_decimal(best.score),
                )
                for best in progress.best[:MOST_BEST]
            ),
        }
    )


def revisiting(progress: Progress) -> Revisiting | None:
    """What is under way, counted in steps: a status is written a bounded number of times for it."""
    now = progress.revisiting
    if now is None:
        return None
    done, of = max(0, now.done), max(0, now.of)
    step = max(1, -(-of // REVISITING_STEPS))
    return Revisiting(
        revision=max(0, now.revision),
        generation=max(0, now.generation),
        who=one_line(now.who, 256),
        done=done if done >= of else done - done % step,
        of=of,
    )


def _decimal(value: float) -> str:
    """Four digits after the point, the same for equal scores; never negative or out of bounds."""
    if not 0 <= value <= 1e9:
        return "0"
    return decimal_text(round(value, 4))


def bounded(found: RunStatus) -> RunStatus:
    """The status with as many ``best`` as fit into `STATUS_BYTES`."""
    while found.best and len(found.model_dump_json(by_alias=True).encode()) > STATUS_BYTES:
        found = found.model_copy(update={"best": found.best[:-1]})
    return found
