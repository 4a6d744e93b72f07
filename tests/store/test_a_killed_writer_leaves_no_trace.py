"""SIGKILL of a writer at any instant leaves the object whole or absent, and nothing in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cycleqd.store.s3 import S3Store
from tests.servers.s3 import PART_BYTES

HERE = Path(__file__).parent


def test_folder_writer_killed_at_every_line(tmp_path):
    ended = subprocess.run(
        [sys.executable, str(HERE / "killed_writer.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    instants, absent, present = map(int, ended.stdout.split())
    assert instants == absent + present
    assert absent > 20
    assert present > 5


@pytest.mark.s3
@pytest.mark.parametrize("name", ["versitygw", "minio"])
def test_s3_writer_killed_between_parts(name, request, tmp_path, aws_env):
    server = request.getfixturevalue(name)
    aws_env(server.env)
    prefix = f"killed-{name}"
    file = tmp_path / "w.safetensors"
    file.write_bytes(os.urandom(1 << 20) * 40)
    ended = subprocess.run(
        [
            sys.executable,
            str(HERE / "killed_uploader.py"),
            server.bucket,
            prefix,
            server.endpoint,
            str(file),
        ],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr

    store = S3Store(server.bucket, prefix, server.settings, part_bytes=PART_BYTES)
    assert not store.exists("model/w.safetensors")
    assert list(store.list()) == []
    assert store.children("") == []
    assert store.create_file("model/w.safetensors", file) is True
    assert store.read("model/w.safetensors") == file.read_bytes()

    assert store.sweep() == 0, "a young upload may have a living writer"
    left = _uploads(server, f"{prefix}/model/w.safetensors")
    assert len(left) == 1
    if name == "versitygw":  # MinIO lists uploads of an exact key only and expires them itself
        assert store.sweep(older_than=timedelta(0)) == 1
        assert _uploads(server, f"{prefix}/model/w.safetensors") == []


def _uploads(server, key):
    answer = server.client().list_multipart_uploads(Bucket=server.bucket, Prefix=key)
    return answer.get("Uploads", [])
