"""Members of the swarm by name, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cycleqd.errors import InputError
from cycleqd.evolution.asked import Asked, is_whole, put_together
from cycleqd.evolution.final import balanced_member
from cycleqd.evolution.publication import predecessor
from cycleqd.evolution.search import Commit, generation_of
from cycleqd.evolution.strategies import Told
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.store.keys import is_name


def resolve_member(run: RunStore, member: str) -> str:
    """The candidate id that a user means.

    Args:
        run: the run's store.
        member: a candidate id; ``aggregate`` or ``balanced`` of the last generation;
            ``published``, the model to take of the last final table; or ``best:TASK``.

    Raises:
        InputError: there is no such candidate; the message says what there is.
    """
    committed = run.committed()
    archive = run.archive(committed) if committed >= 0 else None
    if member == "aggregate":
        member = aggregate_of(run, committed)
    elif member == "published":
        member = predecessor(run.summary_before(committed + 1)) or member
    elif archive is not None and (member == "balanced" or member.startswith("best:")):
        run.history.refresh()
        tasks = run.history.as_of(committed).tasks
        commit = Commit.from_document(archive, tasks)
        if member == "balanced":
            member = balanced_member(commit).candidate
        else:
            task = member.removeprefix("best:")
            if task not in tasks:
                raise InputError(f"{member}: no task {task!r}; the run has {', '.join(tasks)}")
            member = commit.state.archives[task].ranked()[0].candidate
    if not is_name(member) or not run.objects.exists(keys.genome(member)):
        raise InputError(
            f"{member}: the run has no such candidate; `cycleqd list {run.objects.uri}` prints "
            "those in the archives; `best:TASK`, `balanced` and, once the run is complete, "
            "`aggregate` and `published` name one by its role"
        )
    return member


def aggregate_of(run: RunStore, committed: int) -> str:
    """The candidate that became the aggregate: with ``method: Front`` the final table tells.

    Args:
        run: the run's store.
        committed: its last generation.
    """
    summary = run.summary(committed) if committed >= 0 else None
    rows = summary.rows if summary is not None else ()
    known = (row.candidate for row in rows if row.kind == "aggregate")
    return next(known, keys.aggregate(committed))


class Members:
    """What the store knows of candidates.

    Args:
        run: the run's store.
    """

    def __init__(self, run: RunStore) -> None:
        self._run = run
        self._plan = lru_cache(None)(lambda number: run.plan(keys.generation(number)))
        self._revision = run.latest()

    def find_entry(self, candidate: str) -> tuple[int, int, EvaluateEntry] | None:
        """Generation, index and entry that made a candidate, None for finalists."""
        for generation in self._made_in(candidate):
            for index, entry in self._entries(generation, candidate):
                if not entry.revisit:
                    return generation, index, entry
        return None

    def _made_in(self, candidate: str) -> Sequence[int]:
        """The generations of which one has made a candidate, if any has."""
        joins = self._revision.joins
        child, joined = keys.child_number(candidate), keys.joined_in(candidate)
        if child is not None:
            return [generation_of(child, self._revision.spec, joins)]
        return [joined] if joined is not None else [0, *joins]

    def _entries(self, generation: int, candidate: str) -> Iterator[tuple[int, EvaluateEntry]]:
        plan = self._plan(generation)
        for index, entry in enumerate(plan.entries if plan else ()):
            if isinstance(entry, EvaluateEntry) and entry.candidate == candidate:
                yield index, entry

    def scores(self, candidate: str) -> dict[str, float]:
        """Scores on the search items of all tasks that a candidate was evaluated on so far."""
        return dict(self._known(candidate, self._run.history.as_of(self._run.committed())).scores)

    def outcomes(self, candidate: str) -> Mapping[str, str] | None:
        """Outcomes on all search items that count now, by task; None where some are not known."""
        told = self._known(candidate, self._revision)
        return told.outcomes if is_whole(told, self._revision.search_counts) else None

    def _known(self, candidate: str, revision: Revision) -> Told:
        """What is known of a candidate on the items of a revision."""
        told = Told(candidate, {})
        for generation in sorted({*self._made_in(candidate), *self._revision.joins}):
            stage = keys.generation(generation)
            entries = list(self._entries(generation, candidate))
            finished = self._run.finished_entries(stage) if entries else set()
            counted = revision.holding(self._run.history.as_of(generation))
            for index, entry in entries:
                if index in finished:
                    asked = Asked.of(entry, self._run.result(stage, index))
                    told = put_together(told, asked, counted)
        counts = revision.search_counts
        whole = {t for t in told.scores if is_whole(told, {t: counts.get(t)})}
        return Told(
            candidate,
            {task: score for task, score in told.scores.items() if task in whole},
            {task: marks for task, marks in told.outcomes.items() if task in whole},
        )

    def parents(self, candidate: str) -> tuple[str, ...]:
        """Ids of a candidate's parents, none for experts and finalists."""
        found = self.find_entry(candidate)
        return found[2].parents if found else ()

    def lineage(self, candidate: str) -> dict[str, tuple[str, ...]]:
        """The candidate and all its ancestors with their parents, children before parents."""
        tree: dict[str, tuple[str, ...]] = {}
        waiting = [candidate]
        while waiting:
            current = waiting.pop(0)
            if current not in tree:
                tree[current] = self.parents(current)
                waiting.extend(tree[current])
        return tree

    def describe(self, candidate: str) -> dict[str, Any]:
        """A candidate as JSON: origin, scores, cells and the shares of the experts."""
        run = self._run
        found = self.find_entry(candidate)
        genome = run.genome(candidate)
        experts = genome.layout.experts
        scale = genome.scale.astype(np.float64).mean(axis=1)
        document: dict[str, Any] = {
            "candidate": candidate,
            "genomeBytes": run.objects.size(keys.genome(candidate)),
            "meanScale": {name: round(float(s), 6) for name, s in zip(experts, scale, strict=True)},
        }
        if genome.gain is not None:
            gain = genome.gain.astype(np.float64).mean(axis=1)
            document["meanGain"] = {
                name: round(float(g), 6) for name, g in zip(experts, gain, strict=True)
            }
        if found is not None:
            generation, index, entry = found
            stage = keys.generation(generation)
            document |= {
                "generation": generation,
                "focus": entry.focus,
                "parents": list(entry.parents),
                "ancestors": len(self.lineage(candidate)) - 1,
            }
            if index in run.finished_entries(stage):
                result = run.result(stage, index)
                document["scores"] = self.scores(candidate)
                document["digest"] = result.digest
                if result.failure is not None:
                    document["failure"] = result.failure.model_dump()
        committed = run.committed()
        archive = run.archive(committed) if committed >= 0 else None
        if archive is not None:
            document["cells"] = {
                task: list(member.cell)
                for task, record in archive.archives.items()
                for member in record.members
                if member.candidate == candidate
            }
        return document
