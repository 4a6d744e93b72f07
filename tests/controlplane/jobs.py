"""Small Jobs of plain commands, and looking at their pods."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from devcluster.base.cluster import Cluster, Json

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def job(name: str, program: str, **spec: Any) -> Json:
    """A Job whose container runs a Python program; `spec` has fields of the Job's spec.

    The keys `container` and `pod` are merged into the container and the pod's spec.
    """
    container = {
        "name": "main",
        "image": "played",
        "command": [sys.executable, "-c", program],
        "securityContext": RESTRICTED,
        **spec.pop("container", {}),
    }
    pod = {"restartPolicy": "Never", "containers": [container], **spec.pop("pod", {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, **spec, "template": {"spec": pod}},
    }


def eventually(check: Callable[[], Any], seconds: float = 180) -> Any:
    """The first true value of `check`, asked again and again.

    Each kubectl takes a tenth of a second of a core: what lasts is asked for less often.
    """
    started = time.monotonic()
    while not (found := check()):
        waited = time.monotonic() - started
        assert waited < seconds, f"not in {seconds} s"
        time.sleep(min(SHORTEST_PAUSE + waited / 20, LONGEST_PAUSE))
    return found


def condition_of(object_: Json | None, kind: str) -> str:
    """The status of a condition of an object, empty where it has none."""
    conditions = ((object_ or {}).get("status") or {}).get("conditions") or []
    return next((c["status"] for c in conditions if c["type"] == kind), "")


def ended(cluster: Cluster, namespace: str, name: str) -> Callable[[], str]:
    """Whether a Job is Complete or Failed, and which."""

    def look() -> str:
        found = cluster.get("job", name, namespace)
        return next((k for k in ("Complete", "Failed") if condition_of(found, k) == "True"), "")

    return look


def pods_of(cluster: Cluster, namespace: str, name: str) -> list[Json]:
    """The pods of a Job."""
    return cluster.list("pods", namespace, f"batch.kubernetes.io/job-name={name}")


def terminated(pod: Json) -> Json:
    """How the pod's container ended."""
    state: Json = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state
