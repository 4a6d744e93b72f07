"""Alerts and documents name metrics that are exported, with labels that they have."""

from __future__ import annotations

import re

import pytest
from prometheus_client import generate_latest

from cycleqd.pod.metrics import CoordinatorMetrics, WorkerMetrics
from cycleqd_operator.metrics import Metrics

from .rendering import EVERYTHING, ROOT, Json, one, render

RUN: Json = {
    "metadata": {"namespace": "n", "name": "r"},
    "status": {
        "conditions": [{"type": "Progressing", "status": "True", "reason": "Evolving"}],
        "workers": {"desired": 1},
    },
}


def _exported_by_pods() -> str:
    """What coordinators and workers serve, with one entry done and one progress written."""
    coordinator, worker = CoordinatorMetrics(), WorkerMetrics()
    coordinator.published(delivered=True)
    worker.hear({"event": "begin", "stage": "generations/000001"})
    worker.hear({"event": "end", "kind": "Evaluate", "failed": False, "seconds": 1, "phases": {}})
    registries = (coordinator.registry, worker.registry)
    return "".join(generate_latest(registry).decode() for registry in registries)


def _labels(text: str) -> dict[str, set[str]]:
    """Labels of each metric of an exposition, by the name that Prometheus stores."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            found.setdefault(name, set()).update(re.findall(r"(\w+)=\"", line))
    return found


def _exported() -> dict[str, set[str]]:
    """The same of the operator."""
    metrics = Metrics()
    metrics.follow_runs(lambda: [RUN])
    metrics.reconciles.labels("quiet").inc()
    metrics.api_requests.labels("list", "Job", "200").inc()
    metrics.objects.labels("Job").set(1)
    return _labels(generate_latest(metrics.registry).decode())


EXPORTED = _exported()


@pytest.mark.controlplane
def test_alerts() -> None:
    groups = one(render(EVERYTHING), "PrometheusRule")["spec"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 0
    for rule in rules:
        named = set(re.findall(r"\bcycleqd_\w+", rule["expr"]))
        assert named
        assert named <= set(EXPORTED), rule["alert"]
        labels = set().union(*(EXPORTED[name] for name in named))
        assert set(re.findall(r"(\w+)=~?\"", rule["expr"])) <= labels
        assert {"summary", "description"} <= set(rule["annotations"])
        assert rule["labels"]["team"] == "research"


def test_the_documents_list_every_metric() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(cycleqd_\w+)", text, re.MULTILINE))
    exported = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name in {**EXPORTED, **_labels(_exported_by_pods())}
        if name.startswith("cycleqd_") and not name.endswith("_created")
    }
    assert listed == exported
