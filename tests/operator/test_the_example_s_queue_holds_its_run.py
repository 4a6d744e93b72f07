"""The example's queue is the one that its run names, covers all that its pods ask for, and is large
enough: Kueue never admits a Job that asks for a resource which its queue does not cover."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml
from kubernetes.utils.quantity import parse_quantity

from cycleqd.manifest.reader import parse_resource
from cycleqd_operator.children import jobs
from cycleqd_operator.settings import Settings
from tests.project.repository import ROOT

EXAMPLES = ROOT / "manifests" / "cluster-examples"
RUN = yaml.safe_load((EXAMPLES / "kueue.yaml").read_text("utf-8"))
FLAVOR, CLUSTER_QUEUE, LOCAL_QUEUE = yaml.safe_load_all(
    (EXAMPLES / "administrator" / "kueue.yaml").read_text("utf-8")
)
(GROUP,) = CLUSTER_QUEUE["spec"]["resourceGroups"]


def asked() -> Counter[str]:
    """What all workers of the run ask for, as Kueue counts it."""
    run = RUN | {"metadata": RUN["metadata"] | {"uid": "1"}}
    spec = jobs.pool_job(run, parse_resource(run), Settings())["spec"]
    pod = spec["template"]["spec"]
    # An init container that restarts always runs beside the others, and counts like them.
    assert all(found["restartPolicy"] == "Always" for found in pod["initContainers"])
    total: Counter[str] = Counter()
    for container in [*pod["containers"], *pod["initContainers"]]:
        resources: dict[str, Any] = container["resources"]
        for name, text in {**resources.get("limits", {}), **resources.get("requests", {})}.items():
            total[name] += parse_quantity(text) * spec["parallelism"]
    return total


def test_the_run_names_the_queue_of_its_namespace() -> None:
    assert LOCAL_QUEUE["metadata"] == {
        "name": RUN["spec"]["workers"]["queueName"],
        "namespace": RUN["metadata"]["namespace"],
    }
    assert LOCAL_QUEUE["spec"]["clusterQueue"] == CLUSTER_QUEUE["metadata"]["name"]
    (namespace,) = CLUSTER_QUEUE["spec"]["namespaceSelector"]["matchLabels"].values()
    assert namespace == RUN["metadata"]["namespace"]


def test_the_queue_covers_all_that_is_asked_for_and_is_large_enough() -> None:
    (flavor,) = GROUP["flavors"]
    assert flavor["name"] == FLAVOR["metadata"]["name"]
    quota = {found["name"]: parse_quantity(found["nominalQuota"]) for found in flavor["resources"]}
    assert quota.keys() == set(GROUP["coveredResources"]) == asked().keys()
    assert all(quota[name] >= amount for name, amount in asked().items())
