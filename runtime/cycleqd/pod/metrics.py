"""What pods tell Prometheus: few series, none of which grows with the run."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from cycleqd.records.keys import stage as stage_of
from cycleqd.roles.worker_process import WorkerEvent

SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


class CoordinatorMetrics:
    """Of one coordinator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.generation = Gauge(
            "cycleqd_coordinator_generation",
            "Highest committed generation, -1 before generation 0.",
            registry=self.registry,
        )
        self.generation.set(-1)
        self.open_entries = Gauge(
            "cycleqd_coordinator_open_entries",
            "Planned entries without a result.",
            registry=self.registry,
        )
        self.store_errors = Counter(
            "cycleqd_coordinator_store_errors",
            "Calls to the store that failed after all retries.",
            registry=self.registry,
        )
        self.publishes = Counter(
            "cycleqd_coordinator_publishes",
            "Attempts to write the progress ConfigMap.",
            ["outcome"],
            registry=self.registry,
        )

    def published(self, delivered: bool) -> None:
        """Count an attempt."""
        self.publishes.labels("delivered" if delivered else "failed").inc()


class WorkerMetrics:
    """Of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.entries = Counter(
            "cycleqd_worker_entries",
            "Entries done, by kind and outcome.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "cycleqd_worker_entry_seconds",
            "Time from the beginning of an entry to its result.",
            ["kind"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.phases = Counter(
            "cycleqd_worker_phase_seconds",
            "Time spent on entries: making weights (materialize), answering and grading items"
            " (evaluate), or other.",
            ["phase"],
            registry=self.registry,
        )
        self.stage = Gauge(
            "cycleqd_worker_stage",
            "Number of the stage that the worker last began an entry of, by kind of stage.",
            ["kind"],
            registry=self.registry,
        )
        self.store_errors = Counter(
            "cycleqd_worker_store_errors",
            "Calls to the store that failed after all retries, by the supervising process.",
            registry=self.registry,
        )
        self.starts = Counter(
            "cycleqd_worker_starts",
            "Starts of the process that holds the engine.",
            registry=self.registry,
        )

    def hear(self, event: WorkerEvent) -> None:
        """Count what the worker process says."""
        if event["event"] == "begin":
            stage = stage_of(str(event["stage"]))
            kind = "final" if stage.is_final else "generation"
            self.stage.labels(kind).set(stage.number)
            return
        kind = str(event["kind"])
        self.entries.labels(kind, "failed" if event["failed"] else "succeeded").inc()
        seconds, parts = float(event["seconds"]), event["phases"]
        self.seconds.labels(kind).observe(seconds)
        for phase, part in {**parts, "other": max(0.0, seconds - sum(parts.values()))}.items():
            self.phases.labels(phase).inc(part)
