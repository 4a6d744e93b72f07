"""What the operator is loaded with, and what comes out (`benchmarks.operator_scale`)."""

from __future__ import annotations

from dataclasses import dataclass

from devcluster.played.kwok import GPUS

from cycleqd_operator.decision.obstacles import GRACE_SECONDS
from cycleqd_operator.settings import Settings


@dataclass(frozen=True)
class Load:
    """How much to simulate.

    Attributes:
        runs: CycleQDRuns.
        depth: open stages, hence worker Jobs, of each; 0 for mode Pool with one Job of two workers.
        nodes: simulated nodes of 8 GPUs.
        generations: how many each run advances while writes are counted.
    """

    runs: int = 200
    depth: int = 19
    nodes: int = 100
    generations: int = 3

    @property
    def jobs(self) -> int:
        """Jobs at any time: a coordinator's and the workers'."""
        return self.runs * (1 + (self.depth or 1))

    @property
    def workers(self) -> int:
        """Worker pods at any time; each asks for one GPU."""
        return self.runs * (self.depth or 2)

    @property
    def running(self) -> int:
        """Pods that find a place."""
        return self.runs + min(self.workers, self.nodes * int(GPUS["nvidia.com/gpu"]))

    @property
    def quiet_seconds(self) -> float:
        """Silence after which the operator has nothing left to write.

        Longer than its status interval; where pods wait for GPUs, also than the grace after which
        each run's status says so.
        """
        grace = GRACE_SECONDS if self.running < self.runs + self.workers else 0
        return max(Settings().status_interval_seconds, grace) + 5


@dataclass(frozen=True)
class Start:
    """How an operator starts beside all objects of a load.

    Attributes:
        start_seconds: from the start of its process until its first look at a run.
        start_cpu_seconds: processor time that it took until its probe answered.
        peer_seconds: what the plain client takes to list the same objects, right afterwards.
        peer_cpu_seconds: processor time of that, its imports included as they are in the other.
        settle_seconds: from its first look until it had looked at every run.
        settle_writes: what it wrote until then, though nothing had changed.
        settle_changes: what these writes changed in the runs' statuses, to find the reason.
    """

    start_seconds: float
    start_cpu_seconds: float
    peer_seconds: float
    peer_cpu_seconds: float
    settle_seconds: float
    settle_writes: float
    settle_changes: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """What came out.

    Attributes:
        jobs: Jobs on the API server.
        pods: pods on the API server.
        fill_seconds: from the first run's creation until all Jobs were there.
        start: how a new operator took over.
        memory_mib: its resident memory after the start, with all objects.
        peak_memory_mib: the most that it ever took.
        writes_per_generation: requests that write, per run and generation, by its own metrics.
        audited_writes_per_generation: the same by the API server's audit log.
        writes_by_kind: requests that write while generations passed, by verb and kind.
        generation_seconds: from one report of all runs until all Jobs were as they should be.
        status_bytes: JSON of the largest status.
        lost_runs: runs that were not Complete at the end.
    """

    jobs: int
    pods: int
    fill_seconds: float
    start: Start
    memory_mib: float
    peak_memory_mib: float
    writes_per_generation: float
    audited_writes_per_generation: float
    writes_by_kind: dict[str, float]
    generation_seconds: float
    status_bytes: int
    lost_runs: int
