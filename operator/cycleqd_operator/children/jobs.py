"""The Jobs of a run, and what must change on the one that is there.

A Job's pod template cannot be changed, so each Job carries a hash of everything that needs a new
one; size and suspension are patched. ``podReplacementPolicy`` is TerminatingOrFailed and there is
no ``podFailurePolicy``, which would forbid it: a pod on a node that died stays Terminating for
ever, and its replacement must not wait for it. Two pods of one index do no harm, for all they write
is create-if-absent. Back-off limits are out of the way because the operator judges failures itself.
"""

from __future__ import annotations

import hashlib
import json

from cycleqd.contract.progress import OpenStage
from cycleqd.manifest.model import Manifest
from cycleqd_operator.children.ownership import child
from cycleqd_operator.children.pod_template import coordinator_template, worker_template
from cycleqd_operator.children.queue import queue_annotations, queue_labels
from cycleqd_operator.kube import names
from cycleqd_operator.kube.actions import Action, Create, Delete, Patch
from cycleqd_operator.kube.objects import (
    Json,
    annotation,
    condition,
    has_condition,
    is_deleting,
    labels,
    name,
    spec,
    uid,
)
from cycleqd_operator.settings import Settings

BACKOFF_LIMIT = 100_000
"""Failures of a pod or an index after which a Job would give up, so: never."""

_HERE = "kubernetes.io/job-controller"
_DONE = ("Complete", "SuccessCriteriaMet")
_FAILED = ("Failed", "FailureTarget")


def coordinator_job(run: Json, manifest: Manifest, settings: Settings) -> Json:
    """The coordinator's Job."""
    job_spec = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": BACKOFF_LIMIT,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
        "template": coordinator_template(manifest, settings),
    }
    job = names.coordinator(manifest.metadata.name)
    body = child(run, "batch/v1", "Job", job, "coordinator")
    return _job(manifest, body, job_spec, job_spec)


def pool_job(run: Json, manifest: Manifest, settings: Settings) -> Json:
    """The worker Job of mode Pool."""
    workers = manifest.spec.workers.replicas
    job = names.workers(manifest.metadata.name)
    return _worker_job(run, manifest, settings, job=job, workers=workers, stage=None)


def stage_job(run: Json, manifest: Manifest, settings: Settings, stage: OpenStage) -> Json:
    """The worker Job of one stage of mode Generation; no more workers than entries."""
    workers = max(1, min(manifest.spec.workers.replicas, stage.entries))
    job = names.stage_workers(manifest.metadata.name, stage.stage)
    return _worker_job(run, manifest, settings, job=job, workers=workers, stage=stage.stage)


def _worker_job(
    run: Json, manifest: Manifest, settings: Settings, *, job: str, workers: int, stage: str | None
) -> Json:
    job_spec = {
        "completionMode": "Indexed",
        "parallelism": workers,
        "completions": workers,
        "backoffLimitPerIndex": BACKOFF_LIMIT,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": manifest.spec.workers.queue_name is not None,
        "template": worker_template(manifest, settings, workers=workers, stage=stage),
    }
    # A pool grows and shrinks in place, so its size is no part of what the hash covers.
    hashed = {
        **job_spec,
        "parallelism": 0,
        "completions": 0,
        "template": worker_template(manifest, settings, workers=0, stage=stage),
    }
    body = child(run, "batch/v1", "Job", job, "worker")
    body["metadata"]["labels"] |= queue_labels(manifest)
    made = _job(manifest, body, job_spec, hashed)
    # Outside the hash: Jobs that were made without the mark go on, and the next one has it.
    made["metadata"]["annotations"] |= queue_annotations(manifest)
    return made


def _job(manifest: Manifest, body: Json, job_spec: Json, hashed: Json) -> Json:
    """The Job, with the hash of all that needs a new one when it changes."""
    covered = [hashed, labels(body), dict(manifest.spec.service_account_annotations)]
    text = json.dumps(covered, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    body["metadata"]["annotations"] = {names.TEMPLATE_HASH: digest}
    body["spec"] = job_spec
    return body


def completion(job: Json) -> Json | None:
    """The condition that tells since when all of a Job's work is done; None while it is not.

    ``SuccessCriteriaMet`` comes first, and remains alone while a pod is Terminating: where its node
    was lost, for ever.
    """
    return next(
        (condition(job, kind) for kind in _DONE if has_condition(job, kind)),
        None,
    )


def is_finished(job: Json) -> bool:
    """Whether the Job will start no more pods."""
    return any(has_condition(job, kind) for kind in (*_DONE, *_FAILED))


def is_suspended(job: Json) -> bool:
    """Whether the Job may have no pods for now, by our will or Kueue's."""
    return bool(spec(job).get("suspend"))


def is_queued(job: Json) -> bool:
    """Whether Kueue decides when the Job runs."""
    return names.QUEUE_LABEL in labels(job)


def is_elsewhere(job: Json) -> bool:
    """Whether another controller runs the Job, as MultiKueue does in another cluster.

    Its pods cannot be seen; what is known of them is the Job's status.
    """
    return bool(spec(job).get("managedBy", _HERE) != _HERE)


def delete(job: Json) -> list[Action]:
    """The Job's end, unless it is on its way already."""
    return [] if is_deleting(job) else [Delete("Job", name(job), uid(job))]


def suspend(job: Json) -> list[Action]:
    """Take the Job's pods away; its ended pods and their logs stay.

    A queued Job goes altogether, since Kueue would start it again.
    """
    if is_finished(job) or is_deleting(job):
        return []
    if is_queued(job):
        return delete(job)
    return [] if is_suspended(job) else [Patch("Job", name(job), {"spec": {"suspend": True}})]


def align(desired: Json, present: Json | None, *, resize: bool) -> list[Action]:
    """The step that brings a Job closer to what it should be.

    Args:
        desired: as made here.
        present: as observed; None where there is none.
        resize: whether its size may change; otherwise it keeps the one it was made with.

    Returns:
        At most one action; the next look takes the next step.
    """
    if present is None:
        return [Create(desired)]
    if is_deleting(present):
        return []
    if completion(present):
        return []
    changed = annotation(desired, names.TEMPLATE_HASH) != annotation(present, names.TEMPLATE_HASH)
    if changed or is_finished(present):
        return delete(present)
    changes: Json = {}
    if is_suspended(present) and not is_queued(present):
        changes["suspend"] = False
    if resize and spec(present).get("parallelism") != spec(desired)["parallelism"]:
        changes["parallelism"] = changes["completions"] = spec(desired)["parallelism"]
    return [Patch("Job", name(present), {"spec": changes})] if changes else []
