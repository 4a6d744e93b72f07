"""The control plane of the tests is a real one: it admits, authorises, restarts and keeps data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kubernetes import client

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.base.cluster import Cluster
    from devcluster.base.control_plane import ControlPlane

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]


def test_objects_survive_a_killed_api_server(control_plane: ControlPlane, namespace: str) -> None:
    admin = control_plane.admin
    admin.kubectl("create", "configmap", "kept", "-n", namespace, "--from-literal=a=1")
    control_plane.kill_component("kube-apiserver")
    assert admin.kubectl("get", "cm", "-n", namespace, check=False, timeout=30).returncode != 0
    control_plane.start_component("kube-apiserver")
    kept = admin.get("configmap", "kept", namespace)
    assert kept is not None
    assert kept["data"] == {"a": "1"}


def test_pod_security_is_enforced(cluster: Cluster, namespace: str) -> None:
    run = ["run", "bad", "-n", namespace, "--image=x", "--privileged"]
    done = cluster.kubectl(*run, check=False)
    assert done.returncode != 0
    assert "PodSecurity" in done.stderr


def test_a_service_account_may_do_only_what_it_was_given(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    rule = ["--verb=get", "--resource=configmaps"]
    cluster.kubectl("create", "role", "reader", "-n", namespace, *rule)
    binding = ["--role=reader", f"--serviceaccount={namespace}:reader"]
    cluster.kubectl("create", "rolebinding", "reader", "-n", namespace, *binding)
    reader = cluster.as_service_account(namespace, "reader", tmp_path / "reader")
    found = client.CoreV1Api(reader.api).read_namespaced_config_map(
        "kube-root-ca.crt", namespace, _request_timeout=10
    )
    assert "ca.crt" in found.data
    with pytest.raises(client.ApiException, match="403"):
        client.CoreV1Api(reader.api).list_namespaced_secret(namespace, _request_timeout=10)
