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


def living(situation: Situation, settings: Settings) -> Decision:
    """What a run needs that has not come to its end."""
    end = None if situation.manifest.spec.suspend else outcome(situation)
    if end is not None:
        status = end_status(situation, end)
        return Decision((), status, transitions(situation.status, status))
    force = workforce(situation)
    status = living_status(situation, force)
    waits = [force.look_again_seconds, seconds_left(situation)]
    actions: list[Action] = []
    if situation.foreign:
        waits.append(FOREIGN_SECONDS)
    else:
        actions += _config_maps(situation)
        actions += _access(situation)
        actions += _coordinator(situation, settings)
        actions += _workers(situation, settings)
        waits += _waits(situation)
    wait = min((w for w in waits if w is not None), default=None)
    return Decision(tuple(actions), status, transitions(situation.status, status), wait)


def living_status(situation: Situation, force: Workforce) -> RunStatus:
    """The status of a run that goes on."""
    old = situation.status
    moment = format_time(situation.now)
    stands = situation.manifest.spec.suspend or force.ready.reason == "WaitingForQuota"
    store = f"{(situation.manifest.spec.storage.uri or '').rstrip('/')}/{situation.name}"
    status = with_progress(old, situation.progress, situation.manifest)
    return bounded(
        status.model_copy(
            update={
                "observed_generation": situation.generation,
                "manifest_refused": bool(refusal(situation)),
                **conditions.updates(
                    old, findings(situation, force.ready), situation.generation, situation.now
                ),
                "store": status.store or store,
                "workers": force.counts,
                "start_time": old.start_time or moment,
                "completion_time": None,
                "active_seconds": int(active_seconds(situation)) if stands else old.active_seconds,
                "active_since_time": None if stands else old.active_since_time or moment,
            }
        )
    )


def end_status(situation: Situation, end: Outcome) -> RunStatus:
    """The status that records an end."""
    old = situation.status
    failed, seen = failed_pods(situation)
    counts = old.workers.model_copy(
        update={"desired": 0, "ready": 0, "failed_pods": failed, "failed_pods_seen": seen}
    )
    moment = format_time(situation.now)
    return bounded(
        with_progress(old, situation.progress, situation.manifest).model_copy(
            update={
                "observed_generation": situation.generation,
                "manifest_refused": bool(refusal(situation)),
                **conditions.updates(
                    old, ended(situation, end), situation.generation, situation.now
                ),
                "revisiting": None,
                "workers": counts,
                "start_time": old.start_time or moment,
                "completion_time": moment,
                "active_seconds": int(active_seconds(situation)),
                "active_since_time": None,
            }
        )
    )


def _config_maps(situation: Situation) -> list[Action]:
    """The manifest as it stands now, and a page for the progress."""
    actions: list[Action] = []
    manifest = config_maps.manifest_config_map(situation.run)
    present = situation.config_maps.get(names.manifest_config_map(situation.name))
    if present is None:
        actions.append(Create(manifest))
    elif present.get("data") != manifest["data"] and not situation.problem:
        name = names.manifest_config_map(situation.name)
        actions.append(Patch("ConfigMap", name, {"data": manifest["data"]}))
    if names.progress_config_map(situation.name) not in situation.config_maps:
        actions.append(Create(config_maps.progress_config_map(situation.run)))
    return actions


def _access(situation: Situation) -> list[Action]:
    """Accounts and rights, where a Job is about to need them or one seems to lack them."""
    if situation.manifest.spec.suspend:
        return []
    job = situation.coordinator
    silent = (
        job is not None
        and situation.coordinator_ready
        and situation.progress is None
        and situation.age(job) >= timedelta(seconds=SILENT_SECONDS)
    )
    if job is None or silent or any(lacks_pods(situation, job) for job in situation.jobs):
        accounts = dict(situation.manifest.spec.service_account_annotations)
        return access(situation.run, accounts)
    return []


def _coordinator(situation: Situation, settings: Settings) -> list[Action]:
    job = situation.coordinator
    if situation.manifest.spec.suspend:
        return [] if job is None else jobs.suspend(job)
    if job is not None and coordinator_ended(situation):
        # It ended, and yet the run is not complete: its last word was lost, or the manifest
        # changed after it looked. Both are settled by asking again.
        return jobs.delete(job) if report_is_late(situation) >= 0 else []
    desired = jobs.coordinator_job(situation.run, situation.manifest, settings)
    return jobs.align(desired, job, resize=False)


def _workers(situation: Situation, settings: Settings) -> list[Action]:
    if situation.manifest.spec.suspend:
        return [action for job in situation.workers.values() for action in jobs.suspend(job)]
    actions: list[Action] = []
    desired = _desired_workers(situation, settings)
    pool = situation.manifest.spec.workers.mode == "Pool"
    for name, body in desired.items():
        job = situation.workers.get(name)
        if (
            job is not None
            and _idle_seconds(situation, job) >= IDLE_SECONDS
            and _has_work(situation, name)
        ):
            actions += jobs.delete(job)
        else:
            actions += jobs.align(body, job, resize=pool)
    if situation.admitted:
        for name, job in situation.workers.items():
            if name not in desired:
                actions += jobs.delete(job)
    return actions


def _desired_workers(situation: Situation, settings: Settings) -> dict[str, Json]:
    """The worker Jobs that should be there, by name.

    None is made before the coordinator has admitted the run, so that no GPU waits for a bucket that
    refuses. A coordinator that starts anew has to admit it again; the Jobs there stay meanwhile.
    """
    spec, progress = situation.manifest.spec, situation.progress
    if spec.workers.mode == "Pool":
        name = names.workers(situation.name)
        working = progress is not None and progress.phase in ("Evolving", "Finishing")
        if not working and name not in situation.workers:
            return {}
        return {name: jobs.pool_job(situation.run, situation.manifest, settings)}
    if progress is None or not situation.admitted:
        return {}
    return {
        names.stage_workers(situation.name, stage.stage): jobs.stage_job(
            situation.run, situation.manifest, settings, stage
        )
        for stage in progress.stages
        if stage.entries > stage.finished
        or names.stage_workers(situation.name, stage.stage) in situation.workers
    }


def _has_work(situation: Situation, job: str) -> bool:
    """Whether entries are open for a worker Job."""
    stages = (
        situation.progress.stages if situation.progress is not None and situation.admitted else ()
    )
    return any(
        stage.entries > stage.finished
        for stage in stages
        if job in (names.workers(situation.name), names.stage_workers(situation.name, stage.stage))
    )


def _idle_seconds(situation: Situation, job: Json) -> float:
    """Time since all of a Job's workers ended well; negative where they did not."""
    done = jobs.completion(job)
    if done is None:
        return -1.0
    moment = parse_time(done.get("lastTransitionTime"))
    return 0.0 if moment is None else (situation.now - moment).total_seconds()


def _waits(situation: Situation) -> list[float | None]:
    """When time alone makes a child due."""
    waits: list[float | None] = []
    if coordinator_ended(situation):
        waits.append(max(0.1, -report_is_late(situation)))
    elif situation.coordinator is not None and situation.progress is None:
        left = SILENT_SECONDS - situation.age(situation.coordinator).total_seconds()
        waits.append(left if left > 0 else None)
    for name, job in situation.workers.items():
        idle = _idle_seconds(situation, job)
        if 0 <= idle < IDLE_SECONDS and _has_work(situation, name):
            waits.append(IDLE_SECONDS - idle)
    return waits
