"""What spans say of documents and outcomes.

Names are those of OpenTelemetry's semantic conventions where these have one (``error.type``,
``gen_ai.evaluation.*``), and begin with ``cycleqd.`` else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cycleqd.records.documents import Entry, FactorEntry, PlanDocument, ResultDocument
from cycleqd.records.keys import Stage
from cycleqd.tracing.roots import TracedRun
from cycleqd.tracing.spans import Attributes

ERROR_TYPE: Final = "error.type"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"

MATERIALIZE: Final = "materialize"
TUNE: Final = "tune"
GENERATE: Final = "generate"
CHECK_BASE: Final = "check base model"
START_ENGINE: Final = "start engine"


def stage_name(stage: Stage) -> str:
    """The name of a stage's root."""
    return "final table" if stage.is_final else "generation"


def entry_name(entry: Entry) -> str:
    """The name of the span of an entry."""
    return "factor" if isinstance(entry, FactorEntry) else "candidate"


def of_stage(run: TracedRun, stage: Stage) -> Attributes:
    """Which run and which generation, so that traces are found by them."""
    return {
        "cycleqd.run.id": run.run_id,
        "cycleqd.stage": stage.folder,
        "cycleqd.generation": stage.number,
    }


def of_plan(plan: PlanDocument) -> Attributes:
    """How much work there is."""
    return {"cycleqd.entries": len(plan.entries)}


def of_results(results: Sequence[ResultDocument]) -> Attributes:
    """How the work of a stage went."""
    return {
        "cycleqd.entries": len(results),
        "cycleqd.entries.failed": sum(result.failure is not None for result in results),
    }


def of_entry(index: int, entry: Entry, worker: int) -> Attributes:
    """What a worker is about to do."""
    facts: dict[str, str | int] = {"cycleqd.entry": index, "cycleqd.worker": worker}
    if isinstance(entry, FactorEntry):
        return {**facts, "cycleqd.expert": entry.expert}
    facts |= {"cycleqd.candidate": entry.candidate, "cycleqd.split": entry.split}
    if entry.focus is not None:
        facts["cycleqd.focus"] = entry.focus
    return facts


def of_result(result: ResultDocument) -> Attributes:
    """How it came out."""
    return {"cycleqd.stopped": True} if result.stopped else {}


def of_outcome(task: str, solved: str) -> Attributes:
    """What a model did on one task's items.

    Args:
        task: its name.
        solved: one character for each item that was asked, ``1`` where it is solved.
    """
    right = solved.count("1")
    return {
        EVALUATION_NAME: task,
        EVALUATION_SCORE: right / len(solved),
        "cycleqd.items": len(solved),
        "cycleqd.items.solved": right,
    }
