"""What `make cluster` puts into the cluster: the operator by its chart, the namespace `demo`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from devcluster.base.binaries import binary
from devcluster.base.commands import run
from devcluster.real import storage
from devcluster.real.layout import ROOT

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster
    from devcluster.real.images import Images

RELEASE = "cycleqd-operator"
NAMESPACE = "cycleqd-system"
CHART = ROOT / "charts" / "cycleqd-operator"
DEMO_NAMESPACE = "demo"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
INSTALL_SECONDS = 600


def install(cluster: Cluster, images: Images) -> None:
    """Install or upgrade the chart with images of this clone, and wait until it is ready.

    Raises:
        CommandError: helm gave up; the message has the state of the operator's pods.
    """
    values = {
        "image": _image(images.operator),
        "worker": {"image": _image(images.worker)},
    }
    if cluster.get("namespace", NAMESPACE) is None:
        cluster.make_namespace(NAMESPACE, RESTRICTED)
    helm(
        cluster,
        *("upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE),
        *("--wait", f"--timeout={INSTALL_SECONDS}s", "--values", "-"),
        text=json.dumps(values),
    )


def make_demo_namespace(cluster: Cluster) -> None:
    """A namespace for runs, under the strictest Pod Security, with the Secret for S3."""
    cluster.make_namespace(DEMO_NAMESPACE, RESTRICTED)
    storage.make_secret(cluster, DEMO_NAMESPACE)


def helm(cluster: Cluster, *arguments: str, text: str = "") -> str:
    """Run helm against the cluster; returns what it printed.

    Raises:
        CommandError: it failed.
    """
    env = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
    return run(binary("helm"), *arguments, env=env, text=text, seconds=INSTALL_SECONDS + 60)


def _image(name: str) -> dict[str, str]:
    repository, _, tag = name.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "Never"}
