"""A cluster in memory: enough of the API server and of the Job controller to decide against.

Time is a number that only the test moves. Jobs get pods, pods start and end as the test says, and
what `reconcile` decides is carried out as the controller would: actions first, then the status.
That real Jobs behave so is shown by the tests of the control plane.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from cycleqd.contract.config_maps import PROGRESS
from cycleqd.contract.progress import OpenStage, Progress
from cycleqd_operator.api.status import Condition, RunStatus
from cycleqd_operator.decision.observed import Observed
from cycleqd_operator.decision.reconcile import reconcile
from cycleqd_operator.kube.actions import Create, Decision, Delete, Event, Patch
from cycleqd_operator.kube.objects import Json, format_time, owner_uid
from cycleqd_operator.settings import Settings

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_run(name: str = "demo", **spec: object) -> Json:
    """A CycleQDRun as the API server returns it; fields of the spec are replaced."""
    task = {
        "name": "sql",
        "type": "sql",
        "items": {"search": "s3://bucket/search.jsonl", "test": "s3://bucket/test.jsonl"},
    }
    return {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {
            "name": name,
            "namespace": "lab",
            "uid": f"uid-{name}",
            "generation": 1,
            "creationTimestamp": format_time(START),
        },
        "spec": {
            "base": {"uri": "s3://bucket/base"},
            "experts": [{"name": "sql", "uri": "s3://bucket/sql"}],
            "tasks": [task],
            "evolution": {"generations": 10, "candidatesPerGeneration": 4},
            "storage": {"uri": "s3://bucket/runs"},
            "workers": {"replicas": 2},
        }
        | spec,
    }


def merge(target: Json, patch: Json) -> Json:
    """RFC 7386."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged


