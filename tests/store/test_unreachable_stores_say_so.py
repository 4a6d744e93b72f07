"""A store that cannot be reached, or is gone in the middle, is `StoreUnavailable` (exit 75)."""

from __future__ import annotations

import pytest
from devcluster.base.processes import free_port

from cycleqd.errors import StoreUnavailable
from cycleqd.store import S3Settings
from cycleqd.store.s3 import S3Store
from tests.servers.s3 import running


def test_a_refused_connection_names_endpoint_and_field(aws_env, tmp_path):
    aws_env({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
    endpoint = f"http://127.0.0.1:{free_port()}"
    store = S3Store("bucket", "run", S3Settings(endpoint=endpoint, region="us-east-1"), attempts=2)
    calls = [
        store.probe,
        lambda: store.create("a", b""),
        lambda: store.read("a"),
        lambda: store.exists("a"),
        lambda: list(store.list()),
        lambda: store.children(""),
        lambda: store.delete("a"),
        lambda: store.download("a", tmp_path / "a"),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable) as caught:
            call()
        assert endpoint in str(caught.value)
        assert "spec.storage.s3.endpoint" in str(caught.value)
        assert caught.value.exit_code == 75


@pytest.mark.s3
def test_a_server_killed_between_calls(aws_env, tmp_path):
    with running("versitygw", tmp_path) as server:
        aws_env(server.env)
        store = S3Store(server.bucket, "run", server.settings, attempts=2)
        store.create("a", b"1")
        server.process.kill()
        for call in (lambda: store.read("a"), lambda: store.create("b", b"2")):
            with pytest.raises(StoreUnavailable):
                call()
