"""What the Kubernetes client takes to list a namespace's runs, Jobs, pods and ConfigMaps.

    python -m benchmarks.plain_list KUBECONFIG NAMESPACE

The peer of the operator's start: whoever watches these objects lists them first. Pages hold 500
objects, as kubectl's do; objects stay the client's own models, runs plain JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 500


@dataclass(frozen=True)
class PlainList:
    """What a process took that listed all objects once.

    Attributes:
        objects: that it got.
        seconds: from its first line to its last.
        cpu_seconds: its processor time, imports included.
    """

    objects: int
    seconds: float
    cpu_seconds: float


def listed_by_a_process(kubeconfig: Path, namespace: str) -> PlainList:
    """List everything in a process of its own.

    Args:
        kubeconfig: who asks, and where.
        namespace: of the objects.
    """
    command = [sys.executable, "-m", "benchmarks.plain_list", str(kubeconfig), namespace]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return PlainList(**json.loads(done.stdout))


def main() -> None:
    """List, and print what that took."""
    begun = time.perf_counter()
    from kubernetes import client, config

    config.load_kube_config(sys.argv[1])
    namespace = sys.argv[2]
    runs = client.CustomObjectsApi().list_namespaced_custom_object
    calls: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (client.BatchV1Api().list_namespaced_job, (namespace,)),
        (client.CoreV1Api().list_namespaced_pod, (namespace,)),
        (client.CoreV1Api().list_namespaced_config_map, (namespace,)),
        (runs, ("cycleqd.io", "v1alpha1", namespace, "cycleqdruns")),
    )
    kept = [item for call, arguments in calls for item in _all(call, arguments)]
    found = PlainList(
        len(kept),
        round(time.perf_counter() - begun, 2),
        round(time.process_time(), 2),
    )
    json.dump(asdict(found), sys.stdout)


def _all(call: Any, arguments: tuple[str, ...]) -> list[Any]:  # noqa: ANN401 - generated functions
    """Every page of a list."""
    items: list[Any] = []
    token = ""
    while True:
        page = call(*arguments, limit=PAGE, _continue=token)
        plain = isinstance(page, dict)
        items += page["items"] if plain else page.items
        token = page["metadata"].get("continue", "") if plain else page.metadata._continue  # noqa: SLF001
        if not token:
            return items


if __name__ == "__main__":
    main()
