"""One run as the pages see it, read by a bounded number of small requests at each look.

A look asks for what `cycleqd status` asks for: revisions, the last commit, the final table. What a
commit says is worked out once for each commit, so a run that stands still costs three requests.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from cycleqd.evolution.final import balanced_member, recommended
from cycleqd.evolution.goal import has_ended, total_coverage, total_qd_score
from cycleqd.evolution.search import Commit
from cycleqd.records import keys
from cycleqd.report.data import HistoryRow
from cycleqd.report.documents import archive_views, history_row, table_rows
from cycleqd.run.revisiting import revisiting_now
from cycleqd.run.store import RunStore
from cycleqd.run.timeline import Timeline, timeline
from cycleqd.ui.views import Joining, Model, Phase, RevisionLook, RunLook, StageLook, TaskLook

if TYPE_CHECKING:
    from cycleqd.records.documents import ArchiveDocument
    from cycleqd.records.final_table import SummaryDocument
    from cycleqd.report.data import ArchiveView
    from cycleqd.run.revision import Revision
    from cycleqd.store.base import ObjectStore

PARSED_ARCHIVES = 4
"""Whole commits kept in memory for a run; one of a fine archive takes some ten megabytes."""


class RunReader:
    """Reads one run; safe to share between threads, which then take turns.

    Args:
        run_id: the run's name in addresses.
        store: of the run.
    """

    def __init__(self, run_id: str, store: ObjectStore) -> None:
        self.id = run_id
        self.run = RunStore(store)
        self.lock = threading.RLock()
        self._archive = lru_cache(PARSED_ARCHIVES)(self._read_archive)
        self._look: RunLook | None = None
        self._living = threading.Lock()
        self._life: tuple[tuple[int, int, bool], Timeline | None] | None = None

    def look(self) -> RunLook:
        """Where the run stands.

        Raises:
            InputError: no run is stored there.
            StoreError: the store failed.
        """
        with self.lock:
            revisions = self.run.history.refresh()
            committed, known = self.run.committed(), self._look
            if (
                known is None
                or (known.generation, known.revisions) != (committed, len(revisions) - 1)
                or known.phase in ("starting", "comparing")
            ):
                known = self._read_look(committed)
            if known.phase in ("searching", "revisiting"):
                joins = self.joining(committed) is not None
                known = replace(known, phase="revisiting" if joins else "searching")
            self._look = known
            return known

    def _read_look(self, committed: int) -> RunLook:
        run, asked = self.run, self.run.history.latest()
        now = run.history.as_of(committed)
        archive = self._archive(committed) if committed >= 0 else None
        ended = has_ended(asked.spec, archive)
        summary = run.summary(committed) if ended else None
        begun = run.objects.written(keys.RUN)
        return RunLook(
            id=self.id,
            run_id=asked.run.run_id,
            name=asked.manifest.metadata.name,
            uri=run.objects.uri,
            strategy=now.spec.evolution.strategy,
            engine=asked.engine,
            experts=tuple(expert.name for expert in now.spec.experts),
            tasks=now.tasks,
            revision=now.number,
            revisions=asked.number,
            phase=_phase(archive, ended=ended, summary=summary),
            generation=committed,
            generations=asked.spec.evolution.generations,
            evaluations=0 if archive is None else archive.evaluations,
            failed=0 if archive is None else len(archive.failed),
            stopped=0 if archive is None else archive.stopped,
            goal_reached=ended and committed < asked.spec.evolution.generations,
            coverage=0.0 if archive is None else total_coverage(archive),
            qd_score=0.0 if archive is None else total_qd_score(archive),
            by_task=_by_task(archive, now.tasks),
            models=self._models(now, archive, summary),
            table=table_rows(summary),
            begun=begun,
            changed=self._changed(committed, begun),
        )

    def _changed(self, committed: int, begun: datetime) -> datetime:
        if committed < 0:
            return begun
        return self.run.objects.written(keys.generation(committed).commit_key)

    def _models(
        self, now: Revision, archive: ArchiveDocument | None, summary: SummaryDocument | None
    ) -> tuple[Model, ...]:
        if archive is None:
            return ()
        found = {}
        table = summary or self.run.summary_before(archive.generation)
        best = None if table is None else recommended(table)
        if best is not None:
            found["published"] = best.candidate
        for row in summary.rows if summary is not None else ():
            if row.kind == "aggregate":
                found["aggregate"] = row.candidate
        found["balanced"] = balanced_member(Commit.from_document(archive, now.tasks)).candidate
        return tuple(
            Model(role, candidate, self.export_command(candidate))
            for role, candidate in found.items()
        )

    def export_command(self, candidate: str) -> str:
        """What a user types to get a candidate as a checkpoint."""
        words = ["cycleqd", "export", self.run.objects.uri, "--member", candidate]
        return shlex.join([*words, "--out", f"models/{candidate}"])

    def _read_archive(self, generation: int) -> ArchiveDocument:
        return self.run.committed_archive(generation)

    def archive(self, task: str, generation: int) -> ArchiveView | None:
        """A task's archive as of a committed generation; None for no task of the run.

        Raises:
            StoreError: the store failed.
        """
        with self.lock:
            tasks = self.run.history.as_of(generation).tasks
            views = archive_views(self._archive(generation), tasks)
        return next((view for view in views if view.task == task), None)

    def commit(self, generation: int) -> ArchiveDocument:
        """The commit of a generation that is committed.

        Raises:
            StoreError: the store failed.
        """
        with self.lock:
            return self._archive(generation)

    def joining(self, committed: int) -> Joining | None:
        """Who joins in the generation under way; None where nobody does."""
        with self.lock:
            now = revisiting_now(self.run, committed)
        return None if now is None else Joining(now.said(), now.generation, now.done, now.of)

    def stages(self, look: RunLook) -> tuple[StageLook, ...]:
        """The stages under way, of which there are as many as the pipeline is deep, or the last.

        Raises:
            StoreError: the store failed.
        """
        if look.complete:
            return ()
        with self.lock:
            depth = self.run.history.latest().spec.evolution.pipeline_depth
            if look.phase == "comparing":
                stages = [("held-out comparison", keys.final(look.generation))]
            else:
                numbers = range(look.generation + 1, look.generation + depth + 1)
                stages = [(f"generation {n}", keys.generation(n)) for n in numbers]
            found = []
            for name, stage in stages:
                if (plan := self.run.plan(stage)) is not None:
                    done = len(self.run.finished_entries(stage))
                    found.append(StageLook(name, done, len(plan.entries)))
            return tuple(found)

    def history_row(self, generation: int) -> HistoryRow:
        """The archives in numbers after a generation.

        Raises:
            StoreError: the store failed.
        """
        # Not by the cache of whole commits: a curve passes over many, each once.
        return history_row(self.run.committed_archive(generation))

    def revisions(self) -> tuple[RevisionLook, ...]:
        """All accepted changes, the run as it began first."""
        with self.lock:
            known = list(self.run.history.refresh())
        return (
            _revision(None, known[0]),
            *(_revision(before, after) for before, after in pairwise(known)),
        )

    def life(self, look: RunLook) -> Timeline | None:
        """Who joined, what it cost and what was kept; None where nobody has joined.

        Others do not wait for it: it asks for much of a run that many have joined.

        Raises:
            StoreError: the store failed.
        """
        with self._living:
            state = (look.generation, look.revisions, look.complete)
            if self._life is None or self._life[0] != state:
                run = RunStore(self.run.objects)
                joined = run.history.refresh()[-1].joins
                self._life = (state, timeline(run) if joined else None)
            found = self._life[1]
        return found if found is not None and found.costs else None


def _phase(
    archive: ArchiveDocument | None, *, ended: bool, summary: SummaryDocument | None
) -> Phase:
    if archive is None:
        return "starting"
    if not ended:
        return "searching"
    return "comparing" if summary is None else "complete"


def _by_task(archive: ArchiveDocument | None, tasks: tuple[str, ...]) -> Mapping[str, TaskLook]:
    if archive is None:
        return dict.fromkeys(tasks, TaskLook(0.0, 0.0, 0.0))
    records = {task: archive.archives[task] for task in tasks if task in archive.archives}
    return {
        task: TaskLook(record.best, record.coverage, record.qd_score)
        for task, record in records.items()
    }


def _revision(before: Revision | None, after: Revision) -> RevisionLook:
    experts = tuple(expert.name for expert in after.spec.experts)
    had_experts = () if before is None else tuple(e.name for e in before.spec.experts)
    had_tasks = () if before is None else before.tasks
    return RevisionLook(
        number=after.number,
        from_generation=after.from_generation,
        generations=after.spec.evolution.generations,
        experts=tuple(name for name in experts if name not in had_experts),
        tasks=tuple(name for name in after.tasks if name not in had_tasks),
        retired=(
            *(name for name in had_experts if name not in experts),
            *(name for name in had_tasks if name not in after.tasks),
        ),
    )
