"""A run that goes on: its children are what its manifest asks for, its status what they show."""

from __future__ import annotations

from datetime import timedelta

from cycleqd_operator.api.status import RunStatus
from cycleqd_operator.children import config_maps, jobs
from cycleqd_operator.children.access import access
from cycleqd_operator.decision import conditions
from cycleqd_operator.decision.aspects import ended, findings, refusal
from cycleqd_operator.decision.outcome import (
    Outcome,
    active_seconds,
    coordinator_ended,
    failed_pods,
    outcome,
    report_is_late,
    seconds_left,
)
from cycleqd_operator.decision.situation import Situation
from cycleqd_operator.decision.summary import bounded, with_progress
from cycleqd_operator.decision.transitions import transitions
from cycleqd_operator.decision.workforce import Workforce, lacks_pods, workforce
from cycleqd_operator.kube import names
from cycleqd_operator.kube.actions import Action, Create, Decision, Patch
from cycleqd_operator.kube.objects import Json, format_time, parse_time
from cycleqd_operator.settings import Settings

FOREIGN_SECONDS = 2.0
"""Time between looks for the objects of an older run to go."""

IDLE_SECONDS = 60
"""Time after which workers that ended are made anew if there is work left after all."""

SILENT_SECONDS = 60
"""Age of a coordinator's Job that should have reported by now."""


def living(found: Situation, settings: Settings) -> Decision:
    """What a run needs that has not come to its end."""
    end = None if found.manifest.spec.suspend else outcome(found)
    if end is not None:
        status = end_status(found, end)
        return Decision((), status, transitions(found.status, status))
    force = workforce(found)
    status = living_status(found, force)
    waits = [force.look_again_seconds, seconds_left(found)]
    actions: list[Action] = []
    if found.foreign:
        waits.append(FOREIGN_SECONDS)
    else:
        actions += _config_maps(found)
        actions += _access(found)
        actions += _coordinator(found, settings)
        actions += _workers(found, settings)
        waits += _waits(found)
    wait = min((w for w in waits if w is not None), default=None)
    return Decision(tuple(actions), status, transitions(found.status, status), wait)


def living_status(found: Situation, force: Workforce) -> RunStatus:
    """The status of a run that goes on."""
    old = found.status
    moment = format_time(found.now)
    stands = found.manifest.spec.suspend or force.ready.reason == "WaitingForQuota"
    store = f"{(found.manifest.spec.storage.uri or '').rstrip('/')}/{found.name}"
    status = with_progress(old, found.progress, found.manifest)
    return bounded(
        status.model_copy(
            update={
                "observed_generation": found.generation,
                "manifest_refused": bool(refusal(found)),
                "conditions": conditions.update(
                    old, findings(found, force.ready), found.generation, found.now
                ),
                "store": status.store or store,
                "workers": force.counts,
                "start_time": old.start_time or moment,
                "completion_time": None,
                "active_seconds": int(active_seconds(found)) if stands else old.active_seconds,
                "active_since_time": None if stands else old.active_since_time or moment,
            }
        )
    )


def end_status(found: Situation, end: Outcome) -> RunStatus:
    """The status that records an end."""
    old = found.status
    failed, seen = failed_pods(found)
    counts = old.workers.model_copy(
        update={"desired": 0, "ready": 0, "failed_pods": failed, "failed_pods_seen": seen}
    )
    moment = format_time(found.now)
    return bounded(
        with_progress(old, found.progress, found.manifest).model_copy(
            update={
                "observed_generation": found.generation,
                "manifest_refused": bool(refusal(found)),
                "conditions": conditions.update(
                    old, ended(found, end), found.generation, found.now
                ),
                "workers": counts,
                "start_time": old.start_time or moment,
                "completion_time": moment,
                "active_seconds": int(active_seconds(found)),
                "active_since_time": None,
            }
        )
    )


def _config_maps(found: Situation) -> list[Action]:
    """The manifest as it stands now, and a page for the progress."""
    actions: list[Action] = []
    manifest = config_maps.manifest_config_map(found.run)
    present = found.config_maps.get(names.manifest_config_map(found.name))
    if present is None:
        actions.append(Create(manifest))
    elif present.get("data") != manifest["data"] and not found.problem:
        name = names.manifest_config_map(found.name)
        actions.append(Patch("ConfigMap", name, {"data": manifest["data"]}))
    if names.progress_config_map(found.name) not in found.config_maps:
        actions.append(Create(config_maps.progress_config_map(found.run)))
    return actions


