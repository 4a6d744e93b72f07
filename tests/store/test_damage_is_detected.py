"""A byte that flips on the disk under a store is never returned as content."""

from __future__ import annotations

import os
import shutil

import pytest

from cycleqd.errors import StoreCorrupt
from cycleqd.store import open_store

ON_DISK = ["folder", pytest.param("versitygw", marks=pytest.mark.s3)]
KEY = "candidates/c1/genome.safetensors"


def flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("backend", ON_DISK, indirect=True)
@pytest.mark.parametrize("size", [100, 12 << 20, 40 << 20])
def test_a_flipped_bit(backend, size, tmp_path):
    store = backend.make()
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1 << 16) * (size >> 16) + os.urandom(size & 0xFFFF))
    store.create_file(KEY, source)
    assert store.read(KEY) == source.read_bytes()
    flip(backend.file(KEY), size // 2)
    with pytest.raises(StoreCorrupt, match=KEY):
        store.read(KEY)
    target = tmp_path / "local" / "target"
    with pytest.raises(StoreCorrupt, match=KEY):
        store.download(KEY, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("backend", ON_DISK, indirect=True)
@pytest.mark.parametrize("size", [0, 60])
def test_a_truncated_object(backend, size):
    store = backend.make()
    store.create(KEY, os.urandom(100))
    os.truncate(backend.file(KEY), size)
    with pytest.raises(StoreCorrupt, match=KEY):
        store.read(KEY)


@pytest.mark.parametrize("backend", ["folder"], indirect=True)
def test_a_folder_copied_without_its_checksums(backend, tmp_path):
    store = backend.make()
    store.create(KEY, b"content")
    whole = shutil.copytree(backend.folder, tmp_path / "whole")
    assert open_store(str(whole)).read(KEY) == b"content"
    assert open_store(str(whole / "candidates")).read("c1/genome.safetensors") == b"content"
    bare = shutil.copytree(
        backend.folder, tmp_path / "bare", ignore=lambda _d, n: {".sha256"} & set(n)
    )
    with pytest.raises(StoreCorrupt, match="copied without its hidden"):
        open_store(str(bare)).read(KEY)


@pytest.mark.s3
def test_an_object_that_the_store_did_not_write(versitygw, aws_env):
    aws_env(versitygw.env)
    versitygw.client().put_object(Bucket=versitygw.bucket, Key="foreign/x", Body=b"content")
    store = open_store(versitygw.uri("foreign"), versitygw.settings)
    with pytest.raises(StoreCorrupt, match="no recorded checksum"):
        store.read("x")


def test_folder_objects_are_ordinary_files(tmp_path):
    open_store(str(tmp_path)).create("generations/000001/plan.json", b'{"a": 1}')
    assert (tmp_path / "generations/000001/plan.json").read_bytes() == b'{"a": 1}'
    assert (tmp_path / "generations/000001/plan.json").stat().st_nlink == 1
