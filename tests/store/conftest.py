"""Every back end as one parametrised fixture, ``backend``, and stores on it."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from cycleqd.store import MemoryStore, ObjectStore, PrefixedStore, S3Settings
from cycleqd.store.folder import FolderStore
from cycleqd.store.s3 import S3Store
from tests.servers.s3 import PART_BYTES, S3Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

S3_NAMES = ("versitygw", "minio")
ALL = ("memory", "prefixed", "folder", *(pytest.param(n, marks=pytest.mark.s3) for n in S3_NAMES))


@dataclass
class Backend:
    """One back end with an empty place of its own.

    `uri`, `settings` and `env` are what another process needs to open the same place.
    """

    name: str
    make: Callable[[], ObjectStore]
    uri: str = ""
    settings: S3Settings | None = None
    env: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None  # where the objects are ordinary files, if they are

    def file(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key


def s3_backend(server: S3Server) -> Backend:
    prefix = f"t-{secrets.token_hex(6)}"
    return Backend(
        server.name,
        lambda: S3Store(server.bucket, prefix, server.settings, part_bytes=PART_BYTES, attempts=3),
        server.uri(prefix),
        server.settings,
        server.env,
        server.folder / server.bucket / prefix,
    )


@pytest.fixture
def aws_env(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Replace this process's AWS variables by those given."""

    def use(env: dict[str, str]) -> None:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.fixture(params=ALL)
def backend(
    request: pytest.FixtureRequest, tmp_path: Path, aws_env: Callable[[dict[str, str]], None]
) -> Iterator[Backend]:
    name = request.param
    if name in S3_NAMES:
        made = s3_backend(request.getfixturevalue(name))
        aws_env(made.env)
        yield made
    elif name == "folder":
        root = tmp_path / "store"
        yield Backend(name, lambda: FolderStore(root), str(root), folder=root)
    else:
        inner = MemoryStore()
        prefixed = PrefixedStore(inner, "runs/one")
        yield Backend(name, lambda: inner if name == "memory" else prefixed)


@pytest.fixture
def store(backend: Backend) -> ObjectStore:
    return backend.make()
