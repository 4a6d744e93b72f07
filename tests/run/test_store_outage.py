"""A store that goes away stops the run with its own error; back again, the run goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cycleqd.errors import StoreUnavailable
from cycleqd.store.s3 import S3Store
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest
from tests.servers.s3 import S3Server, running

pytestmark = pytest.mark.s3


class GoesAway(S3Store):
    """Stops the server before the n-th create, as an outage would."""

    def __init__(self, server: S3Server, lives: int) -> None:
        super().__init__(server.bucket, "run", server.settings, attempts=2)
        self._lives = lives
        self._server = server

    def create(self, key: str, data: bytes) -> bool:
        self._lives -= 1
        if self._lives == 0:
            self._server.process.kill()
        return super().create(key, data)


def use(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)


def test_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    with running("versitygw", tmp_path / "first", data) as server:
        use(server, monkeypatch)
        run = begin(GoesAway(server, lives=30), manifest())
        with pytest.raises(StoreUnavailable, match=server.endpoint):
            do_everything(run)
    with running("versitygw", tmp_path / "second", data) as server:
        use(server, monkeypatch)
        store = S3Store(server.bucket, "run", server.settings)
        run = type(run)(store)
        do_everything(run)
        undisturbed = fresh()
        do_everything(undisturbed)
        assert archives(store) == archives(undisturbed.objects)
