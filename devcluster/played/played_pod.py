"""One pod as a local process: prepared, started, watched, reported and ended as a kubelet would.

The image is ignored. Where a container gives no command, the image's entry point is taken to be
``cycleqd`` of this Python environment. "The container" is every process whose environment carries
the pod's uid, whatever session or parent it has by now: all of them end with the pod.

Not played: several containers, init containers (generated code runs in the worker's), liveness
probes, restarts, limits, security contexts and network namespaces (pods share the host's network,
so ``CYCLEQD_HEALTH_PORT`` becomes a free port).
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import yaml
from kubernetes import client
from urllib3.exceptions import HTTPError

from cycleqd.contract.pods import TERMINATION_MESSAGE_BYTES
from cycleqd.contract.variables import HEALTH_PORT, SANDBOX, SANDBOX_FILES, TERMINATION_LOG
from devcluster.base.processes import ServerProcess, free_port
from devcluster.played.node_api import condition, timestamp
from devcluster.played.pod_files import TOKEN_FOLDER, PodFiles, expand, localise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devcluster.base.cluster import Json
    from devcluster.played.node_api import NodeApi

ENTRY_POINT = (sys.executable, "-m", "cycleqd.cli")
UID = "POD_PLAYER_UID"
TICK_SECONDS = 0.1
REFRESH_SECONDS = 1.0
RETRY_SECONDS = 1.0
LOG_MESSAGE_BYTES = 2048
# Whatever an API server that is down or starting makes requests fail with.
API_ERRORS = (client.ApiException, HTTPError, OSError)


class PlayedPod:
    """A pod from its binding to its end, in a thread of its own.

    Attributes:
        pod: the object as last seen.
        folder: its volumes, its log, its termination message.
        port: where its health server really listens.
        process: once started.
    """

    def __init__(
        self,
        api: NodeApi,
        pod: Json,
        folder: Path,
        variables: Mapping[str, str],
        absent_images: frozenset[str],
    ) -> None:
        self.api = api
        self.pod = pod
        self.folder = folder
        self.port = free_port()
        self.process: ServerProcess | None = None
        self.log = folder / "log"
        self._variables = dict(variables)
        self._absent_images = absent_images
        self._files = PodFiles(api, pod, folder / "volumes")
        self._container: Json = pod["spec"]["containers"][0]
        self._gone = threading.Event()
        self._crashed = threading.Event()
        self._reported: Json = {}
        self._started = timestamp()
        folder.mkdir(parents=True, exist_ok=True)
        self.thread = threading.Thread(target=self._run, name=pod["metadata"]["name"], daemon=True)

    def see(self, pod: Json) -> None:
        """Take note of a newer version of the object."""
        self.pod = pod

    def forget(self) -> None:
        """The object is gone: end its processes without a word."""
        self._gone.set()

    def crash(self) -> None:
        """The node is lost: end its processes at once and never report again."""
        self._crashed.set()
        self._gone.set()
        self.kill()

    def kill(self) -> None:
        """SIGKILL to every process of the container."""
        for process in processes_of(self.pod["metadata"]["uid"]):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def report_again(self) -> None:
        """Repeat the last report: the controllers have overruled it meanwhile."""
        self._reported = {}

    @property
    def deleted(self) -> bool:
        """Whether somebody has asked for the pod's end."""
        return "deletionTimestamp" in self.pod["metadata"]

    def _run(self) -> None:
        try:
            if self._prepare():
                status = self._play()
                while not self._gone.is_set() and not self._report(status):
                    self._gone.wait(RETRY_SECONDS)
        finally:
            self.kill()
            if self.process is not None:
                self.process.kill()
        while not self._gone.wait(TICK_SECONDS):
            if self.deleted:
                self._try(lambda: self.api.delete_pod(self.pod))
                self._gone.wait(RETRY_SECONDS)

    def _prepare(self) -> bool:
        """Make volumes and start the process, again and again until it works or is not wanted."""
        while not self.deleted and not self._gone.is_set():
            try:
                if self._container.get("image") in self._absent_images:
                    self._report_waiting("ImagePullBackOff", "Back-off pulling image: not found")
                else:
                    self._files.refresh()
                    self._start()
                    return True
            except API_ERRORS as error:
                reason = "CreateContainerConfigError" if _is_absent(error) else "ContainerCreating"
                self._report_waiting(reason, _first_line(error))
            except (KeyError, ValueError) as error:
                self._report_waiting("CreateContainerConfigError", str(error))
            self._gone.wait(RETRY_SECONDS)
        return False

    def _start(self) -> None:
        mounts = self._files.mounts(self._container)
        own = self._files.environment(self._container)
        variables = self._variables | {n: localise(v, mounts) for n, v in own.items()}
        variables[UID] = self.pod["metadata"]["uid"]
        variables[TERMINATION_LOG] = str(self.folder / "termination-log")
        for name in (SANDBOX, SANDBOX_FILES):
            variables.pop(name, None)
        if HEALTH_PORT in variables:
            variables[HEALTH_PORT] = str(self.port)
        if "/tmp" in mounts:
            variables["TMPDIR"] = str(mounts["/tmp"])
        if TOKEN_FOLDER in mounts:
            variables["KUBECONFIG"] = str(self._write_kubeconfig(mounts[TOKEN_FOLDER]))
        given = self._container.get("command", []) + self._container.get("args", [])
        words = [localise(expand(word, own), mounts) for word in given]
        # A path of this machine, which may lie below a path that the container mounts.
        entry_point = () if "command" in self._container else ENTRY_POINT
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        self.process = ServerProcess(
            [*entry_point, *words],
            variables,
            self.log,
            cwd=work,
        )

    def _write_kubeconfig(self, token_folder: Path) -> Path:
        """In-cluster configuration needs the pod's own network; a kubeconfig gives the same."""
        server, _ = self.api.cluster.endpoint
        authority = str(token_folder / "ca.crt")
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": server, "certificate-authority": authority}}
            ],
            "users": [{"name": "u", "user": {"tokenFile": str(token_folder / "token")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        path = self.folder / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path

    def _play(self) -> Json:
        """Watch the process until it ends; returns the pod's last status."""
        process = self.process
        assert process is not None
        begun = timestamp()
        ready = False
        refreshed = time.monotonic()
        kill_at: float | None = None
        while process.running and not self._gone.is_set():
            ready = ready or self._answers()
            self._report(self._running_status(begun, ready=ready))
            if time.monotonic() - refreshed > REFRESH_SECONDS:
                self._try(self._files.refresh)
                refreshed = time.monotonic()
            if self.deleted and kill_at is None:
                process.process.terminate()
                grace = self.pod["metadata"].get("deletionGracePeriodSeconds", 30)
                kill_at = time.monotonic() + grace
            if kill_at is not None and time.monotonic() > kill_at:
                self.kill()
            self._gone.wait(TICK_SECONDS)
        if self._gone.is_set():
            return {}
        code = process.process.wait(5)
        return self._ended_status(begun, 128 - code if code < 0 else code)

    def _answers(self) -> bool:
        """Whether the container is ready by its readiness probe or, without one, its startup."""
        probe = self._container.get("readinessProbe") or self._container.get("startupProbe")
        if not probe or "httpGet" not in probe:
            return True
        url = f"http://127.0.0.1:{self.port}{probe['httpGet'].get('path', '/')}"
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return int(answer.status) == 200
        except OSError:
            return False

    def _report_waiting(self, reason: str, message: str) -> None:
        state = {"waiting": {"reason": reason, "message": message}}
        self._report(self._status("Pending", state, ready=False))

    def _running_status(self, begun: str, *, ready: bool) -> Json:
        return self._status("Running", {"running": {"startedAt": begun}}, ready=ready)

    def _ended_status(self, begun: str, code: int) -> Json:
        ended = {"exitCode": code, "reason": "Error" if code else "Completed"}
        ended |= {"startedAt": begun, "finishedAt": timestamp(), "message": self._message(code)}
        phase = "Failed" if code else "Succeeded"
        return self._status(phase, {"terminated": ended}, ready=False)

    def _message(self, code: int) -> str:
        """The termination message, or the log's end where the pod asks for that."""
        written = self.folder / "termination-log"
        if written.exists() and (content := written.read_bytes()):
            return content[:TERMINATION_MESSAGE_BYTES].decode(errors="replace")
        if code and self._container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return self.log.read_bytes()[-LOG_MESSAGE_BYTES:].decode(errors="replace")
        return ""

    def _status(self, phase: str, state: Json, *, ready: bool) -> Json:
        container = {
            "name": self._container["name"],
            "image": self._container.get("image", ""),
            "imageID": "",
            "ready": ready,
            "started": "running" in state,
            "restartCount": 0,
            "state": state,
        }
        reason = "" if ready else "ContainersNotReady"
        return {
            "phase": phase,
            "startTime": self._started,
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}],
            "containerStatuses": [container],
            "conditions": [
                condition("Initialized", holds=True),
                condition("Ready", holds=ready, reason=reason),
                condition("ContainersReady", holds=ready, reason=reason),
            ],
        }

    def _report(self, status: Json) -> bool:
        """Tell the API server, unless it was told the same; whether it knows by now."""
        if self._crashed.is_set():
            return False
        told = status.get("containerStatuses")
        if self._reported == told:
            return True
        if self._try(lambda: self.api.patch_pod_status(self.pod, status)):
            self._reported = told or {}
            return True
        return False

    def _try(self, action: Callable[[], None]) -> bool:
        """Ask the API server for something that is tried again later when it fails."""
        try:
            action()
        except API_ERRORS as error:
            return _is_absent(error)
        return True


def processes_of(uid: str) -> list[psutil.Process]:
    """Every process of a pod, by the variable that they inherit."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(UID) == uid:
                found.append(process)
    return found


def _is_absent(error: BaseException) -> bool:
    return getattr(error, "status", None) == 404


def _first_line(error: BaseException) -> str:
    body = getattr(error, "body", None)
    return str(yaml.safe_load(body).get("message", error)) if body else str(error).split("\n")[0]
