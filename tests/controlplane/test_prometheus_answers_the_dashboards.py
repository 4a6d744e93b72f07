"""A Prometheus that scraped a run as the chart tells it answers every question of every dashboard.

Prometheus, operator, coordinator and worker are real; only who finds the targets is played: the
Prometheus operator would write into its configuration what stands here in a file.
"""

from __future__ import annotations

import json
import math
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.chart.rendering import CHART, EVERYTHING, one, render
from tests.controlplane.jobs import eventually
from tests.controlplane.runs import COMPLETE_SECONDS, NAME
from tests.servers.kubernetes import built
from tests.servers.operator import NAMESPACE
from tests.servers.prometheus import Prometheus, prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devcluster.played.pod_player import PodPlayer

    from tests.controlplane.runs import ClusterRun
    from tests.servers.operator import OperatorProcess

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(1800)]

Json = dict[str, Any]
BOARDS = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in (CHART / "files" / "dashboards").glob("*.json")
}
GENERATIONS = 1
SHORT = {"generations": GENERATIONS, "candidatesPerGeneration": 2}
OPERATOR, RUNS = "operator", "runs"
UNANSWERED = {
    "DCGM_": "NVIDIA's exporter needs a GPU",
    "container_": "cAdvisor is part of a kubelet, and nodes are played here",
}
"""Beginnings of metrics that nothing here exports, and why."""


def _camel_to_snake(rule: Json) -> Json:
    """A relabeling of the Prometheus operator in Prometheus' own words."""
    return {re.sub(r"(?=[A-Z])", "_", key).lower(): value for key, value in rule.items()}


def _pods(run: ClusterRun, node: PodPlayer, monitor: Json) -> Iterator[tuple[int, Json]]:
    """The ports that a PodMonitor selects, with the labels that Prometheus finds targets by."""
    selector = monitor["spec"]["selector"]
    wanted = [f"{key}={value}" for key, value in selector["matchLabels"].items()]
    wanted += [found["key"] for found in selector["matchExpressions"]]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for pod in run.cluster.list("pods", run.namespace, ",".join(wanted)):
        meta, (container, *_) = pod["metadata"], pod["spec"]["containers"]
        if pod["status"].get("phase") != "Running":
            continue
        assert endpoint["port"] in {port["name"] for port in container["ports"]}
        found = {
            "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", key): value
            for key, value in meta["labels"].items()
        }
        found["__meta_kubernetes_pod_container_name"] = container["name"]
        found |= {"namespace": run.namespace, "pod": meta["name"]}
        yield node.pod(run.namespace, meta["name"]).port, found


def _asked(board: Json) -> Iterator[tuple[str, str]]:
    """Title and expression of everything that a dashboard asks, with its variables filled in."""
    chosen = {variable["name"]: variable for variable in board["templating"]["list"]}
    filled = {
        "$__rate_interval": "10s",
        **{
            f"${name}": variable.get("allValue") or variable["current"]["value"]
            for name, variable in chosen.items()
            if "current" in variable
        },
    }
    for panel in board["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in filled.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def _has_data(server: Prometheus, expression: str, begin: float, end: float) -> bool:
    """Whether a number was answered at any time of the run."""
    return any(
        math.isfinite(value) for series in server.values(expression, begin, end) for value in series
    )


def test_every_question_of_every_panel(
    cluster_run: Callable[..., ClusterRun],
    operator: OperatorProcess,
    node: PodPlayer,
    tmp_path: Path,
) -> None:
    built("prometheus", "helm")
    rendered = render(EVERYTHING)
    pods = one(rendered, "PodMonitor", "cycleqd-operator-runs")
    (of_operator,) = one(rendered, "ServiceMonitor")["spec"]["endpoints"]
    (of_pods,) = pods["spec"]["podMetricsEndpoints"]
    jobs = {
        OPERATOR: {"honor_labels": of_operator["honorLabels"]},
        RUNS: {"relabel_configs": [_camel_to_snake(rule) for rule in of_pods["relabelings"]]},
    }
    begin = time.time()
    with prometheus(tmp_path / "prometheus", jobs) as server:
        server.scrape(OPERATOR, {operator.metrics_port: {"namespace": NAMESPACE}})
        run = cluster_run(GENERATIONS, workers={"replicas": 1}, evolution=SHORT)

        def complete() -> bool:
            server.scrape(RUNS, dict(_pods(run, node, pods)))
            assert not run.has("Failed"), run.story()
            return run.has("Complete")

        eventually(complete, COMPLETE_SECONDS)
        selector = f'cycleqd_run_generation{{namespace="{run.namespace}"}} == {GENERATIONS}'
        eventually(lambda: server.values(selector, begin, time.time()))
        end = time.time()

        silent = [
            (name, title, expression)
            for name, board in BOARDS.items()
            for title, expression in _asked(board)
            if not _has_data(server, expression, begin, end)
        ]
        expected = [
            (name, title, expression)
            for name, board in BOARDS.items()
            for title, expression in _asked(board)
            if any(re.search(rf"\b{prefix}", expression) for prefix in UNANSWERED)
        ]
        assert silent == expected

        for board in BOARDS.values():
            for variable in board["templating"]["list"]:
                if variable["type"] == "query":
                    asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
                    series = asked[1].replace("$namespace", run.namespace)
                    values = server.label_values(asked[2], series)
                    assert {"namespace": run.namespace, "run": NAME, "operator": NAMESPACE}[
                        variable["name"]
                    ] in values

        # What is shown is what `kubectl get` shows.
        status = run.get()["status"]
        for gauge, shown in (
            ("candidates_evaluated", status["evaluations"]["succeeded"]),
            ("coverage", float(status["archive"]["coverage"])),
        ):
            of_run = f'cycleqd_run_{gauge}{{namespace="{run.namespace}", name="{NAME}"}}'
            ((*_, last),) = server.values(of_run, end - 1, end)
            assert last == shown
        worked = f'sum(cycleqd_worker_entries_total{{namespace="{run.namespace}", run="{NAME}"}})'
        assert max(max(values) for values in server.values(worked, begin, end)) > 0
