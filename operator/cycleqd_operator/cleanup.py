"""Taking all runs away before the operator itself goes: ``cycleqd-operator --cleanup SECONDS``.

The Helm chart runs it as a pre-delete hook where ``cleanup.enabled`` says so. It deletes the runs
that the operator serves, in the background, and waits until their objects are gone and their pods
are on their way out: a pod on a lost node stays for ever and must not hold up the uninstallation.
Nothing in a store is touched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from cycleqd.errors import CycleQDError
from cycleqd_operator.kube.actions import Delete
from cycleqd_operator.kube.cluster import ApiError, Cluster
from cycleqd_operator.kube.objects import Json, is_deleting, metadata, name, uid
from cycleqd_operator.kube.resources import POD, RUN

log = logging.getLogger(__name__)

NOT_FOUND = 404


class CleanUpTimeout(CycleQDError):
    """Runs or their pods are still there when the time is over."""

    exit_code = 75


async def clean_up(
    cluster: Cluster, namespaces: Sequence[str], timeout_seconds: float, poll_seconds: float = 1.0
) -> int:
    """Delete all runs and wait until nothing works for them any more.

    Args:
        cluster: the API server.
        namespaces: those that are served; empty for all.
        timeout_seconds: how long to wait.
        poll_seconds: time between two looks.

    Returns:
        How many runs were deleted.

    Raises:
        CleanUpTimeout: some runs or pods were left at the end; the message names them.
        ApiError: the API server refused.
    """
    deleted: set[str] = set()
    left: list[str] = []
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                left = await _look(cluster, namespaces or ("",), deleted)
                if not left:
                    return len(deleted)
                await asyncio.sleep(poll_seconds)
    except TimeoutError:
        shown = ", ".join(left[:5]) + (" and more" if len(left) > 5 else "")
        raise CleanUpTimeout(
            f"after {timeout_seconds:g} s there are still {shown}; look for finalizers with"
            " kubectl get cqd -A -o yaml, or uninstall with --no-hooks"
        ) from None


async def _look(cluster: Cluster, namespaces: Sequence[str], deleted: set[str]) -> list[str]:
    """Delete what is not deleted yet.

    Returns:
        Names of runs and of working pods that are there.
    """
    left = []
    for namespace in namespaces:
        try:
            runs = (await cluster.list_all(RUN, namespace)).items
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            runs = ()  # the API itself is gone, and with it all runs
        for run in runs:
            left.append(_full_name("run", run))
            if uid(run) not in deleted and not is_deleting(run):
                log.info("deleting %s", left[-1])
                await cluster.apply(
                    metadata(run)["namespace"], Delete(RUN.kind, name(run), uid(run))
                )
                deleted.add(uid(run))
        pods = (await cluster.list_all(POD, namespace)).items
        left += [_full_name("pod", pod) for pod in pods if not is_deleting(pod)]
    return left


def _full_name(kind: str, obj: Json) -> str:
    """For people."""
    return f"{kind} {metadata(obj)['namespace']}/{name(obj)}"
