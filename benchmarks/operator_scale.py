"""The operator under load: 200 runs with 4,000 Jobs on 100 simulated nodes of 8 GPUs.

    .venv/bin/python benchmarks/operator_scale.py [--runs 200] [--depth 19] [--nodes 100]

A real control plane, kwok for the nodes, the operator as a process with its own ServiceAccount. The
runs are of mode Generation with many open stages, one Job each; this script plays their
coordinators by patching the progress ConfigMaps. It prints how the operator starts anew beside all
these objects, what the Kubernetes client takes to list them (`benchmarks.plain_list`), what memory
it takes, what it writes per generation (by its own count and by the API server's audit log) and how
large a status is. Times depend on the machine; writes do not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.namespaced_api import NamespacedApi
from benchmarks.operator_load import Load, Measured, Start
from benchmarks.plain_list import listed_by_a_process
from devcluster.base.control_plane import ControlPlane, ControlPlaneSettings
from devcluster.played.kwok import END, EXIT_CODE, Kwok
from devcluster.played.operator_process import ACCOUNT, TERM_SECONDS, OperatorProcess, grant
from tests.controller.runs import evolving, progress_patch, run_document
from tests.servers.kubernetes import CRD

from cycleqd.contract.progress import Progress
from cycleqd_operator.kube.names import COMPONENT_LABEL, progress_config_map

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from devcluster.base.control_plane import Component

NAMESPACE = "scale"
WAIT_SECONDS = 900.0
MEBIBYTE = 2**20
WRITING = {"create", "patch", "update", "delete", "deletecollection"}
REVIEWS = "selfsubjectaccessreviews"


def measure(load: Load, folder: Path, say: Callable[[str], None] = print) -> Measured:
    """Simulate a load on a control plane of its own.

    Args:
        load: how much.
        folder: an empty folder for data and logs.
        say: told about the progress.
    """
    audit = folder / "audit.log"
    plane = ControlPlane(folder / "plane", ControlPlaneSettings(flags=_flags(folder, audit)))
    plane.start()
    try:
        plane.admin.apply_crds(CRD)
        plane.admin.make_namespace(NAMESPACE)
        kubeconfig = grant(plane.admin, NAMESPACE, folder / "operator.kubeconfig")
        with Kwok(plane.admin, folder / "kwok", load.nodes) as kwok:
            operator = OperatorProcess(kubeconfig, folder, NAMESPACES=NAMESPACE)
            with operator:
                operator.wait_until_ready()
                return Simulation(load, kwok, operator, audit, say).run()
    finally:
        plane.stop()


class Simulation:
    """Plays the coordinators and looks at what the operator does."""

    def __init__(
        self,
        load: Load,
        kwok: Kwok,
        operator: OperatorProcess,
        audit: Path,
        say: Callable[[str], None],
    ) -> None:
        self.load = load
        self.kwok = kwok
        self.admin = kwok.cluster
        self.api = NamespacedApi(kwok.cluster, NAMESPACE)
        self.operator = operator
        self.audit = audit
        self.say = say
        self.names = [f"run-{number:03}" for number in range(load.runs)]
        self.peak = 0.0

    def run(self) -> Measured:
        """All of it, in order."""
        started = time.monotonic()
        self.create_runs()
        self.until("progress pages", lambda: self.api.count("configmaps") >= 2 * self.load.runs)
        self.report(0)
        self.until("Jobs", lambda: self.api.count("jobs") == self.load.jobs)
        fill_seconds = time.monotonic() - started
        self.say(f"{self.load.jobs} Jobs after {fill_seconds:.0f} s")
        self.until("pods", self.pods_are_there)
        self.quieten()
        pods = self.api.count("pods")

        start = self.restart()
        memory = self.memory()

        self.quieten()
        writes, audited = self.operator.writes(), self.audited_writes()
        passed: list[float] = []
        for generation in range(1, self.load.generations + 1):
            before = time.monotonic()
            self.report(generation)
            self.until(f"generation {generation}", lambda g=generation: self.is_at(g))  # type: ignore[misc]
            passed.append(time.monotonic() - before)
        self.quieten()
        audited = self.audited_writes() - audited
        by_kind = {
            what: count - writes.get(what, 0.0)
            for what, count in sorted(self.operator.writes().items())
            if count != writes.get(what, 0.0)
        }
        total = self.load.runs * self.load.generations
        sizes = [len(json.dumps(run.get("status", {}))) for run in self.api.objects("cycleqdruns")]
        jobs = self.api.count("jobs")
        return Measured(
            jobs=jobs,
            pods=pods,
            fill_seconds=round(fill_seconds, 1),
            start=start,
            memory_mib=round(memory, 1),
            writes_per_generation=round(sum(by_kind.values()) / total, 2),
            audited_writes_per_generation=round(audited / total, 2),
            writes_by_kind=by_kind,
            generation_seconds=round(max(passed), 1),
            status_bytes=max(sizes),
            lost_runs=self.finish(),
            peak_memory_mib=round(self.peak, 1),
        )

    def create_runs(self) -> None:
        """Apply all runs."""
        mode = "Generation" if self.load.depth else "Pool"
        workers = {"mode": mode, "replicas": 1 if self.load.depth else 2}
        evolution = {"generations": 1000, "pipelineDepth": self.load.depth or 2}
        documents = [
            run_document(name, NAMESPACE, workers=workers, evolution=evolution)
            for name in self.names
        ]
        for start in range(0, len(documents), 50):
            self.admin.apply(*documents[start : start + 50])

    def report(self, generation: int) -> None:
        """Patch every progress page, as the coordinators would."""
        progress = evolving(
            generation, depth=self.load.depth or 2, entries=(self.load.depth and 1) or 8, total=1000
        )
        self.patch_pages(progress)

    def patch_pages(self, progress: Progress) -> None:
        """One patch for each run."""
        body = json.loads(progress_patch(progress))
        self.api.patch_all(
            [f"{self.api.path('configmaps')}/{progress_config_map(name)}" for name in self.names],
            body,
        )

    def is_at(self, generation: int) -> bool:
        """Whether every status and every Job is that of a generation."""
        if any(
            run.get("status", {}).get("generation") != generation
            for run in self.api.objects("cycleqdruns")
        ):
            return False
        if not self.load.depth:
            return True
        newest = f"-workers-g{generation + self.load.depth:06}"
        names = [job["metadata"]["name"] for job in self.api.listed("jobs")]
        return len(names) == self.load.jobs and (
            sum(name.endswith(newest) for name in names) == self.load.runs
        )

    def pods_are_there(self) -> bool:
        """Whether each Job has its pods, and all run that find a place."""
        if self.api.count("pods") < self.load.runs + self.load.workers:
            return False
        return len(self.api.listed("pods", "status.phase=Running")) >= self.load.running

    def restart(self) -> Start:
        """Stop the operator and start it anew beside all that is there."""
        self.peak = max(self.peak, self.memory())
        before = self.statuses()
        self.operator.server.stop(TERM_SECONDS)
        self.operator.server.restart()
        self.operator.wait_until_ready()
        times = psutil.Process(self.operator.server.process.pid).cpu_times()
        looks = "cycleqd_operator_reconciles_total"
        self.until("looks", lambda: self.operator.metric(looks) >= self.load.runs)
        settled = time.time()
        began = self.operator.metric("process_start_time_seconds")
        first = self.operator.metric("cycleqd_operator_first_reconcile_timestamp_seconds")
        self.say(f"first look {first - began:.2f} s after the start")
        peer = listed_by_a_process(self.admin.kubeconfig, NAMESPACE)
        return Start(
            start_seconds=round(first - began, 2),
            start_cpu_seconds=round(times.user + times.system, 2),
            peer_seconds=peer.seconds,
            peer_cpu_seconds=peer.cpu_seconds,
            settle_seconds=round(settled - first, 2),
            settle_writes=sum(self.operator.writes().values()),
            settle_changes=tuple(
                f"{name}: {before.get(name)} -> {status}"
                for name, status in self.statuses().items()
                if status != before.get(name)
            ),
        )

    def statuses(self) -> dict[str, str]:
        """The status of each run, as JSON."""
        return {
            run["metadata"]["name"]: json.dumps(run.get("status"), sort_keys=True)
            for run in self.api.objects("cycleqdruns")
        }

    def finish(self) -> int:
        """Let every run complete; how many did not."""
        done = evolving(999, depth=0, total=1000).model_copy(update={"phase": "Complete"})
        self.patch_pages(done)
        # A coordinator ends once it has reported this.
        marks = {"metadata": {"annotations": {END: "Succeeded", EXIT_CODE: "0"}}}
        pods = [pod["metadata"] for pod in self.api.listed("pods")]
        coordinators = [
            pod["name"] for pod in pods if pod["labels"][COMPONENT_LABEL] == "coordinator"
        ]
        self.api.patch_all([f"{self.api.path('pods')}/{name}" for name in coordinators], marks)

        def incomplete() -> list[dict[str, Any]]:
            return [run for run in self.api.objects("cycleqdruns") if not _is_complete(run)]

        try:
            self.until("completion", lambda: not incomplete())
        except TimeoutError:
            return len(incomplete())
        return 0

    def quieten(self) -> None:
        """Wait until the operator has written nothing for `Load.quiet_seconds`."""
        last, since = -1.0, time.monotonic()
        limit = since + WAIT_SECONDS
        while time.monotonic() - since < self.load.quiet_seconds:
            now = sum(self.operator.writes().values())
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() > limit:
                raise TimeoutError("the operator never stops writing")
            self.peak = max(self.peak, self.memory())
            time.sleep(1)

    def until(self, what: str, check: Callable[[], bool]) -> None:
        """Wait for something, with a time limit."""
        limit = time.monotonic() + WAIT_SECONDS
        while not check():
            self.peak = max(self.peak, self.memory())
            if time.monotonic() > limit:
                raise TimeoutError(f"no {what} in {WAIT_SECONDS} s\n{self.operator.server.tail()}")
            time.sleep(1)

    def memory(self) -> float:
        """Resident MiB of the operator."""
        resident: int = psutil.Process(self.operator.server.process.pid).memory_info().rss
        return resident / MEBIBYTE

    def audited_writes(self) -> float:
        """Writes of the operator so far, as the API server saw them."""
        count = 0
        with self.audit.open() as lines:
            for line in lines:
                entry = json.loads(line)
                writes = entry["verb"] in WRITING
                if writes and entry.get("objectRef", {}).get("resource") != REVIEWS:
                    count += 1
        return count


def _is_complete(run: dict[str, Any]) -> bool:
    conditions = run.get("status", {}).get("conditions", [])
    return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)


def _flags(folder: Path, log: Path) -> Mapping[Component, Sequence[str]]:
    """An audit log of every request of the operator, and a Job controller in no one's way."""
    policy = folder / "audit-policy.json"
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    rules = [
        {"level": "Metadata", "users": [user], "omitStages": ["RequestReceived"]},
        {"level": "None"},
    ]
    document = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
    policy.write_text(json.dumps(document))
    return {
        "kube-apiserver": [f"--audit-policy-file={policy}", f"--audit-log-path={log}"],
        "kube-controller-manager": ["--concurrent-job-syncs=20"],
    }


def main() -> None:
    """Print what one load measures."""
    parser = argparse.ArgumentParser(description="Measure the operator under a simulated load.")
    for name, default in asdict(Load()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    load = Load(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="operator-scale-") as folder:
        measured = measure(load, Path(folder))
    for name, value in asdict(measured).items():
        print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
