"""A run's world put in order: which objects are the run's own, and what they say together.

Objects that carry the run's label and yet belong to something else (an older run of the same name
whose children the garbage collector has still to take) are `Situation.foreign`: they are waited
for, never touched. Pods count as long as their Job is there, so that a Job made anew begins with a
clean sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from pydantic import ValidationError

from cycleqd.contract.config_maps import DOCUMENT, GENERATION, PROGRESS
from cycleqd.contract.pods import Component
from cycleqd.contract.progress import Progress
from cycleqd.errors import ManifestError
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.reader import parse_resource
from cycleqd_operator.api.status import RunStatus
from cycleqd_operator.children.jobs import coordinator_job, is_elsewhere, pool_job
from cycleqd_operator.children.template_policy import check_templates
from cycleqd_operator.decision.endings import Ending, endings, is_ready
from cycleqd_operator.decision.observed import Observed
from cycleqd_operator.kube import names
from cycleqd_operator.kube.nesting import parse_json
from cycleqd_operator.kube.objects import (
    Json,
    is_deleting,
    metadata,
    name,
    owner_uid,
    parse_time,
    status,
    uid,
)
from cycleqd_operator.kube.trimming import SPEC_REFUSED
from cycleqd_operator.settings import Settings


@dataclass(frozen=True)
class Situation:
    """A run's world at one moment.

    Attributes:
        run: the CycleQDRun.
        manifest: the one in force: the run's, or the last good one where the run's cannot be read.
        problem: why the run's manifest cannot be read, empty where it can.
        status: what the operator last wrote.
        config_maps: the run's own ConfigMaps by name.
        coordinator: its Job.
        workers: the worker Jobs by name.
        pods: pods of these Jobs, by role.
        foreign: objects under the run's names that belong to something else.
        progress: what the coordinator last reported; None before it did, or where that is no
            report.
        refused: what the API server refused, by ``<kind>/<name>``.
        now: the present.
    """

    run: Json
    manifest: Manifest
    problem: str
    status: RunStatus
    config_maps: Mapping[str, Json]
    coordinator: Json | None
    workers: Mapping[str, Json]
    pods: Mapping[Component, tuple[Json, ...]]
    foreign: bool
    progress: Progress | None
    refused: Mapping[str, str]
    now: datetime

    @property
    def name(self) -> str:
        """Name of the run."""
        return name(self.run)

    @property
    def generation(self) -> int:
        """``metadata.generation`` of the run."""
        return int(metadata(self.run).get("generation", 1))

    @property
    def jobs(self) -> tuple[Json, ...]:
        """All of the run's Jobs."""
        own = () if self.coordinator is None else (self.coordinator,)
        return (*own, *self.workers.values())

    @property
    def admitted(self) -> bool:
        """Whether the run is in the store, as far as the coordinator has said since it started."""
        return self.progress is not None and self.progress.phase != "Admitting"

    @cached_property
    def endings(self) -> Mapping[Component, list[Ending]]:
        """How pods ended, by role, oldest first."""
        return {role: endings(pods, role) for role, pods in self.pods.items()}

    @cached_property
    def ready_workers(self) -> int:
        """Worker pods that are ready, here or in another cluster."""
        elsewhere = [job for job in self.workers.values() if is_elsewhere(job)]
        told = sum(int(status(job).get("ready") or 0) for job in elsewhere if not is_deleting(job))
        return told + sum(is_ready(pod) for pod in self.pods["worker"])

    @cached_property
    def jobs_with_pods(self) -> frozenset[str]:
        """Uids of the Jobs that have a pod, running or ended."""
        return frozenset(owner_uid(pod) for pods in self.pods.values() for pod in pods)

    @property
    def coordinator_ready(self) -> bool:
        """Whether a coordinator pod is ready."""
        return any(is_ready(pod) for pod in self.pods["coordinator"])

    @property
    def followed(self) -> Manifest | None:
        """The manifest that the coordinator is given; None before it was given any."""
        return _manifest_in(self.config_maps.get(names.manifest_config_map(self.name)))

    @property
    def followed_generation(self) -> int:
        """``metadata.generation`` of `followed`, 0 before there is one."""
        config_map = self.config_maps.get(names.manifest_config_map(self.name)) or {}
        number = str((config_map.get("data") or {}).get(GENERATION, ""))
        return int(number) if number.isdecimal() else 0

    @property
    def report_is_unreadable(self) -> bool:
        """Whether something stands where the coordinator reports, and it is no report."""
        page = self.config_maps.get(names.progress_config_map(self.name)) or {}
        return self.progress is None and PROGRESS in (page.get("data") or {})

    def age(self, obj: Json) -> timedelta:
        """Time since an object was made."""
        born = parse_time(metadata(obj).get("creationTimestamp"))
        return self.now - (born or self.now)


