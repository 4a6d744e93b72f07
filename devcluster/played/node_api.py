"""What a node says to the API server, as plain JSON objects and with a time limit on each request.

The identity is that of a kubelet, so the Node authorizer and NodeRestriction hold: a node reads the
ConfigMaps and Secrets of its own pods only, and changes only itself and them.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from kubernetes import client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devcluster.base.cluster import Cluster, Json

REQUEST_SECONDS = 10
LEASES = "kube-node-lease"
# The client's default would replace lists, and a kubelet merges conditions by their type.
MERGE = "application/strategic-merge-patch+json"


class NodeApi:
    """Requests of one node.

    Args:
        cluster: as the user ``system:node:NAME`` sees it.
        name: the node's.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self.cluster = cluster
        self._core = client.CoreV1Api(cluster.api)
        self._leases = client.CoordinationV1Api(cluster.api)

    def register(self, capacity: Mapping[str, str]) -> None:
        """Create the Node object, Ready and with this capacity."""
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux"}
        metadata = {"name": self.name, "labels": labels}
        try:
            self._core.create_node(
                {"kind": "Node", "metadata": metadata}, _request_timeout=REQUEST_SECONDS
            )
        except client.ApiException as error:
            if error.status != 409:
                raise
        self._patch_node({"capacity": dict(capacity), "allocatable": dict(capacity)})
        self.heartbeat()

    def heartbeat(self) -> bool:
        """Renew the node's Lease, and its Ready condition where that was lost.

        Returns:
            Whether it was lost: the controllers have then marked the node's pods as not ready.
        """
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": now}
        body = {"metadata": {"name": self.name}, "spec": spec}
        try:
            self._leases.patch_namespaced_lease(
                self.name, LEASES, {"spec": spec}, _request_timeout=REQUEST_SECONDS
            )
        except client.ApiException as error:
            if error.status != 404:
                raise
            self._leases.create_namespaced_lease(LEASES, body, _request_timeout=REQUEST_SECONDS)
        node = self._read(self._core.read_node, self.name)
        conditions = node["status"].get("conditions", [])
        if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            return False
        self._patch_node({"conditions": [condition("Ready", holds=True, reason="PodPlayerReady")]})
        return True

    def pods(self) -> list[Json]:
        """All pods that are bound to the node."""
        items: list[Json] = self._read(
            self._core.list_pod_for_all_namespaces, field_selector=f"spec.nodeName={self.name}"
        )["items"]
        return items

    def config_map(self, namespace: str, name: str) -> Json:
        """One ConfigMap."""
        return self._read(self._core.read_namespaced_config_map, name, namespace)

    def secret(self, namespace: str, name: str) -> Json:
        """One Secret."""
        return self._read(self._core.read_namespaced_secret, name, namespace)

    def token(self, pod: Json, seconds: int) -> str:
        """A token of the pod's ServiceAccount that ends with the pod."""
        metadata = pod["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod"}
        bound |= {"name": metadata["name"], "uid": metadata["uid"]}
        answer = self._core.create_namespaced_service_account_token(
            pod["spec"]["serviceAccountName"],
            metadata["namespace"],
            {"spec": {"expirationSeconds": seconds, "boundObjectRef": bound}},
            _request_timeout=REQUEST_SECONDS,
        )
        return str(answer.status.token)

    def patch_pod_status(self, pod: Json, status: Json) -> None:
        """Merge into a pod's status; the uid keeps it from a successor of the same name."""
        metadata = pod["metadata"]
        self._core.patch_namespaced_pod_status(
            metadata["name"],
            metadata["namespace"],
            {"metadata": {"uid": metadata["uid"]}, "status": status},
            _content_type=MERGE,
            _request_timeout=REQUEST_SECONDS,
        )

    def delete_pod(self, pod: Json) -> None:
        """Tell the API server that nothing of a pod runs any more."""
        metadata = pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        try:
            self._core.delete_namespaced_pod(
                metadata["name"], metadata["namespace"], body=body, _request_timeout=REQUEST_SECONDS
            )
        except client.ApiException as error:
            if error.status not in {404, 409}:
                raise

    def _patch_node(self, status: Json) -> None:
        self._core.patch_node_status(
            self.name, {"status": status}, _content_type=MERGE, _request_timeout=REQUEST_SECONDS
        )

    def _read(self, call: Any, *arguments: str, **keywords: str) -> Json:  # noqa: ANN401
        answer = call(
            *arguments, **keywords, _preload_content=False, _request_timeout=REQUEST_SECONDS
        )
        found: Json = json.loads(answer.data)
        return found


def condition(kind: str, *, holds: bool, reason: str = "", message: str = "") -> Json:
    """A condition as a kubelet writes it."""
    now = timestamp()
    return {
        "type": kind,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }


def timestamp() -> str:
    """Now, as the API writes times."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
