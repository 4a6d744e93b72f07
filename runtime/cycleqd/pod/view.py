"""A run's progress as the operator is told it: pure functions of what the coordinator sees."""

from __future__ import annotations

from cycleqd.contract.progress import BestMember, OpenStage, Progress, RevisitingProgress
from cycleqd.errors import StoreDenied, StoreError, StoreFull, StoreRefused, StoreUnavailable
from cycleqd.evolution.goal import total_coverage, total_qd_score
from cycleqd.evolution.search import Commit
from cycleqd.records.documents import ArchiveDocument
from cycleqd.roles.coordinator import RunProgress
from cycleqd.run.revisiting import Revisiting


def told(before: Progress, progress: RunProgress, tracking_error: str = "") -> Progress:
    """The progress to publish.

    Args:
        before: what was published last; what concerns manifest, store and report is kept.
        progress: the coordinator's last look. Not ``Complete`` yet: the report is still to come.
        tracking_error: why a tracking server has not all of it, empty where it has.
    """
    archive = progress.archive
    changes: dict[str, object] = {
        "phase": "Finishing" if progress.ended else "Evolving",
        "generation": progress.generation,
        "generations": progress.generations,
        "stages": tuple(
            OpenStage(stage=s.stage.folder, entries=s.entries, finished=s.finished)
            for s in progress.stages
        ),
        "goal_reached": progress.goal_reached,
        "revision": progress.revision.number,
        "accepted_revision": progress.accepted.number,
        "accepted_from": progress.accepted.from_generation,
        "revisiting": _revisiting(progress.revisiting),
        "tracking_error": tracking_error,
    }
    if archive is not None:
        failed = len(archive.failed)
        changes |= {
            "succeeded": archive.evaluations - failed,
            "failed": failed,
            "coverage": total_coverage(archive),
            "qd_score": total_qd_score(archive),
            "best": _best(archive),
        }
    return before.model_copy(update=changes)


def _revisiting(now: Revisiting | None) -> RevisitingProgress | None:
    if now is None:
        return None
    return RevisitingProgress(
        revision=now.revision, generation=now.generation, who=now.said(), done=now.done, of=now.of
    )


def _best(document: ArchiveDocument) -> tuple[BestMember, ...]:
    tasks = tuple(document.archives)
    archives = Commit.from_document(document, tasks).state.archives
    best = {task: archives[task].ranked()[0] for task in tasks if archives[task].cells}
    return tuple(
        BestMember(task=task, candidate=member.candidate, score=member.scores[task])
        for task, member in best.items()
    )


def with_store_error(before: Progress, error: StoreError | None) -> Progress:
    """The progress with what the store answers, or without once it answers well again."""
    if error is None:
        return before.model_copy(update={"store_error": "", "store_error_reason": ""})
    known = (kind for kind in (StoreUnavailable, StoreFull) if isinstance(error, kind))
    reason = next(known, StoreRefused).__name__
    text = str(error)
    if isinstance(error, StoreDenied):
        text += (
            ". Pods read the Secret of spec.storage.s3.credentialsSecretRef when they start: "
            "correct it, then set spec.suspend to true and back to false"
        )
    return before.model_copy(update={"store_error": text, "store_error_reason": reason})
