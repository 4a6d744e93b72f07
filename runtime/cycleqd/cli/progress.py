"""Live progress of a run: a bar on a terminal, one line a generation elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cycleqd.cli.console import print_note
from cycleqd.manifest.model import Spec
from cycleqd.records.documents import ArchiveDocument
from cycleqd.roles import coordinator


class ProgressDisplay:
    """Shows `cycleqd.roles.coordinator.RunProgress`; a context manager.

    Args:
        console: where to.
        spec: the run.
        run_id: its id.
    """

    def __init__(self, console: Console, spec: Spec, run_id: str) -> None:
        evolution = spec.evolution
        self._total = (
            len(spec.experts) + evolution.generations * evolution.candidates_per_generation
        )
        self._run_id = run_id
        self._generation = -2
        self._begin = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("evaluations"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(run_id, total=self._total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, progress: coordinator.RunProgress) -> None:
        """Show where the run stands."""
        archive = progress.archive
        done = archive.evaluations if archive is not None else 0
        if not progress.ended:
            done += progress.finished_entries
            name = f"generation {max(0, progress.generation + 1)}/{progress.generations}"
        else:
            name = "held-out comparison"
        self._bar.update(self._task, completed=min(done, self._total), description=name)
        if progress.generation != self._generation:
            self._generation = progress.generation
            if archive is not None:
                print_note(self._line(archive, progress.generations))

    def _line(self, archive: ArchiveDocument, generations: int) -> str:
        tasks = "  ".join(
            f"{task}: best {record.best:.2f} cover {record.coverage:.0%} QD {record.qd_score:.1f}"
            for task, record in archive.archives.items()
        )
        failed = f"  stopped early {archive.stopped}" if archive.stopped else ""
        failed += f"  failed {len(archive.failed)}" if archive.failed else ""
        return (
            f"{time.monotonic() - self._begin:6.0f} s  generation {archive.generation}"
            f"/{generations}  {archive.evaluations} evaluations  {tasks}{failed}"
        )
