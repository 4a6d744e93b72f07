"""Plain requests about one namespace, quick enough for thousands of objects.

The generated client takes seconds to parse 4,000 Jobs; counting needs no object, and following
needs metadata alone.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devcluster.base.cluster import Cluster, Json

ROOTS = {
    "cycleqdruns": "/apis/cycleqd.io/v1alpha1",
    "jobs": "/apis/batch/v1",
    "pods": "/api/v1",
    "configmaps": "/api/v1",
}
ONLY_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
REQUEST_SECONDS = 120.0
CONNECTIONS = 4


class NamespacedApi:
    """Requests of a cluster's administrator.

    Args:
        cluster: as its administrator sees it.
        namespace: the namespace.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._client = cluster.api
        self._namespace = namespace

    def path(self, plural: str) -> str:
        """Path of all objects of a kind."""
        return f"{ROOTS[plural]}/namespaces/{self._namespace}/{plural}"

    def objects(self, plural: str) -> list[Json]:
        """All objects of a kind."""
        found: list[Json] = self._request("GET", self.path(plural))["items"]
        return found

    def listed(self, plural: str, fields: str = "") -> list[Json]:
        """Metadata of all objects of a kind, or of those that a field selector names."""
        path = f"{self.path(plural)}?fieldSelector={fields}"
        found: list[Json] = self._request("GET", path, accept=ONLY_METADATA)["items"]
        return found

    def count(self, plural: str) -> int:
        """How many objects of a kind belong to runs."""
        page = self._request("GET", f"{self.path(plural)}?limit=1")
        total = len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))
        # The root certificate's ConfigMap belongs to nobody.
        return total - 1 if plural == "configmaps" else total

    def patch_all(self, paths: Sequence[str], body: Json) -> None:
        """The same merge patch for many objects, some at a time."""

        def patch(path: str) -> None:
            self._request("PATCH", path, body=body)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(patch, paths))

    def _request(
        self, method: str, path: str, *, body: Json | None = None, accept: str = "application/json"
    ) -> dict[str, Any]:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self._client.call_api(
            method,
            self._client.configuration.host + path,
            header_params={"Accept": accept, "Content-Type": kind},
            body=body,
            _request_timeout=REQUEST_SECONDS,
        )
        answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:300]!r}")
        found: dict[str, Any] = json.loads(answer.data)
        return found
