"""When a run ends: after its last generation, or earlier at its goal.

Pure functions of the manifest in force and the last committed archive, which the coordinator and
every worker apply alike, so nothing about the end is stored: raise the goal or the generations, and
the run goes on where it stands.
"""

from __future__ import annotations

from math import fsum, prod

from cycleqd.manifest.model import Goal, Spec
from cycleqd.records.documents import ArchiveDocument


def total_coverage(document: ArchiveDocument) -> float:
    """Share of all archives' cells that hold an elite, 0 to 1."""
    held = sum(len(record.members) for record in document.archives.values())
    cells = sum(
        prod(axis.bins for other, axis in document.axes.items() if other != task)
        for task in document.archives
    )
    return held / cells


def total_qd_score(document: ArchiveDocument) -> float:
    """Sum of all elites' qualities over all archives."""
    return fsum(record.qd_score for record in document.archives.values())


def best_mean(document: ArchiveDocument) -> float:
    """Highest mean score over the tasks that a single member reaches, 0 to 1."""
    members = (member for record in document.archives.values() for member in record.members)
    return max((fsum(m.scores.values()) / len(m.scores) for m in members), default=0.0)


_METRICS = {"Coverage": total_coverage, "QDScore": total_qd_score, "BestMean": best_mean}


def goal_met(goal: Goal, document: ArchiveDocument) -> bool:
    """Whether an archive reaches what the run is for."""
    return _METRICS[goal.metric](document) >= goal.value


def has_ended(spec: Spec, document: ArchiveDocument | None) -> bool:
    """Whether no generation follows the one that this archive commits.

    Args:
        spec: of the manifest in force.
        document: the last committed archive, None before generation 0.
    """
    if document is None:
        return False
    if document.generation >= spec.evolution.generations:
        return True
    return spec.goal is not None and goal_met(spec.goal, document)
