"""Metrics of the controller and of the runs it serves, for Prometheus.

Labels are bounded: kinds, verbs and outcomes for the controller; namespace and name for runs, never
a task or a candidate. Metrics of runs are read from the cache when they are scraped, so they go
with their run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from cycleqd_operator.kube.objects import Json, metadata, status
from cycleqd_operator.kube.resources import WATCHED

BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)


class Metrics:
    """All metrics of one operator process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.reconciles = Counter(
            "cycleqd_operator_reconciles",
            "Looks at a run, by outcome: quiet, acted, gone or failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.reconcile_seconds = Histogram(
            "cycleqd_operator_reconcile_seconds",
            "Time of one look at a run, with its requests.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.first_reconcile = Gauge(
            "cycleqd_operator_first_reconcile_timestamp_seconds",
            "When this process first looked at a run; compare process_start_time_seconds.",
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            "cycleqd_operator_queue_depth",
            "Runs that are due and wait for a worker.",
            registry=self.registry,
        )
        self.api_requests = Counter(
            "cycleqd_operator_api_requests",
            "Requests to the API server, watches apart, by verb, kind and HTTP code; code 0 is no"
            " answer.",
            ["verb", "kind", "code"],
            registry=self.registry,
        )
        self.objects = Gauge(
            "cycleqd_operator_cached_objects",
            "Objects in memory.",
            ["kind"],
            registry=self.registry,
        )
        self.watch_events = Counter(
            "cycleqd_operator_watch_events",
            "Objects delivered by watches.",
            ["kind"],
            registry=self.registry,
        )
        self.watch_age = Gauge(
            "cycleqd_operator_seconds_since_watch_event",
            "Time since a watch last delivered an object of the kind, or since start.",
            ["kind"],
            registry=self.registry,
        )
        self.relist_age = Gauge(
            "cycleqd_operator_seconds_since_relist",
            "Time since all objects were last listed.",
            registry=self.registry,
        )
        self.drift = Counter(
            "cycleqd_operator_missed_changes",
            "Runs for which a relist found what the watches had not delivered.",
            registry=self.registry,
        )
        self.events_lost = Counter(
            "cycleqd_operator_events_lost",
            "Events for users that could not be posted.",
            registry=self.registry,
        )
        self._has_looked = False
        self._last_event: dict[str, float] = {}
        for resource in WATCHED:
            self.saw_event(resource.kind, count=0)
            self.watch_age.labels(resource.kind).set_function(self._age_of(resource.kind))
        self._last_relist = time.monotonic()
        self.relist_age.set_function(lambda: time.monotonic() - self._last_relist)

    def looked(self, outcome: str, seconds: float) -> None:
        """A look at a run has ended."""
        self.reconciles.labels(outcome).inc()
        self.reconcile_seconds.observe(seconds)
        if not self._has_looked:
            self._has_looked = True
            self.first_reconcile.set_to_current_time()

    def count_request(self, verb: str, kind: str, status: int) -> None:
        """A request to the API server was answered.

        Args:
            verb: what was asked.
            kind: of which kind of object.
            status: HTTP status; 0 where no answer came.
        """
        self.api_requests.labels(verb, kind, str(status)).inc()

    def saw_event(self, kind: str, count: int = 1) -> None:
        """A watch delivered an object."""
        self._last_event[kind] = time.monotonic()
        self.watch_events.labels(kind).inc(count)

    def relisted(self) -> None:
        """All objects were listed."""
        self._last_relist = time.monotonic()

    def follow_runs(self, runs: Callable[[], Sequence[Json]]) -> None:
        """Export the runs that a function returns, at each scrape."""
        self.registry.register(RunCollector(runs))

    def _age_of(self, kind: str) -> Callable[[], float]:
        return lambda: time.monotonic() - self._last_event[kind]


class RunCollector(Collector):
    """Gauges of each run's status.

    Args:
        runs: the runs as they are now; called from the scraping thread.
    """

    def __init__(self, runs: Callable[[], Sequence[Json]]) -> None:
        self._runs = runs

    def collect(self) -> Iterator[Metric]:
        """One family for each gauge."""
        runs = [(metadata(run), status(run)) for run in self._runs()]
        for name, (help_text, read) in RUN_GAUGES.items():
            family = GaugeMetricFamily(f"cycleqd_run_{name}", help_text, labels=RUN_LABELS)
            for meta, found in runs:
                family.add_metric([meta["namespace"], meta["name"]], read(found))
            yield family
        conditions = GaugeMetricFamily(
            "cycleqd_run_condition",
            "1 where the condition of that type is True, 0 where it is not.",
            labels=[*RUN_LABELS, "type"],
        )
        reasons = GaugeMetricFamily(
            "cycleqd_run_reason",
            "1 for the reason of the condition Progressing: the run's state in a word.",
            labels=[*RUN_LABELS, "reason"],
        )
        for meta, found in runs:
            for condition in found.get("conditions") or ():
                labels = [meta["namespace"], meta["name"], condition["type"]]
                conditions.add_metric(labels, float(condition["status"] == "True"))
                if condition["type"] == "Progressing":
                    reasons.add_metric([*labels[:2], condition["reason"]], 1.0)
        yield conditions
        yield reasons


RUN_LABELS = ["namespace", "name"]


def _number(*path: str, default: float = 0.0) -> Callable[[Json], float]:
    """Reads a number, or a decimal string, from a status."""

    def read(found: Json) -> float:
        value: object = found
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return float(value) if isinstance(value, (int, float, str)) else default

    return read


RUN_GAUGES: dict[str, tuple[str, Callable[[Json], float]]] = {
    "generation": (
        "Highest committed generation; -1 before generation 0.",
        _number("generation", default=-1.0),
    ),
    "generations": ("Generations asked for.", _number("generations")),
    "revision": (
        "The accepted change of the manifest that the last committed generation is of.",
        _number("revision"),
    ),
    "accepted_revision": (
        "The change of the manifest that was accepted last; may hold from a later generation on.",
        _number("acceptedRevision"),
    ),
    "models_to_revisit": (
        "Models to evaluate while experts, tasks or items join; 0 while nobody does.",
        _number("revisiting", "of"),
    ),
    "revisited_models": (
        "Models evaluated so far while experts, tasks or items join; 0 while nobody does.",
        _number("revisiting", "done"),
    ),
    "candidates_evaluated": ("Candidates evaluated.", _number("evaluations", "succeeded")),
    "candidates_failed": (
        "Candidates that could not be evaluated.",
        _number("evaluations", "failed"),
    ),
    "coverage": ("Share of all cells that hold an elite, 0 to 1.", _number("archive", "coverage")),
    "qd_score": ("Sum of all elites' qualities.", _number("archive", "qdScore")),
    "workers_desired": ("Worker pods asked for.", _number("workers", "desired")),
    "workers_ready": ("Worker pods ready.", _number("workers", "ready")),
    "failed_pods": (
        "Failed pods that count towards maxFailedPods.",
        _number("workers", "failedPods"),
    ),
}
