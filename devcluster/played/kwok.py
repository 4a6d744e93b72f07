"""Fake nodes whose pods only seem to run, by the hundred: for tests of scale.

kwok watches the API server and writes what a kubelet would write, by the rules of
``kwok_stages.yaml``: pods of these nodes run until they are deleted or told to end by `end_pods`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from devcluster.base.binaries import binary
from devcluster.base.processes import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devcluster.base.cluster import Cluster

STAGES = Path(__file__).with_name("kwok_stages.yaml")
ANNOTATION = "kwok.x-k8s.io/node"
END = "played.cycleqd.io/end"
EXIT_CODE = "played.cycleqd.io/exit-code"
CAPACITY = {"cpu": "128", "memory": "1Ti", "pods": "500", "ephemeral-storage": "4Ti"}
GPUS = {"nvidia.com/gpu": "8"}
READY_SECONDS = 120


class Kwok:
    """The kwok process of one cluster and its nodes; a context manager.

    Args:
        cluster: as its administrator sees it.
        folder: for the log; is made.
        nodes: how many.
        capacity: of each, added to `CAPACITY`.
    """

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        nodes: int,
        capacity: Mapping[str, str] | None = None,
    ) -> None:
        self.cluster = cluster
        self.names = [f"fake-{number:03}" for number in range(nodes)]
        self._folder = folder
        self._capacity = CAPACITY | dict(GPUS if capacity is None else capacity)
        self._process: ServerProcess | None = None

    def start(self) -> Self:
        """Make the nodes and wait until all are ready.

        Raises:
            RuntimeError: they were not in time; the message ends with kwok's log.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self.cluster.apply(*(self._node(name) for name in self.names))
        self._process = ServerProcess(
            [
                binary("kwok"),
                f"--kubeconfig={self.cluster.kubeconfig}",
                "--manage-all-nodes=false",
                f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
                f"--config={STAGES}",
                "--node-lease-duration-seconds=40",
            ],
            {"PATH": os.environ["PATH"], "HOME": str(self._folder)},
            self._folder / "kwok.log",
        )
        try:
            self._process.wait_until(self._ready, READY_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    __enter__ = start

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Remove the nodes and end kwok; pods of the nodes are forgotten with them."""
        if self._process is not None:
            self._process.stop()
        names = [name for name in self.names if self._process]
        self.cluster.kubectl("delete", "node", *names, "--ignore-not-found", "--wait=false")

    def end_pods(
        self,
        namespace: str,
        selector: str,
        phase: Literal["Succeeded", "Failed"] = "Succeeded",
        exit_code: int = 0,
    ) -> None:
        """Let the running pods that match a label selector end."""
        marks = [f"{END}={phase}", f"{EXIT_CODE}={exit_code}", "--overwrite"]
        running = ["-n", namespace, "-l", selector, "--field-selector", "status.phase=Running"]
        self.cluster.kubectl("annotate", "pods", *running, *marks)

    def _node(self, name: str) -> dict[str, object]:
        labels = {"kubernetes.io/hostname": name, "type": "kwok"}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "annotations": {ANNOTATION: "fake"}, "labels": labels},
            "status": {"capacity": self._capacity, "allocatable": self._capacity},
        }

    def _ready(self) -> bool:
        nodes = json.loads(self.cluster.kubectl("get", "nodes", "-o", "json").stdout)["items"]
        ready = {
            node["metadata"]["name"]
            for node in nodes
            for condition in node["status"].get("conditions", [])
            if condition["type"] == "Ready" and condition["status"] == "True"
        }
        return ready.issuperset(self.names)
