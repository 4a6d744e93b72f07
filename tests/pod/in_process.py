"""A coordinator pod and a worker in one process, turn by turn: what happens when is the test's."""

from __future__ import annotations

from pathlib import Path

from cycleqd.contract.progress import Progress
from cycleqd.pod.coordinate import PodCoordinator
from cycleqd.pod.metrics import CoordinatorMetrics
from cycleqd.pod.publishing import Publisher
from cycleqd.pod.settings import CoordinatorSettings
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from tests.pod.pods import swap
from tests.run.synthetic import SyntheticWorkbench


class Board:
    def __init__(self, before: Progress | None = None) -> None:
        self.told = [before or Progress()]

    def read(self) -> Progress:
        return self.told[-1]

    def write(self, progress: Progress) -> None:
        self.told.append(progress)


class Cluster:
    """A coordinator pod in this process; a worker takes its turn whenever the coordinator waits."""

    def __init__(self, folder: Path, board: Board | None = None) -> None:
        self.mount = folder / "manifest"
        self.store = folder / "store"
        self.board = board or Board()
        self.edits: dict[int, tuple[str, int]] = {}
        """By the generation after whose commit they come: text and metadata.generation."""
        self.turns = 0
        settings = CoordinatorSettings(
            store=str(self.store),
            scratch=folder,
            health_port=0,
            termination_log=folder / "log",
            manifest=self.mount,
            namespace="demo",
            config_map="progress",
        )
        self._settings = settings

    def run(self) -> Progress:
        with Publisher(self.board) as publisher:
            PodCoordinator(self._settings, publisher, CoordinatorMetrics(), sleep=self.turn).run()
            publisher.flush()
        return self.board.told[-1]

    def turn(self, seconds: float) -> None:
        self.turns += 1
        assert self.turns < 200, "the run did not end"
        run = RunStore(open_store(str(self.store)))
        worker = Worker(run, WorkerSettings(0, 1, self.store), SyntheticWorkbench(run))
        queue = EntryQueue(run, 0, 1)
        while (work := queue.next()) is not None:
            worker.do(work)
        for generation in [g for g in self.edits if g <= run.committed()]:
            swap(self.mount, *self.edits.pop(generation))
