"""On a real S3 server, with kills, a run gives byte for byte what it gives in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cycleqd.store import access, open_store
from tests.run.chaos import assert_same, run_with_kills
from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.s3, pytest.mark.timeout(3000)]


def test_kills_on_s3_change_nothing(
    short_manifest: Path,
    short_store: Path,
    versitygw: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in versitygw.env.items():
        monkeypatch.setenv(name, value)
    for name, value in access.environment_of(versitygw.settings).items():
        monkeypatch.setenv(name, value)
    uri = versitygw.uri("tiny")
    chaos = run_with_kills(short_manifest, uri, workers=3, kills=4, seed=3)
    assert chaos.kills.total() >= 1
    assert_same(open_store(str(short_store)), open_store(uri, versitygw.settings))
