"""Coordinator and worker pods as local processes, as the operator's Jobs would start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cycleqd.contract.progress import PodFailure
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.schema import canonical
from tests.pod.api import NAME, NAMESPACE, ConfigMapServer

ROOT = Path(__file__).resolve().parents[2]
COORDINATE = [sys.executable, "-m", "cycleqd.cli", "pod", "coordinate"]
WORK = [sys.executable, "-m", "tests.pod.synthetic_pod"]
PATIENCE = 150  # seconds until a pod has ended, however busy the machine is


def swap(folder: Path, text: str, generation: int) -> None:
    """A new version of a ConfigMap volume, as the kubelet writes it."""
    version = folder / f"..{generation:04d}_{time.monotonic_ns()}"
    version.mkdir(parents=True)
    (version / "run.json").write_text(text)
    (version / "generation").write_text(str(generation))
    link = folder / "..data_tmp"
    link.symlink_to(version.name)
    link.rename(folder / "..data")
    for name in ("run.json", "generation"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)


@dataclass
class Pods:
    """Pods of one run on this machine.

    Attributes:
        folder: for their files.
        store: URI of the run's folder.
        api: where the coordinator reports to.
    """

    folder: Path
    store: str
    api: ConfigMapServer
    extra: dict[str, str] = field(default_factory=dict)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def manifests(self) -> Path:
        return self.folder / "manifest"

    def apply(self, manifest: Manifest, generation: int = 1) -> None:
        swap(self.manifests, json.dumps(canonical(manifest)), generation)

    def _start(
        self, name: str, command: list[str], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        common = {
            "CYCLEQD_STORE": self.store,
            "CYCLEQD_CACHE": str(self.folder / "scratch"),
            "CYCLEQD_HEALTH_PORT": "0",
            "CYCLEQD_TERMINATION_LOG": str(self.folder / f"{name}.termination"),
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **common, **self.extra, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process

    def coordinate(self, **environment: str) -> subprocess.Popen[bytes]:
        own = {
            "CYCLEQD_MANIFEST": str(self.manifests),
            "CYCLEQD_NAMESPACE": NAMESPACE,
            "CYCLEQD_PROGRESS_CONFIGMAP": NAME,
            "KUBECONFIG": str(self.api.kubeconfig(self.folder / "kubeconfig")),
        }
        return self._start("coordinator", COORDINATE, own | environment)

    def work(self, index: int, workers: int, **environment: str) -> subprocess.Popen[bytes]:
        own = {"JOB_COMPLETION_INDEX": str(index), "CYCLEQD_WORKERS": str(workers)}
        return self._start(f"worker-{index}", WORK, own | environment)

    def generation(self) -> int:
        """The last that was published, -2 before anything was."""
        return self.api.progress.generation if self.api.data else -2

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def failure(self, name: str) -> PodFailure | None:
        path = self.folder / f"{name}.termination"
        return PodFailure.model_validate_json(path.read_text()) if path.exists() else None

    def stop(self) -> None:
        """First politely: a pod's end kills all its processes, here the supervisor has to."""
        living = [process for process in self._started if process.poll() is None]
        for process in living:
            process.terminate()
        for process in living:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)


@contextmanager
def pods_of(folder: Path, store: str, api: ConfigMapServer) -> Iterator[Pods]:
    pods = Pods(folder, store, api)
    (folder / "scratch").mkdir(parents=True, exist_ok=True)
    try:
        yield pods
    finally:
        pods.stop()


def wait_until(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the time limit"
        time.sleep(0.05)
