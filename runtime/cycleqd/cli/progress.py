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
from cycleqd.run.revisiting import Revisiting


class ProgressDisplay:
    """Shows `cycleqd.roles.coordinator.RunProgress`; a context manager.

    Args:
        console: where to.
        spec: the run.
        run_id: its id.
    """

    def __init__(self, console: Console, spec: Spec, run_id: str) -> None:
        self._spec = spec
        self._run_id = run_id
        self._generation = -2
        self._announced = -1
        self._told_tenths = 0
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
        self._task = self._bar.add_task(
            run_id, total=_expected(spec, None, spec.evolution.generations)
        )

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
        archive, now = progress.archive, progress.revisiting
        done = archive.evaluations if archive is not None else 0
        total = done
        if not progress.ended:
            total = _expected(self._spec, archive, progress.generations, now)
            done += progress.finished_entries
            name = f"generation {max(0, progress.generation + 1)}/{progress.generations}"
            if now is not None:
                name += f"  Revisiting {now.done}/{now.of}"
        else:
            name = "held-out comparison"
        self._bar.update(self._task, completed=min(done, total), total=total, description=name)
        if progress.generation != self._generation:
            self._generation = progress.generation
            if archive is not None:
                print_note(self._line(archive, progress.generations))
        if now is not None:
            self._tell(now)

    def _tell(self, now: Revisiting) -> None:
        """What is to come, once; on what is no terminal also each tenth that is done."""
        if now.generation != self._announced:
            self._announced, self._told_tenths = now.generation, 0
            print_note(_to_come(now))
        tenths = 10 * now.done // now.of
        if tenths > self._told_tenths:
            self._told_tenths = tenths
            if self._bar.disable:
                print_note(f"{self._seconds()}  Revisiting {now.done}/{now.of}")

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._begin:6.0f} s"

    def _line(self, archive: ArchiveDocument, generations: int) -> str:
        tasks = "  ".join(
            f"{task}: best {record.best:.2f} cover {record.coverage:.0%} QD {record.qd_score:.1f}"
            for task, record in archive.archives.items()
        )
        failed = f"  stopped early {archive.stopped}" if archive.stopped else ""
        failed += f"  failed {len(archive.failed)}" if archive.failed else ""
        return (
            f"{self._seconds()}  generation {archive.generation}"
            f"/{generations}  {archive.evaluations} evaluations  {tasks}{failed}"
        )


def _to_come(now: Revisiting) -> str:
    """What it takes that somebody joins."""
    return (
        f"generation {now.generation}: {now.said()} join; {now.members} members and experts to "
        f"evaluate on what is new, {now.newcomers} newcomers on everything: {now.of} evaluations, "
        f"{now.answers:,} answers"
    )


def _expected(
    spec: Spec, archive: ArchiveDocument | None, generations: int, now: Revisiting | None = None
) -> int:
    """How many evaluations there will be; who is still to join counts as a usual generation."""
    each = spec.evolution.candidates_per_generation
    if archive is None:
        return len(spec.experts) + generations * each
    expected = archive.evaluations + (generations - archive.generation) * each
    return expected if now is None else expected - each + now.of
