"""The cluster's S3 server: versitygw on the bridge, known to pods as a Service, with the examples.

The bucket has what manifests/examples need under `demo/`, and takes the runs under `runs/`. Pods
say `http://s3.cycleqd-s3.svc.cluster.local:7070`, the host says `http://10.99.0.1:7070`.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
from botocore.config import Config

from cycleqd.contract import variables
from devcluster.base import examples
from devcluster.base.binaries import binary
from devcluster.base.commands import CommandError
from devcluster.real import records
from devcluster.real.layout import CLUSTER_DOMAIN, HOST_ADDRESS, S3_PORT, home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devcluster.base.cluster import Cluster

NAME = "s3"
NAMESPACE = "cycleqd-s3"
BUCKET = "cycleqd"
REGION = "us-east-1"
SECRET = "s3-credentials"  # the name of a Secret
HOST_ENDPOINT = f"http://{HOST_ADDRESS}:{S3_PORT}"
POD_ENDPOINT = f"http://{NAME}.{NAMESPACE}.svc.{CLUSTER_DOMAIN}:{S3_PORT}"
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Access:
    """Who may use the server.

    Attributes:
        access_key: made anew for each cluster.
        secret_key: its secret.
    """

    access_key: str
    secret_key: str

    @property
    def env(self) -> dict[str, str]:
        """What a command on the host needs to use the server."""
        return {
            variables.AWS_ACCESS_KEY_ID: self.access_key,
            variables.AWS_SECRET_ACCESS_KEY: self.secret_key,
            variables.S3_ENDPOINT: HOST_ENDPOINT,
            variables.S3_REGION: REGION,
            variables.S3_ADDRESSING_STYLE: "Path",
        }

    def client(self) -> Any:  # noqa: ANN401  # boto3 makes its types at run time
        """A client on the host."""
        return boto3.client(
            "s3",
            endpoint_url=HOST_ENDPOINT,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                connect_timeout=3,
                read_timeout=60,
                retries={"total_max_attempts": 3},
                s3={"addressing_style": "path"},
            ),
        )


def start() -> Access:
    """Start the server over an empty folder, with one bucket.

    Raises:
        CommandError: it did not come up.
    """
    data = home() / "s3"
    data.mkdir(parents=True, exist_ok=True)
    access = Access(secrets.token_hex(10), secrets.token_hex(20))
    file = _file()
    file.touch(0o600)
    file.write_text(json.dumps(asdict(access)))
    address = f"{HOST_ADDRESS}:{S3_PORT}"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home()),
        "ROOT_ACCESS_KEY": access.access_key,
        "ROOT_SECRET_KEY": access.secret_key,
    }
    program = str(binary("versitygw"))
    command = [program, "--port", address, "--region", REGION, "posix", str(data)]
    record = records.write(NAME, command, env, home() / "logs" / "s3.log")
    record.start()
    deadline = time.monotonic() + READY_SECONDS
    while not _has_bucket(access):
        if time.monotonic() > deadline or record.pid is None:
            raise CommandError(f"the S3 server did not come up:\n{record.tail()}")
        time.sleep(0.1)
    return access


def access() -> Access:
    """Who may use the running cluster's server.

    Raises:
        FileNotFoundError: there is no cluster.
    """
    return Access(**json.loads(_file().read_text()))


def upload_examples(access: Access, presets: Sequence[str]) -> int:
    """Put the models and items of examples into the bucket; returns how many files."""
    client = access.client()
    count = 0
    for preset in presets:
        folder = examples.FOLDER / preset
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                key = f"demo/{preset}/{path.relative_to(folder)}"
                client.upload_file(str(path), BUCKET, key)
                count += 1
    return count


def make_service(cluster: Cluster) -> None:
    """Let pods find the server by name."""
    cluster.make_namespace(NAMESPACE)
    metadata = {"name": NAME, "namespace": NAMESPACE}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"ports": [{"name": "s3", "port": S3_PORT, "protocol": "TCP"}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata | {"labels": {"kubernetes.io/service-name": NAME}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [HOST_ADDRESS], "conditions": {"ready": True}}],
            "ports": [{"name": "s3", "port": S3_PORT, "protocol": "TCP"}],
        },
    )


def make_secret(cluster: Cluster, namespace: str) -> None:
    """Give a namespace's runs the right to use the server."""
    keys = access().env
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace},
            "stringData": {name: value for name, value in keys.items() if name.startswith("AWS_")},
        }
    )


def _has_bucket(access: Access) -> bool:
    try:
        access.client().create_bucket(Bucket=BUCKET)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"] in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
    except botocore.exceptions.BotoCoreError:
        return False
    return True


def _file() -> Path:
    return home() / "s3-access.json"
