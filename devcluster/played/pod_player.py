"""A node whose pods are local processes: the kubelet of end-to-end tests, without root or images.

It registers a Node with any capacity, renews its Lease, and plays every pod that the scheduler
binds to it (`played_pod`). It can be lost like a machine that loses its power: processes end, and
nothing is ever heard of the node again.

    with PodPlayer(plane, "node-a", folder, capacity={"nvidia.com/gpu": "2"}):
        plane.admin.apply(job)
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Self

from kubernetes import client

from devcluster.played.node_api import REQUEST_SECONDS, NodeApi
from devcluster.played.played_pod import API_ERRORS, PlayedPod

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from devcluster.base.control_plane import ControlPlane

CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "50", "ephemeral-storage": "500Gi"}
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 3.0
END_SECONDS = 20.0


class PodPlayer:
    """One node; a context manager that starts it and leaves nothing behind.

    Attributes:
        name: of the node.
        folder: of its pods' folders, ``<namespace>_<pod>_<uid>/``, each with the pod's ``log``.

    Args:
        plane: the control plane.
        name: of the node.
        folder: is made.
        capacity: added to `CAPACITY`.
        variables: environment of every pod besides its own, such as ``OMP_NUM_THREADS``.
        absent_images: images that cannot be pulled.
    """

    def __init__(
        self,
        plane: ControlPlane,
        name: str,
        folder: Path,
        *,
        capacity: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        absent_images: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.folder = folder
        self._admin = plane.admin
        self._api = NodeApi(plane.as_user(f"system:node:{name}", ["system:nodes"]), name)
        self._capacity = CAPACITY | dict(capacity or {})
        self._variables = {"PATH": os.environ["PATH"], **(variables or {})}
        self._absent_images = frozenset(absent_images)
        self._pods: dict[str, PlayedPod] = {}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow_pods, name=f"{name}-pods", daemon=True),
            threading.Thread(target=self._beat, name=f"{name}-heartbeat", daemon=True),
        ]

    def start(self) -> Self:
        """Register the node and begin to play its pods."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._api.register(self._capacity)
        for thread in self._threads:
            thread.start()
        return self

    __enter__ = start

    def __exit__(self, *error: object) -> None:
        self.stop()

    def pods(self) -> list[PlayedPod]:
        """The pods that are bound to the node, ended ones included."""
        return list(self._pods.values())

    def pod(self, namespace: str, name: str) -> PlayedPod:
        """One pod.

        Raises:
            KeyError: there is none of that name on this node.
        """
        for played in self.pods():
            metadata = played.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                return played
        raise KeyError(f"no pod {namespace}/{name} on {self.name}")

    def lose(self) -> None:
        """Lose the node: no process, no heartbeat, no word about its pods from now on."""
        self._ended.set()
        for played in self.pods():
            played.crash()
        self._join()
        # A pod that was being prepared meanwhile has a process by now.
        for played in self.pods():
            played.crash()

    def stop(self) -> None:
        """End its pods' processes and remove pods and node from the API server."""
        self.lose()
        core = client.CoreV1Api(self._admin.api)
        with contextlib.suppress(*API_ERRORS):
            for pod in self._api.pods():
                self._api.delete_pod(pod)
        with contextlib.suppress(*API_ERRORS):
            core.delete_node(self.name, _request_timeout=REQUEST_SECONDS)

    def _join(self) -> None:
        for thread in [*self._threads, *(played.thread for played in self.pods())]:
            if thread.is_alive():
                thread.join(END_SECONDS)

    def _follow_pods(self) -> None:
        """Look at the node's pods again and again: unlike a watch, that survives any outage."""
        while not self._ended.wait(POLL_SECONDS):
            try:
                seen = {pod["metadata"]["uid"]: pod for pod in self._api.pods()}
            except API_ERRORS:
                continue
            for uid, pod in seen.items():
                if uid in self._pods:
                    self._pods[uid].see(pod)
                elif not self._ended.is_set():
                    metadata = pod["metadata"]
                    name = f"{metadata['namespace']}_{metadata['name']}_{uid[:8]}"
                    self._pods[uid] = PlayedPod(
                        self._api, pod, self.folder / name, self._variables, self._absent_images
                    )
                    self._pods[uid].thread.start()
            for uid in set(self._pods) - set(seen):
                self._pods.pop(uid).forget()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(*API_ERRORS):
                if self._api.heartbeat():
                    for played in self.pods():
                        played.report_again()
