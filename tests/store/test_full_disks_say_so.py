"""A full disk or quota under the store is `StoreFull`, and leaves nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import pytest

from cycleqd.errors import StoreFull
from cycleqd.store.folder import FolderStore
from cycleqd.store.s3 import S3Store
from tests.servers.s3 import running

SMALL = 4 << 20


@contextmanager
def small_disk(path):
    """A file system of 4 MiB; only root can mount one."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(path)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, timeout=30, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=30)


def test_folder_on_a_full_disk(tmp_path):
    with small_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("mounting a small disk needs root; the limit on file size stands in below")
        store = FolderStore(tmp_path / "disk" / "store")
        assert store.create("a", os.urandom(1 << 20))
        with pytest.raises(StoreFull, match="No space left") as caught:
            store.create("b", os.urandom(SMALL))
        assert caught.value.exit_code == 74
        assert list(store.list()) == ["a"]
        assert list((tmp_path / "disk/store/.tmp").iterdir()) == []
        assert store.create("b", b"small")  # room is given back
        big = FolderStore(tmp_path / "big")
        big.create("model", os.urandom(SMALL))
        with pytest.raises(StoreFull, match="No space left"):
            big.download("model", tmp_path / "disk" / "local")
        assert not (tmp_path / "disk" / "local").exists()


def test_folder_over_the_limit_of_file_size(tmp_path):
    program = textwrap.dedent("""
        import sys
        from cycleqd.errors import StoreFull
        from cycleqd.store import open_store
        store = open_store(sys.argv[1])
        try:
            store.create("b", bytes(300_000))
        except StoreFull as error:
            print("full", error, list(store.list()))
    """)
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert ended.stdout.startswith("full cannot create b in "), ended.stderr
    assert ended.stdout.endswith("[]\n")
    assert list((tmp_path / "store/.tmp").iterdir()) == []


@pytest.mark.s3
def test_s3_server_on_a_full_disk(tmp_path, aws_env):
    with small_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("mounting a small disk needs root")
        with running("versitygw", tmp_path / "server", tmp_path / "disk") as server:
            aws_env(server.env)
            store = S3Store(server.bucket, "run", server.settings, attempts=2)
            assert store.create("a", b"1")
            with pytest.raises(StoreFull, match="no room left"):
                store.create("b", os.urandom(SMALL + 1))
            assert list(store.list()) == ["a"]
            assert store.create("b", b"small")
