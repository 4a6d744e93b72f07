"""The operator's pod is what it needs: one at a time, restricted, with settings that it knows."""

from __future__ import annotations

from typing import Any

import pytest

from cycleqd_operator.main import EXIT_SECONDS
from cycleqd_operator.settings import PREFIX, Settings

from .rendering import CASES, container, one, render

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(120)]


def _settings(values: dict[str, Any]) -> Settings:
    """The container's environment as the operator reads it."""
    env = {v["name"]: v["value"] for v in container(render(values))["env"]}
    return Settings.from_environment(env)


def test_default_settings_are_the_operator_s_own() -> None:
    found = _settings({})
    assert found.worker_image == "cycleqd-worker:0.1.0"
    assert found.log_format == "json"
    assert found == Settings(worker_image=found.worker_image)


def test_a_lost_node_s_operator_is_replaced_soon() -> None:
    pod = one(render({}), "Deployment")["spec"]["template"]["spec"]
    waits = {t["key"].rpartition("/")[2]: t["tolerationSeconds"] for t in pod["tolerations"]}
    assert waits == {"not-ready": 30, "unreachable": 30}


def test_every_setting_of_the_chart_arrives() -> None:
    values = {
        "watchNamespaces": ["a", "b"],
        "worker": {
            "image": {"repository": "r/w", "tag": "2", "pullPolicy": "Never"},
            "imagePullSecrets": ["x", "y"],
            "resources": {"limits": {"nvidia.com/gpu": 4}},
            "sandboxResources": {"limits": {"cpu": "2", "memory": "2Gi"}, "requests": None},
        },
        "coordinator": {"resources": {"limits": {"memory": "1Gi"}, "requests": None}},
        "operator": {
            "logLevel": "DEBUG",
            "logFormat": "text",
            "podTemplateFields": ["metadata.labels", "nodeSelector"],
            "concurrency": 3,
            "resyncSeconds": 60,
            "statusIntervalSeconds": 0,
        },
    }
    assert _settings(values) == Settings(
        worker_image="r/w:2",
        image_pull_policy="Never",
        image_pull_secrets=("x", "y"),
        namespaces=("a", "b"),
        worker_resources={"limits": {"nvidia.com/gpu": 4}},
        sandbox_resources={"limits": {"cpu": "2", "memory": "2Gi"}},
        coordinator_resources={"limits": {"memory": "1Gi"}},
        pod_template_fields=("metadata.labels", "nodeSelector"),
        concurrency=3,
        resync_seconds=60,
        status_interval_seconds=0,
        log_level="DEBUG",
        log_format="text",
    )


def test_one_operator_at_a_time() -> None:
    spec = one(render({}), "Deployment")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > EXIT_SECONDS


def test_services_are_not_read_as_settings() -> None:
    # A Service "cycleqd-operator-metrics" would put CYCLEQD_OPERATOR_METRICS_PORT=tcp://... there.
    found = render(CASES["everything"])
    assert any(
        o["kind"] == "Service"
        and o["metadata"]["name"].upper().replace("-", "_").startswith(PREFIX)
        for o in found
    )
    for item in found:
        pod = item if item["kind"] == "Pod" else item.get("spec", {}).get("template")
        if pod and "containers" in pod.get("spec", {}):
            assert pod["spec"]["enableServiceLinks"] is False


def test_ports_are_where_the_operator_serves() -> None:
    settings, ports = _settings({}), container(render({}))["ports"]
    assert {p["name"]: p["containerPort"] for p in ports} == {
        "health": settings.health_port,
        "metrics": settings.metrics_port,
    }


def test_images_by_tag_and_digest() -> None:
    digest = "sha256:" + "a" * 64
    image = {"repository": "r/operator", "tag": "1", "digest": digest}
    assert container(render({"image": image}))["image"] == f"r/operator:1@{digest}"
    assert container(render({}))["image"] == "cycleqd-operator:0.1.0"
