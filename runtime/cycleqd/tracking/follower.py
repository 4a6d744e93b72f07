"""Reads what a run has committed and hands it to a tracking tool, again and again if wanted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from cycleqd.errors import InputError
from cycleqd.records import keys
from cycleqd.run.members import Members
from cycleqd.run.store import Position, RunStore
from cycleqd.scratch import scratch_folder
from cycleqd.tracking.models import final_models, publication
from cycleqd.tracking.sink import Sink
from cycleqd.tracking.translation import (
    COMMITTED,
    TABLE,
    archive_points,
    committed_point,
    revision_tags,
    table_point,
    table_points,
)

BATCH = 25
"""Generations that are told at once, so that a long run is tracked in few requests."""


class Follower:
    """Tells one run to one tool.

    Args:
        run: the run's store; nothing is written to it.
        sink: the tool.
        say: told how far it is.
    """

    def __init__(self, run: RunStore, sink: Sink, say: Callable[[str], None]) -> None:
        self._run = run
        self._sink = sink
        self._say = say
        self._archives = set(sink.known(COMMITTED))
        self._tables = set(sink.known(TABLE))
        self._published: set[int] = set()
        # The last one that is there is compared once more: it may be another run's.
        self._compared = max(self._archives, default=-1)
        self._archives.discard(self._compared)

    def look(self) -> bool:
        """Track all that is committed now; whether the run is complete.

        Raises:
            InputError: the tool has other numbers of this run, or refuses what it is told.
            StoreError: the store failed.
        """
        position = self._run.position()
        self._track_archives(position)
        self._sink.tag(revision_tags(self._run.history.refresh(), position.generation))
        self._track_tables(position.generation)
        if position.complete:
            self._track_ending(position)
        self._sink.end(complete=position.complete)
        return position.complete

    def _track_archives(self, position: Position) -> None:
        missing = (n for n in range(position.generation + 1) if n not in self._archives)
        for numbers in _batches(missing):
            archives = [self._run.committed_archive(number) for number in numbers]
            self._sink.add([point for archive in archives for point in archive_points(archive)])
            self._sink.add([committed_point(archive) for archive in archives])
            self._archives.update(numbers)
            if numbers != [self._compared]:
                self._say(
                    f"generation {numbers[-1]} of {position.generations}, "
                    f"{archives[-1].evaluations} evaluations"
                )

    def _track_tables(self, committed: int) -> None:
        names = self._run.objects.children(keys.FINALS)
        numbers = sorted(n for name in names if (n := keys.number(name)) is not None)
        for number in numbers:
            if number > committed or number in self._published:
                continue
            summary = self._run.summary(number)
            if summary is None:
                continue
            archive = self._run.committed_archive(number)
            if number not in self._tables:
                self._sink.add(table_points(summary, archive))
                self._sink.add([table_point(archive)])
                self._tables.add(number)
                self._say(f"held-out scores after generation {number}")
            facts = publication(summary, archive, Members(self._run).parents)
            if facts is not None:
                self._sink.publish(facts)
            self._published.add(number)

    def _track_ending(self, position: Position) -> None:
        assert position.archive is not None
        assert position.summary is not None
        models = final_models(position.summary, position.archive, Members(self._run).parents)
        self._sink.keep(models)
        self._say(f"{len(models)} models of generation {position.generation}")
        if self._sink.wants_report(position.generation):
            with scratch_folder("report") as folder:
                self._write_report(folder)
                self._sink.attach_report(position.generation, folder)
            self._say("report")

    def _write_report(self, folder: Path) -> None:
        try:
            from cycleqd.report.from_store import write_run_report  # noqa: PLC0415 - matplotlib
        except ModuleNotFoundError as error:
            raise InputError(
                f"{error.name} is not installed; the report that is tracked needs the extra: "
                "pip install 'cycleqd-operator[report]'"
            ) from error
        write_run_report(self._run, folder)


def _batches(numbers: Iterator[int]) -> Iterator[list[int]]:
    while batch := list(itertools.islice(numbers, BATCH)):
        yield batch
