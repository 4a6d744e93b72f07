"""What Kueue reads of a worker Job: its queue, its priority and whether it changes size in place.

Where the size of a running Job changes, Kueue takes all its pods away and queues it again, unless
the Job is marked as elastic when it is made (`ELASTIC`; Kueue heeds it by default from 0.18 on).
Then running pods stay, and new ones wait behind a scheduling gate for quota of their own. Kueue
refuses the mark on pods, and on Jobs whose pods ask for a topology.
"""

from __future__ import annotations

from collections.abc import Mapping

from cycleqd.manifest.cluster import PodTemplateMetadata
from cycleqd.manifest.model import Manifest
from cycleqd_operator.kube import names

ELASTIC = "kueue.x-k8s.io/elastic-job"
"""The mark, an annotation of a Job; a pod's scheduling gate of the same name waits for quota."""

PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"
"""Names a WorkloadPriorityClass, on a Job."""

_TOPOLOGY = "kueue.x-k8s.io/podset-"
"""How all annotations of pods that ask for a topology begin."""


def queue_labels(manifest: Manifest) -> dict[str, str]:
    """Labels of a worker Job: the queue, and the priority that the template's labels name."""
    queue = manifest.spec.workers.queue_name
    if queue is None:
        return {}
    priority = _metadata(manifest).labels.get(PRIORITY_LABEL)
    return {names.QUEUE_LABEL: queue, **({PRIORITY_LABEL: priority} if priority else {})}


def queue_annotations(manifest: Manifest) -> dict[str, str]:
    """Annotations of a worker Job: the mark, unless the template's annotations say otherwise.

    Jobs of mode Generation never change their size, and need none.
    """
    workers, given = manifest.spec.workers, _metadata(manifest).annotations
    if workers.queue_name is None or workers.mode != "Pool":
        return {}
    fixed = any(key.startswith(_TOPOLOGY) for key in given)
    return {ELASTIC: given.get(ELASTIC, "false" if fixed else "true")}


def pod_annotations(given: Mapping[str, str]) -> dict[str, str]:
    """A template's annotations, without the one that is a Job's."""
    return {key: value for key, value in given.items() if key != ELASTIC}


def _metadata(manifest: Manifest) -> PodTemplateMetadata:
    template = manifest.spec.workers.template
    return PodTemplateMetadata() if template is None else template.metadata
