"""Where the tests of real pods run: the cluster of `make cluster`, or one that somebody has.

On the former, tests may break the machine's side too: its S3 server, API server and nodes. On a
cluster of somebody's own they may not; there the images and a bucket are named by variables.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from devcluster.base.cluster import Cluster
from devcluster.real import images, lifecycle, storage
from devcluster.real.installation import NAMESPACE, RELEASE
from devcluster.real.layout import home, kubeconfig

from tests.servers.s3 import S3Server

if TYPE_CHECKING:
    from devcluster.base.processes import ServerProcess

KUBECONFIG = "CYCLEQD_TEST_KUBECONFIG"
VARIABLES = {
    "CYCLEQD_OPERATOR_IMAGE": "the operator's image",
    "CYCLEQD_WORKER_IMAGE": "the worker's image, with the engine of .venv",
    "CYCLEQD_TEST_S3_ENDPOINT": "an S3 server that pods and this machine reach by one URL",
    "CYCLEQD_TEST_S3_BUCKET": "an empty bucket there",
    "AWS_ACCESS_KEY_ID": "its credentials",
    "AWS_SECRET_ACCESS_KEY": "its credentials",
}


@dataclass(frozen=True)
class Site:
    """A cluster with the operator installed, and an S3 server that its pods reach.

    Attributes:
        cluster: as its administrator.
        server: has the tiny example's models and items under `demo/tiny`.
        own: whether it is the cluster of `make cluster` on this machine.
        operator_image: what the operator's pod runs.
        worker_image: what the runs' pods run.
    """

    cluster: Cluster
    server: S3Server
    own: bool
    operator_image: str
    worker_image: str

    def operator_pods(self) -> list[str]:
        """Names of the operator's running pods."""
        selector = f"app.kubernetes.io/instance={RELEASE}"
        pods = self.cluster.list("pods", NAMESPACE, selector)
        return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]


def names_own_cluster() -> bool:
    """Whether the tests shall use the cluster of `make cluster`, up or not yet."""
    given = os.environ.get(KUBECONFIG)
    return not given or Path(given).resolve() == kubeconfig().resolve()


def own_site() -> Site:
    """The running cluster of `make cluster`."""
    access = storage.access()
    used = images.load(home() / "images.json")
    assert used is not None
    return Site(
        cluster=lifecycle.cluster(),
        server=_server(storage.HOST_ENDPOINT, storage.BUCKET, access.access_key, access.secret_key),
        own=True,
        operator_image=used.operator,
        worker_image=used.worker,
    )


def missing_variables() -> list[str]:
    """What a cluster of somebody's own still needs, as `NAME (meaning)`."""
    return [f"{name} ({text})" for name, text in VARIABLES.items() if not os.environ.get(name)]


def existing_site() -> Site:
    """A cluster that somebody has."""
    env = os.environ
    return Site(
        cluster=Cluster(Path(env[KUBECONFIG]).resolve()),
        server=_server(
            env["CYCLEQD_TEST_S3_ENDPOINT"],
            env["CYCLEQD_TEST_S3_BUCKET"],
            env["AWS_ACCESS_KEY_ID"],
            env["AWS_SECRET_ACCESS_KEY"],
        ),
        own=False,
        operator_image=env["CYCLEQD_OPERATOR_IMAGE"],
        worker_image=env["CYCLEQD_WORKER_IMAGE"],
    )


def _server(endpoint: str, bucket: str, access_key: str, secret_key: str) -> S3Server:
    # Who started it is another matter; tests that stop it do so by its record.
    process = cast("ServerProcess", None)
    folder = home() / "s3"
    return S3Server("s3", endpoint, access_key, secret_key, folder, process, bucket=bucket)
