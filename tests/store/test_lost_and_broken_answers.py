"""Answers that get lost or break on the way neither lose an object nor lie about who created it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from cycleqd.errors import StoreUnavailable
from cycleqd.store import S3Settings
from cycleqd.store.s3 import S3Store
from tests.store.faulty_servers import stub_s3, wire

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "stub", "AWS_SECRET_ACCESS_KEY": "stub"}


@pytest.fixture
def versity(versitygw, aws_env):
    aws_env(versitygw.env)
    return versitygw


def through(line, server, prefix):
    settings = replace(server.settings, endpoint=line.endpoint)
    return S3Store(server.bucket, prefix, settings, attempts=3, part_bytes=5 << 20)


@pytest.mark.s3
def test_a_create_whose_answer_was_lost_is_still_ours(versity):
    with wire(versity.endpoint, cut_after=0) as line:
        assert through(line, versity, "lost").create("a", b"mine") is True
        assert line.cut == 1
    with wire(versity.endpoint, cut_after=0) as line:
        assert through(line, versity, "lost").create("a", b"other") is False
        assert line.cut == 1
        assert through(line, versity, "lost").read("a") == b"mine"


@pytest.mark.s3
def test_a_read_goes_on_where_the_connection_broke(versity, tmp_path):
    data = os.urandom(1 << 20) * 40
    (tmp_path / "file").write_bytes(data)
    with wire(versity.endpoint) as line:
        store = through(line, versity, "broken")
        store.create_file("x", tmp_path / "file")
        for cuts, read in ((1, lambda: store.read("x")), (3, lambda: download(store, tmp_path))):
            line.cut_after, line.cut, line.cuts = 3 << 20, 0, cuts
            assert read() == data
            assert line.cut == cuts


def download(store, tmp_path):
    store.download("x", tmp_path / "target")
    return (tmp_path / "target").read_bytes()


@pytest.mark.s3
def test_a_small_read_that_breaks_is_fetched_again(versity):
    data = os.urandom(300_000)
    with wire(versity.endpoint) as line:
        store = through(line, versity, "small")
        store.create("x", data)
        line.cut_after = 100_000
        assert store.read("x") == data
        assert line.cut == 1


@pytest.mark.s3
def test_a_server_that_goes_away_during_a_read_is_unavailable(versity, tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(1 << 20) * 40)
    with wire(versity.endpoint) as line:
        store = through(line, versity, "away")
        store.create_file("x", tmp_path / "file")
        line._dies, line.cut_after = True, 3 << 20
        with pytest.raises(StoreUnavailable, match=r"spec\.storage\.s3\.endpoint"):
            store.download("x", tmp_path / "target")
        assert not (tmp_path / "target").exists()


def test_conflicts_of_racing_writers_are_tried_again(aws_env):
    aws_env(CREDENTIALS)
    with stub_s3(conflicts=2) as server:
        store = S3Store("bucket", "", S3Settings(endpoint=server.endpoint, region="us-east-1"))
        assert store.create("a", b"1") is True
        assert server.conflicts == 0
        assert store.create("a", b"2") is False
