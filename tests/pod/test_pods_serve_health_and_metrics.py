"""`/healthz` answers while a pod lives, store or no store; `/metrics` counts what it did."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from devcluster.base.processes import free_port
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from cycleqd.errors import InputError
from cycleqd.pod.health import serving
from cycleqd.pod.metrics import CoordinatorMetrics, WorkerMetrics
from cycleqd.records.documents import EvaluateEntry, Failure, ResultDocument, Telemetry
from cycleqd.records.keys import final, generation
from cycleqd.roles.entry_queue import Work
from cycleqd.roles.worker import event_line
from tests.pod.pods import Pods, wait_until


def get(port: int, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.status, answer.read().decode()


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told(event: str, work: Work, result: ResultDocument | None = None) -> dict[str, object]:
    return dict(json.loads(event_line(event, work, result)))


def result_of(failure: Failure | None) -> ResultDocument:
    telemetry = Telemetry(
        worker=0, host="", seconds=7.5, materialize_seconds=0.5, evaluate_seconds=6.0
    )
    return ResultDocument(entry=0, candidate="c000001", failure=failure, telemetry=telemetry)


def test_a_worker_counts_what_its_engine_says() -> None:
    metrics = WorkerMetrics()
    entry = EvaluateEntry(candidate="c000001", genome="0", split="search", tasks=("sql",))
    work = Work(generation(12), 0, entry, own=True)
    for failure in (None, None, Failure(cause="CandidateError", message="not finite")):
        metrics.hear(told("begin", work))
        metrics.hear(told("end", work, result_of(failure)))
    metrics.hear(told("begin", Work(final(20), 0, entry, own=True)))
    with serving(0, metrics.registry) as port:
        found = values(get(port, "/metrics")[1])
    kind = ("kind", "Evaluate")
    assert found["cycleqd_worker_entries_total", (kind, ("outcome", "succeeded"))] == 2
    assert found["cycleqd_worker_entries_total", (kind, ("outcome", "failed"))] == 1
    assert found["cycleqd_worker_entry_seconds_sum", (kind,)] == 22.5
    for phase, seconds in (("materialize", 1.5), ("evaluate", 18), ("other", 3)):
        assert found["cycleqd_worker_phase_seconds_total", (("phase", phase),)] == seconds
    assert found["cycleqd_worker_stage", (("kind", "generation"),)] == 12
    assert found["cycleqd_worker_stage", (("kind", "final"),)] == 20


def test_a_coordinator_counts_its_writes() -> None:
    metrics = CoordinatorMetrics()
    metrics.published(delivered=True)
    metrics.published(delivered=False)
    metrics.generation.set(4)
    with serving(0, metrics.registry) as port:
        found = values(get(port, "/metrics")[1])
    assert found["cycleqd_coordinator_generation", ()] == 4
    for outcome in ("delivered", "failed"):
        key = ("cycleqd_coordinator_publishes_total", (("outcome", outcome),))
        assert found[key] == 1


def test_only_these_paths() -> None:
    with serving(0, CollectorRegistry()) as port:
        assert get(port, "/healthz") == (200, "ok\n")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(port, "/etc/passwd")


def test_a_taken_port_is_named() -> None:
    with (
        serving(0, CollectorRegistry()) as port,
        pytest.raises(InputError, match=f"CYCLEQD_HEALTH_PORT: {port}"),
        serving(port, CollectorRegistry()),
    ):
        pass


def test_a_pod_is_healthy_while_its_store_is_away(pods: Pods) -> None:
    away, port = free_port(), free_port()
    pods.extra = {
        "CYCLEQD_S3_ENDPOINT": f"http://127.0.0.1:{away}",
        "CYCLEQD_STORE": "s3://bucket/run",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "CYCLEQD_HEALTH_PORT": str(port),
    }
    worker = pods.work(0, 1)

    def failed_calls() -> float:
        try:
            found = values(get(port, "/metrics")[1])
        except OSError:
            return 0.0
        return found["cycleqd_worker_store_errors_total", ()]

    wait_until(lambda: failed_calls() >= 1, 90)
    assert get(port, "/healthz")[0] == 200
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(30) == 143
