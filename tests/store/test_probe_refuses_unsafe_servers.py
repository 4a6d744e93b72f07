"""A server that does not honour ``If-None-Match: *`` is refused before a run trusts it."""

from __future__ import annotations

import pytest

from cycleqd.errors import ConditionalWritesUnsupported
from cycleqd.store import S3Settings
from cycleqd.store.s3 import S3Store
from tests.store.faulty_servers import stub_s3

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "stub", "AWS_SECRET_ACCESS_KEY": "stub"}


def store_on(server):
    settings = S3Settings(endpoint=server.endpoint, region="us-east-1")
    return S3Store("bucket", "run", settings, attempts=2)


def test_an_honest_stub_passes(aws_env):
    aws_env(CREDENTIALS)
    with stub_s3() as server:
        store_on(server).probe()
        assert server.objects == {}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("ignores_put_condition", "8 of 8 racing creates"),
        ("ignores_complete_condition", "multipart upload replaced an existing object"),
        ("refuses_condition", "does not implement"),
    ],
)
def test_an_unsafe_server_is_refused_and_left_clean(aws_env, fault, message):
    aws_env(CREDENTIALS)
    with stub_s3(**{fault: True}) as server:
        with pytest.raises(ConditionalWritesUnsupported, match=message) as caught:
            store_on(server).probe()
        assert "docs/store.md" in str(caught.value)
        assert caught.value.exit_code == 78
        assert server.objects == {}
