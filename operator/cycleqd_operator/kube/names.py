"""Names, labels and annotations of a run's children: functions of the run alone.

A restarted operator finds what it made before because every name follows from the run's name. The
run's name has at most 40 characters, so each name below stays under the 63 that a Job's pods allow.
"""

from __future__ import annotations

from cycleqd.contract.pods import Component

RUN_LABEL = "cycleqd.io/run"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY = "cycleqd-operator"
TEMPLATE_HASH = "cycleqd.io/template-hash"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
INDEX_LABEL = "batch.kubernetes.io/job-completion-index"


def labels(run: str, component: Component) -> dict[str, str]:
    """Labels of every child."""
    return {
        "app.kubernetes.io/name": "cycleqd",
        COMPONENT_LABEL: component,
        "app.kubernetes.io/managed-by": MANAGED_BY,
        "app.kubernetes.io/instance": run,
        RUN_LABEL: run,
    }


def manifest_config_map(run: str) -> str:
    """The ConfigMap that carries the manifest into the coordinator's pod."""
    return f"{run}-manifest"


def progress_config_map(run: str) -> str:
    """The ConfigMap that the coordinator patches."""
    return f"{run}-progress"


def coordinator(run: str) -> str:
    """The coordinator's Job, ServiceAccount, Role and RoleBinding."""
    return f"{run}-coordinator"


def worker(run: str) -> str:
    """The workers' ServiceAccount."""
    return f"{run}-worker"


def workers(run: str) -> str:
    """The worker Job of mode Pool."""
    return f"{run}-workers"


def stage_workers(run: str, stage: str) -> str:
    """The worker Job of one stage in mode Generation.

    Args:
        run: name of the run.
        stage: folder of the stage, ``generations/000012`` or ``final/000010``.

    Returns:
        Such as ``<run>-workers-g000012``.
    """
    folder, _, number = stage.partition("/")
    return f"{workers(run)}-{folder[:1]}{number}"


def is_child(run: str, name: str) -> bool:
    """Whether a Job or a ConfigMap of that name is the operator's to make for the run."""
    fixed = (manifest_config_map(run), progress_config_map(run), coordinator(run), workers(run))
    return name in fixed or name.startswith(f"{workers(run)}-")
