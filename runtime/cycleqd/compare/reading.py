"""What the store of a finished run tells a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cycleqd.compare.curves import Progress, progress_of
from cycleqd.errors import StoreCorrupt
from cycleqd.evolution.final import balanced_member
from cycleqd.evolution.search import Commit
from cycleqd.records import keys
from cycleqd.records.documents import ArchiveDocument, Entry, ResultDocument
from cycleqd.records.keys import Stage
from cycleqd.run.knowledge import what_is_known
from cycleqd.run.members import aggregate_of
from cycleqd.run.store import RunStore


@dataclass(frozen=True)
class Reading:
    """A finished run.

    Attributes:
        archive: its last commit.
        commit: the same with its archives.
        progress: its best balanced score against its cost.
        weights: digest of every candidate's weights; those that failed are missing.
        aggregate: id of the aggregate.
        tested: outcomes on held-out items of those whom its own final table has, by task one
            character an item.
        verified: by task, number of search items that somebody had solved after each generation;
            None where a candidate left no answers.
    """

    archive: ArchiveDocument
    commit: Commit
    progress: Progress
    weights: Mapping[str, str]
    aggregate: str
    tested: Mapping[str, Mapping[str, str]]
    verified: Mapping[str, tuple[int, ...]] | None

    @property
    def balanced(self) -> str:
        """Id of the balanced member."""
        return balanced_member(self.commit).candidate

    @property
    def members(self) -> list[str]:
        """Ids of all archives' members, each once."""
        return sorted(
            {
                member.candidate
                for archive in self.commit.state.archives.values()
                for member in archive.cells.values()
            }
        )


def read_run(run: RunStore) -> Reading:
    """Read a finished run.

    Raises:
        StoreError: the store failed.
    """
    committed = run.committed()
    archive = run.committed_archive(committed)
    search = [
        found for number in range(committed + 1) for found in _results(run, keys.generation(number))
    ]
    final = [result for _, result in _results(run, keys.final(committed))]
    knowledge, silent = what_is_known(run, committed)
    done = [*(result for _, result in search), *final]
    return Reading(
        archive=archive,
        commit=Commit.from_document(archive, run.history.as_of(committed).tasks),
        progress=progress_of(search),
        weights={
            result.candidate: result.digest
            for result in done
            if result.candidate is not None and result.digest is not None
        },
        aggregate=aggregate_of(run, committed),
        tested={
            result.candidate: result.outcomes
            for result in final
            if result.candidate is not None and result.failure is None
        },
        verified=None if silent else {task: known.solved for task, known in knowledge.items()},
    )


def _results(run: RunStore, stage: Stage) -> Iterator[tuple[Entry, ResultDocument]]:
    """Every entry of a committed stage with its result, in the order of planning."""
    plan = run.plan(stage)
    if plan is None:
        raise StoreCorrupt(f"{run.objects.uri}: {stage.plan_key} is missing, yet it is committed")
    for index, entry in enumerate(plan.entries):
        yield entry, run.result(stage, index)
