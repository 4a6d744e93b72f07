"""Which entry a worker does next: ownership by index, without leases or clocks.

Worker ``i`` of ``N`` takes the unfinished entries with ``index % N == i``, oldest stage first. With
none left it helps with the others' oldest ones. A result is created only if absent, so a duplicate
costs time, never truth; a dead worker's share is done by the rest, and a resize needs no hand-over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cycleqd import keys
from cycleqd.documents import Entry, PlanDocument
from cycleqd.keys import Stage
from cycleqd.run_store import RunStore


@dataclass(frozen=True)
class Work:
    """An entry to do.

    Attributes:
        stage: where it stands.
        index: its index in the plan.
        entry: the entry.
        own: whether it belongs to the worker that asked.
    """

    stage: Stage
    index: int
    entry: Entry
    own: bool


def choose(
    missing: Sequence[tuple[Stage, int]], worker: int, workers: int
) -> tuple[tuple[Stage, int], bool] | None:
    """The entry to do next.

    Args:
        missing: unfinished entries, oldest stage first, by index within a stage.
        worker: index of the worker.
        workers: number of workers.

    Returns:
        The entry and whether it is the worker's own, or None when nothing is missing. Helpers start
        at different entries, so that several of them rarely do the same.
    """
    for stage, index in missing:
        if index % workers == worker % workers:
            return (stage, index), True
    if missing:
        return missing[worker % len(missing)], False
    return None


class WorkQueue:
    """The open stages of a run as one worker sees them.

    Args:
        runs: the run.
        worker: index of the worker.
        workers: number of workers.
    """

    def __init__(self, runs: RunStore, worker: int, workers: int) -> None:
        self._runs = runs
        self._worker = worker
        self._workers = workers
        self._committed = runs.committed()
        self._plans: dict[Stage, PlanDocument] = {}

    def next(self) -> Work | None:
        """The entry to do next, None while nothing is planned that is not done."""
        plans = self._open_plans()
        missing = [
            (stage, index) for stage, plan in plans.items() for index in self._missing(stage, plan)
        ]
        chosen = choose(missing, self._worker, self._workers)
        if chosen is None:
            return None
        (stage, index), own = chosen
        return Work(stage, index, plans[stage].entries[index], own)

    def complete(self) -> bool:
        """Whether the run has its final table."""
        generations = self._runs.manifest().spec.evolution.generations
        if self._committed < generations:
            return False
        return self._runs.objects.exists(keys.final(generations).commit_key)

    def _missing(self, stage: Stage, plan: PlanDocument) -> list[int]:
        finished = self._runs.finished_entries(stage)
        return [index for index in range(len(plan.entries)) if index not in finished]

    def _open_plans(self) -> Mapping[Stage, PlanDocument]:
        """Plans of stages that are not committed, oldest first."""
        while self._runs.objects.exists(keys.generation(self._committed + 1).commit_key):
            self._committed += 1
        evolution = self._runs.manifest().spec.evolution
        first = self._committed + 1
        last = min(self._committed + evolution.pipeline_depth, evolution.generations)
        stages = [keys.generation(number) for number in range(first, max(first, last + 1))]
        if self._committed < 0:
            stages = [keys.generation(0)]
        elif self._committed >= evolution.generations:
            stages = [keys.final(evolution.generations)]
        plans: dict[Stage, PlanDocument] = {}
        for stage in stages:
            plan = self._plans.get(stage) or self._runs.plan(stage)
            if plan is None:
                break  # stages are planned in order
            plans[stage] = plan
        self._plans = plans
        return plans
