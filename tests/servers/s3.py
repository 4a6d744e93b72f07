"""Real S3 servers on loopback: versitygw and MinIO, built by ``scripts/build-tools``.

Each server has random credentials of its own, given in its environment only, a folder on disk that
tests may damage, and one bucket. ``versitygw`` and ``minio`` start once a session, when first
asked for, and stop with it. `S3Server.env` is what a client process needs of the AWS chain.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from devcluster.base.processes import ServerProcess, free_port

from cycleqd.store import S3Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 3000
REGION = "us-east-1"
BUCKET = "cycleqd"
PART_BYTES = 5 << 20  # the least that the protocol allows


@dataclass
class S3Server:
    """A running server with one empty bucket."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    folder: Path
    process: ServerProcess
    ca_bundle: Path | None = None
    bucket: str = BUCKET

    @property
    def settings(self) -> S3Settings:
        return S3Settings(endpoint=self.endpoint, region=REGION)

    @property
    def env(self) -> dict[str, str]:
        """The AWS chain's variables for a client, nothing of this machine's own configuration."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def uri(self, prefix: str) -> str:
        return f"s3://{self.bucket}/{prefix}"

    def client(self) -> Any:  # boto3 makes its types at run time
        """A plain boto3 client, to look at the server without the store."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            verify=None if self.ca_bundle is None else str(self.ca_bundle),
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(connect_timeout=2, read_timeout=30, retries={"total_max_attempts": 1}),
        )


def binary(name: str) -> Path:
    """The built server; builds it when this machine never did (a minute or two, once)."""
    built = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "build-tools"), name],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=BUILD_SECONDS,
    )
    return Path(built.stdout.split()[0])


@contextmanager
def running(
    name: str, folder: Path, data: Path | None = None, tls: tuple[Path, Path] | None = None
) -> Iterator[S3Server]:
    """Run one server.

    `data` is where it keeps objects (a folder below `folder` by default); `tls` a certificate and
    its key (versitygw only).
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = data or folder / "data"
    data.mkdir(exist_ok=True)
    access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
    address = f"127.0.0.1:{free_port()}"
    base = {"PATH": os.environ["PATH"], "HOME": str(folder), "GOMAXPROCS": "2"}
    if name == "versitygw":
        command: list[str | Path] = [
            binary(name),
            "--port",
            address,
            "--region",
            REGION,
            "posix",
            data,
        ]
        if tls:
            command[1:1] = ["--cert", tls[0], "--key", tls[1]]
        env = base | {"ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key}
    else:
        command = [binary(name), "server", data, "--address", address, "--quiet", "--anonymous"]
        env = base | {
            "MINIO_ROOT_USER": access_key,
            "MINIO_ROOT_PASSWORD": secret_key,
            "MINIO_REGION": REGION,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
    process = ServerProcess(command, env, folder / f"{name}.log")
    endpoint = f"{'https' if tls else 'http'}://{address}"
    server = S3Server(name, endpoint, access_key, secret_key, data, process, tls and tls[0])
    try:
        process.wait_until(lambda: _has_bucket(server))
        yield server
    finally:
        process.stop()


def _has_bucket(server: S3Server) -> bool:
    client = server.client()
    try:
        client.create_bucket(Bucket=server.bucket)
    except botocore.exceptions.ClientError as error:
        # A server started again over the same folder has another root user and the old bucket.
        return error.response["Error"]["Code"] in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
    except botocore.exceptions.BotoCoreError:
        return False
    return True


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A versitygw over a folder; `folder/<bucket>/<key>` is the object's file."""
    with running("versitygw", tmp_path_factory.mktemp("versitygw")) as server:
        yield server


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A MinIO of one drive."""
    with running("minio", tmp_path_factory.mktemp("minio")) as server:
        yield server