def _access(found: Situation) -> list[Action]:
    """Accounts and rights, where a Job is about to need them or one seems to lack them."""
    if found.manifest.spec.suspend:
        return []
    job = found.coordinator
    silent = (
        job is not None
        and found.coordinator_ready
        and found.progress is None
        and found.age(job) >= timedelta(seconds=SILENT_SECONDS)
    )
    if job is None or silent or any(lacks_pods(found, job) for job in found.jobs):
        accounts = dict(found.manifest.spec.service_account_annotations)
        return access(found.run, accounts)
    return []


def _coordinator(found: Situation, settings: Settings) -> list[Action]:
    job = found.coordinator
    if found.manifest.spec.suspend:
        return [] if job is None else jobs.suspend(job)
    if job is not None and coordinator_ended(found):
        # It ended, and yet the run is not complete: its last word was lost, or the manifest
        # changed after it looked. Both are settled by asking again.
        return jobs.delete(job) if report_is_late(found) >= 0 else []
    desired = jobs.coordinator_job(found.run, found.manifest, settings)
    return jobs.align(desired, job, resize=False)


def _workers(found: Situation, settings: Settings) -> list[Action]:
    if found.manifest.spec.suspend:
        return [action for job in found.workers.values() for action in jobs.suspend(job)]
    actions: list[Action] = []
    desired = _desired_workers(found, settings)
    pool = found.manifest.spec.workers.mode == "Pool"
    for name, body in desired.items():
        job = found.workers.get(name)
        if job is not None and _idle_seconds(found, job) >= IDLE_SECONDS and _has_work(found, name):
            actions += jobs.delete(job)
        else:
            actions += jobs.align(body, job, resize=pool)
    if found.admitted:
        for name, job in found.workers.items():
            if name not in desired:
                actions += jobs.delete(job)
    return actions


def _desired_workers(found: Situation, settings: Settings) -> dict[str, Json]:
    """The worker Jobs that should be there, by name.

    None is made before the coordinator has admitted the run, so that no GPU waits for a bucket that
    refuses. A coordinator that starts anew has to admit it again; the Jobs there stay meanwhile.
    """
    spec, progress = found.manifest.spec, found.progress
    if spec.workers.mode == "Pool":
        name = names.workers(found.name)
        working = progress is not None and progress.phase in ("Evolving", "Finishing")
        if not working and name not in found.workers:
            return {}
        return {name: jobs.pool_job(found.run, found.manifest, settings)}
    if progress is None or not found.admitted:
        return {}
    return {
        names.stage_workers(found.name, stage.stage): jobs.stage_job(
            found.run, found.manifest, settings, stage
        )
        for stage in progress.stages
        if stage.entries > stage.finished
        or names.stage_workers(found.name, stage.stage) in found.workers
    }


def _has_work(found: Situation, job: str) -> bool:
    """Whether entries are open for a worker Job."""
    stages = found.progress.stages if found.progress is not None and found.admitted else ()
    return any(
        stage.entries > stage.finished
        for stage in stages
        if job in (names.workers(found.name), names.stage_workers(found.name, stage.stage))
    )


def _idle_seconds(found: Situation, job: Json) -> float:
    """Time since all of a Job's workers ended well; negative where they did not."""
    done = jobs.completion(job)
    if done is None:
        return -1.0
    moment = parse_time(done.get("lastTransitionTime"))
    return 0.0 if moment is None else (found.now - moment).total_seconds()


def _waits(found: Situation) -> list[float | None]:
    """When time alone makes a child due."""
    waits: list[float | None] = []
    if coordinator_ended(found):
        waits.append(max(0.1, -report_is_late(found)))
    elif found.coordinator is not None and found.progress is None:
        left = SILENT_SECONDS - found.age(found.coordinator).total_seconds()
        waits.append(left if left > 0 else None)
    for name, job in found.workers.items():
        idle = _idle_seconds(found, job)
        if 0 <= idle < IDLE_SECONDS and _has_work(found, name):
            waits.append(IDLE_SECONDS - idle)
    return waits
