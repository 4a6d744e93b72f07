"""Metrics of runs go with their run, and no label can hold a task or a candidate."""

from __future__ import annotations

from prometheus_client import generate_latest

from cycleqd_operator.kube.objects import Json
from cycleqd_operator.metrics import Metrics

ALLOWED = {"namespace", "name", "type", "reason", "kind", "verb", "code", "outcome", "le"}
OF_LIBRARY = ("python_", "process_")


def run(name: str) -> Json:
    status = {
        "generation": 7,
        "generations": 20,
        "revision": 1,
        "acceptedRevision": 2,
        "revisiting": {"revision": 2, "generation": 8, "who": "expert x", "done": 3, "of": 40},
        "evaluations": {"succeeded": 70, "failed": 1},
        "archive": {"coverage": "0.25", "qdScore": "12.5"},
        "workers": {"ready": 3, "desired": 4, "failedPods": 1},
        "best": [{"task": "sql", "candidate": "000003-1", "score": "0.9"}],
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": "Evolving"},
            {"type": "Failed", "status": "False", "reason": "Evolving"},
        ],
    }
    return {"metadata": {"namespace": "demo", "name": name}, "status": status}


def test_runs_are_exported_as_they_are_now() -> None:
    metrics = Metrics()
    runs = [run("one"), {"metadata": {"namespace": "demo", "name": "fresh"}}]
    metrics.follow_runs(lambda: runs)
    text = generate_latest(metrics.registry).decode()
    for line in (
        'cycleqd_run_generation{name="one",namespace="demo"} 7.0',
        'cycleqd_run_generation{name="fresh",namespace="demo"} -1.0',
        'cycleqd_run_revision{name="one",namespace="demo"} 1.0',
        'cycleqd_run_accepted_revision{name="one",namespace="demo"} 2.0',
        'cycleqd_run_revisited_models{name="one",namespace="demo"} 3.0',
        'cycleqd_run_models_to_revisit{name="one",namespace="demo"} 40.0',
        'cycleqd_run_models_to_revisit{name="fresh",namespace="demo"} 0.0',
        'cycleqd_run_candidates_evaluated{name="one",namespace="demo"} 70.0',
        'cycleqd_run_coverage{name="one",namespace="demo"} 0.25',
        'cycleqd_run_qd_score{name="one",namespace="demo"} 12.5',
        'cycleqd_run_workers_ready{name="one",namespace="demo"} 3.0',
        'cycleqd_run_failed_pods{name="one",namespace="demo"} 1.0',
        'cycleqd_run_condition{name="one",namespace="demo",type="Failed"} 0.0',
        'cycleqd_run_condition{name="one",namespace="demo",type="Progressing"} 1.0',
        'cycleqd_run_reason{name="one",namespace="demo",reason="Evolving"} 1.0',
    ):
        assert line in text.splitlines()
    runs.clear()
    assert 'name="one"' not in generate_latest(metrics.registry).decode()


def test_labels_are_bounded_and_everything_is_explained() -> None:
    metrics = Metrics()
    metrics.follow_runs(lambda: [run("one")])
    metrics.api_requests.labels("patch", "Job", "200").inc()
    metrics.reconciles.labels("quiet").inc()
    for family in metrics.registry.collect():
        if not family.name.startswith(OF_LIBRARY):
            assert family.name.startswith("cycleqd_")
            assert family.documentation.endswith(".")
            assert {label for sample in family.samples for label in sample.labels} <= ALLOWED