def situation(observed: Observed, settings: Settings, now: datetime) -> Situation:
    """Put a run's world in order.

    Raises:
        ManifestError: the run's manifest cannot be read, and no earlier one was ever in force.
    """
    run = observed.run
    own = {key: cm for key, cm in observed.config_maps.items() if owner_uid(cm) == uid(run)}
    jobs = {key: job for key, job in observed.jobs.items() if owner_uid(job) == uid(run)}
    foreign = any(
        names.is_child(name(run), name(obj)) and owner_uid(obj) != uid(run)
        for obj in (*observed.jobs.values(), *observed.config_maps.values())
    )
    problem = ""
    try:
        manifest = _manifest_of(run)
        check_templates(manifest, settings)
        # Builds the pods as well, so that a template that cannot be merged is found here.
        coordinator_job(run, manifest, settings)
        pool_job(run, manifest, settings)
    except ManifestError as error:
        problem = "; ".join(error.problems)
        last = _manifest_in(own.get(names.manifest_config_map(name(run))))
        if last is None:
            raise
        # Anybody in the namespace may write the ConfigMap, and the policy may be newer.
        check_templates(last, settings)
        manifest = last
    coordinator = jobs.pop(names.coordinator(name(run)), None)
    return Situation(
        run=run,
        manifest=manifest,
        problem=problem,
        status=last_status(run),
        config_maps=own,
        coordinator=coordinator,
        workers=jobs,
        pods={
            "coordinator": _pods_of(observed, [] if coordinator is None else [coordinator]),
            "worker": _pods_of(observed, list(jobs.values())),
        },
        foreign=foreign,
        progress=_progress(own.get(names.progress_config_map(name(run))), manifest),
        refused=observed.refused,
        now=now,
    )


def _manifest_of(run: Json) -> Manifest:
    if why := run.get(SPEC_REFUSED):
        raise ManifestError([why])
    return parse_resource(run)


def last_status(run: Json) -> RunStatus:
    """The status as last written; an empty one where it was never, or cannot be read."""
    try:
        return RunStatus.model_validate(status(run))
    except ValidationError:
        return RunStatus()


def _pods_of(observed: Observed, jobs: list[Json]) -> tuple[Json, ...]:
    uids = {uid(job) for job in jobs if not is_deleting(job)}
    return tuple(pod for pod in observed.pods.values() if owner_uid(pod) in uids)


def _manifest_in(config_map: Json | None) -> Manifest | None:
    text = ((config_map or {}).get("data") or {}).get(DOCUMENT)
    try:
        document = None if text is None else parse_json(text)
        return parse_resource(document) if isinstance(document, dict) else None
    except (ManifestError, ValueError):
        return None


def _progress(config_map: Json | None, manifest: Manifest) -> Progress | None:
    """What the coordinator reported, of no more open stages than the manifest lets it plan.

    Each may get a Job of its own, so the number is not the report's to choose. The oldest come
    first, so those that an edit of ``pipelineDepth`` leaves too many have their turn after them.
    """
    text = ((config_map or {}).get("data") or {}).get(PROGRESS)
    try:
        found = None if text is None else Progress.from_json(text)
    except ValidationError:
        return None
    depth = manifest.spec.evolution.pipeline_depth
    return found and found.model_copy(update={"stages": found.stages[:depth]})