class World:
    """One run and its namespace.

    Attributes:
        run: the CycleQDRun, None once deleted.
        objects: everything else, by kind and name.
        events: what the operator told.
        writes: requests of the operator that write, by verb and kind.
    """

    def __init__(self, run: Json | None = None, settings: Settings | None = None) -> None:
        self.run: Json | None = run or make_run()
        self.settings = settings or Settings()
        self.now = START
        self.objects: dict[tuple[str, str], Json] = {}
        self.events: list[Event] = []
        self.writes: Counter[str] = Counter()
        self.refused: dict[str, str] = {}
        self._uids = itertools.count(1)

    # What a test asks

    def of(self, kind: str) -> dict[str, Json]:
        """Objects of a kind by name."""
        return {name: obj for (k, name), obj in self.objects.items() if k == kind}

    @property
    def jobs(self) -> dict[str, Json]:
        return self.of("Job")

    @property
    def pods(self) -> dict[str, Json]:
        return self.of("Pod")

    @property
    def active_jobs(self) -> set[str]:
        """Jobs that may have pods."""
        return {
            name
            for name, job in self.jobs.items()
            if not job["spec"].get("suspend") and not self._finished(job)
        }

    @property
    def status(self) -> RunStatus:
        assert self.run is not None
        return RunStatus.model_validate(self.run.get("status") or {})

    def condition(self, type_: str) -> Condition:
        return next(c for c in self.status.conditions if c.type == type_)

    @property
    def state(self) -> str:
        """The reason of Progressing."""
        return self.condition("Progressing").reason

    @property
    def told(self) -> list[str]:
        """Reasons of the events so far."""
        return [event.reason for event in self.events]

    def pods_of(self, job: str) -> list[str]:
        uid = self.jobs[job]["metadata"]["uid"]
        return [name for name, pod in self.pods.items() if owner_uid(pod) == uid]

    def running(self, job: str) -> list[str]:
        return [n for n in self.pods_of(job) if self.pods[n]["status"]["phase"] != "Failed"]

    # The operator

    def observed(self) -> Observed:
        assert self.run is not None
        return Observed(
            json.loads(json.dumps(self.run)),
            self.jobs,
            self.pods,
            self.of("ConfigMap"),
            dict(self.refused),
        )

    def decide(self) -> Decision:
        return reconcile(self.observed(), self.settings, self.now)

    def carry_out(self, decision: Decision) -> None:
        """Actions, then the status where it changed, then the events."""
        for action in decision.actions:
            match action:
                case Create(manifest):
                    self.writes[f"create {manifest['kind']}"] += 1
                    self.create(manifest)
                case Patch(kind, name, body):
                    self.writes[f"patch {kind}"] += 1
                    if (kind, name) in self.objects:
                        self.objects[kind, name] = merge(self.objects[kind, name], body)
                case Delete(kind, name, uid):
                    self.writes[f"delete {kind}"] += 1
                    self.delete(kind, name, uid)
        if self.run is None:
            return
        status = decision.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        if status != self.run.get("status"):
            self.writes["patch status"] += 1
            self.run["status"] = status
            self.events += decision.events

    def look(self) -> Decision:
        """The operator looks once."""
        decision = self.decide()
        self.carry_out(decision)
        return decision

    def settle(self, looks: int = 12) -> Decision:
        """The operator looks, and the cluster reacts, until nothing changes any more."""
        for _ in range(looks):
            before = json.dumps([self.run, [*self.objects.values()]], sort_keys=True)
            decision = self.look()
            self.react()
            if self.run is None or before == json.dumps(
                [self.run, [*self.objects.values()]], sort_keys=True
            ):
                return decision
        raise AssertionError(f"not settled after {looks} looks: {decision}")

    # The API server

    def create(self, manifest: Json) -> None:
        obj = json.loads(json.dumps(manifest))
        key = (obj["kind"], obj["metadata"]["name"])
        if key in self.objects:
            return
        obj["metadata"] |= {
            "uid": f"uid-{next(self._uids)}",
            "creationTimestamp": format_time(self.now),
        }
        self.objects[key] = obj

    def delete(self, kind: str, name: str, uid: str | None = None) -> None:
        """Background deletion: the object goes at once, what it owns with `react`."""
        if kind == "CycleQDRun":
            self.run = None
            return
        found = self.objects.get((kind, name))
        if found is not None and uid in (None, found["metadata"]["uid"]):
            del self.objects[kind, name]

    def edit(self, **spec: object) -> None:
        """A user edits the run's spec."""
        assert self.run is not None
        self.run["spec"] = merge(self.run["spec"], spec)
        self.run["metadata"]["generation"] += 1

    # The cluster

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def react(self) -> None:
        """What the Job controller and the garbage collector do."""
        uids = {obj["metadata"]["uid"] for obj in self.jobs.values()}
        for name, pod in list(self.pods.items()):
            if owner_uid(pod) not in uids:
                del self.objects["Pod", name]
        for name, job in self.jobs.items():
            if not self._finished(job) and "managedBy" not in job["spec"]:
                self._control(name, job)

    def _control(self, name: str, job: Json) -> None:
        """One pod for each slot that has none and is not done."""
        slots = range(0 if job["spec"].get("suspend") else job["spec"]["completions"])
        taken: set[int] = set()
        done: set[int] = set()
        lost = False
        for pod_name in self.pods_of(name):
            pod = self.pods[pod_name]
            if "deletionTimestamp" in pod["metadata"]:
                lost = True
                continue
            slot = int(pod["metadata"]["labels"][INDEX])
            phase = pod["status"]["phase"]
            if phase == "Succeeded":
                done.add(slot)
            elif phase != "Failed" and slot in slots:
                taken.add(slot)
            elif phase != "Failed":
                del self.objects["Pod", pod_name]
        for slot in slots:
            if slot not in taken | done:
                self._create_pod(name, job, slot)
        if slots and done >= set(slots):
            # As of Kubernetes 1.31: complete only when the last pod has really ended.
            self._set_condition(job, "SuccessCriteriaMet" if lost else "Complete")

    def _create_pod(self, job_name: str, job: Json, slot: int) -> None:
        number = next(self._uids)
        meta = job["spec"]["template"]["metadata"]
        owner = {"kind": "Job", "name": job_name, "uid": job["metadata"]["uid"], "controller": True}
        self.objects["Pod", f"{job_name}-{slot}-{number:05}"] = {
            "kind": "Pod",
            "metadata": {
                "name": f"{job_name}-{slot}-{number:05}",
                "uid": f"uid-{number}",
                "labels": {**meta["labels"], INDEX: str(slot)},
                "creationTimestamp": format_time(self.now),
                "ownerReferences": [owner],
            },
            "status": {"phase": "Pending"},
        }

    def _set_condition(self, obj: Json, type_: str, status: str = "True", **more: object) -> None:
        found = {"type": type_, "status": status, "lastTransitionTime": format_time(self.now)}
        present = obj.setdefault("status", {}).setdefault("conditions", [])
        present[:] = [c for c in present if c["type"] != type_] + [found | more]

    def _finished(self, job: Json) -> bool:
        found = (job.get("status") or {}).get("conditions") or ()
        return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in found)

    def start(self, *pods: str) -> None:
        """Pods become ready."""
        for name in pods or tuple(self.pods):
            pod = self.pods[name]
            if pod["status"]["phase"] == "Pending":
                pod["status"] = {"phase": "Running"}
                self._set_condition(pod, "PodScheduled")
                self._set_condition(pod, "Ready")

    def stuck(self, pod: str, reason: str, message: str) -> None:
        """A pod waits for something."""
        if reason == "Unschedulable":
            self._set_condition(
                self.pods[pod], "PodScheduled", "False", reason=reason, message=message
            )
            return
        waiting = {"waiting": {"reason": reason, "message": message}}
        role = self.pods[pod]["metadata"]["labels"]["app.kubernetes.io/component"]
        self.pods[pod]["status"]["containerStatuses"] = [{"name": role, "state": waiting}]

    def end(self, pod: str, code: int, message: str = "", **more: object) -> None:
        """A pod's process ends."""
        found = self.pods[pod]
        role = found["metadata"]["labels"]["app.kubernetes.io/component"]
        terminated = {"exitCode": code, "message": message, "finishedAt": format_time(self.now)}
        terminated["reason"] = more.pop("why", "Completed" if code == 0 else "Error")
        found["status"] = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [{"name": role, "state": {"terminated": terminated}}],
        } | more

    def lose(self, pod: str) -> None:
        """A pod's node dies and never comes back: the pod stays Terminating for ever."""
        self.pods[pod]["metadata"]["deletionTimestamp"] = format_time(self.now)
        self._set_condition(self.pods[pod], "DisruptionTarget", reason="DeletionByTaintManager")
        self._set_condition(self.pods[pod], "Ready", "False")

    def disrupt(self, pod: str, reason: str = "PreemptionByScheduler") -> None:
        """A pod is told to stop."""
        self.end(pod, 143)
        self._set_condition(self.pods[pod], "DisruptionTarget", reason=reason)

    def finish_job(self, job: str, type_: str) -> None:
        self._set_condition(self.jobs[job], type_)

    # The coordinator

    def report(self, **changes: object) -> None:
        """The coordinator patches its progress."""
        config_map = self.objects["ConfigMap", "demo-progress"]
        text = (config_map.get("data") or {}).get(PROGRESS)
        progress = Progress.from_json(text) if text else Progress(run_id="demo-1", generations=10)
        assert self.run is not None
        seen = {"observed_generation": self.run["metadata"]["generation"]}
        changed = progress.model_copy(update=seen | changes)
        config_map["data"] = {PROGRESS: changed.to_json()}

    def evolve(self, generation: int, *, finished: int = 0, **changes: object) -> None:
        """The coordinator has committed a generation and planned the next."""
        stage = OpenStage(stage=f"generations/{generation + 1:06}", entries=4, finished=finished)
        self.report(phase="Evolving", generation=generation, stages=(stage,), **changes)

    def complete(self, **changes: object) -> None:
        """The coordinator has stored the summary and ends."""
        self.report(**{"phase": "Complete", "generation": 10, "stages": ()} | changes)
        for pod in self.running("demo-coordinator"):
            self.end(pod, 0)
        self.react()


INDEX = "batch.kubernetes.io/job-completion-index"


def evolving(run: Json | None = None, settings: Settings | None = None) -> World:
    """A run whose coordinator and workers are ready."""
    world = World(run, settings)
    world.settle()
    world.start()
    world.evolve(0)
    world.settle()
    world.start()
    world.settle()
    return world
