"""What a user can get wrong about a store is answered with the field and the remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from cycleqd.errors import (
    ConditionalWritesUnsupported,
    InputError,
    ObjectNotFound,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from cycleqd.store import S3Settings, open_store
from cycleqd.store.s3 import S3Store
from cycleqd.store.s3_client import make_client
from cycleqd.store.s3_errors import s3_errors
from tests.store.faulty_servers import stub_s3

NO_CREDENTIALS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("", "spec.storage.uri: is empty"),
        ("gs://bucket/x", "spec.storage.uri: stores of scheme 'gs' are unknown"),
        ("s3://", "spec.storage.uri: '' is no bucket name"),
        ("s3://AB/x", "spec.storage.uri: 'AB' is no bucket name"),
        ("s3://bucket/a//b", "spec.storage.uri: 'a//b' cannot be a prefix"),
        ("s3://bucket/../b", "spec.storage.uri: '../b' cannot be a prefix"),
        ("s3://bucket/a?x=1", "spec.storage.uri: 'a?x=1' cannot be a prefix"),
        ("s3://host:9000/bucket", "spec.storage.s3.endpoint"),
    ],
)
def test_uris_that_are_refused(uri, message):
    with pytest.raises(InputError) as caught:
        open_store(uri)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"endpoint": "localhost:9000"}, "spec.storage.s3.endpoint"),
        ({"endpoint": "ftp://host"}, "spec.storage.s3.endpoint"),
        ({"endpoint": "http://host:99999"}, "spec.storage.s3.endpoint"),
        ({"endpoint": "http://host/bucket"}, "spec.storage.s3.endpoint"),
        ({"ca_bundle": Path("/no/such/file")}, "spec.storage.s3.caBundle"),
        ({"addressing_style": "host"}, "spec.storage.s3.addressingStyle"),
        ({"addressing_style": "path"}, "spec.storage.s3.addressingStyle"),
        ({"checksums": "never"}, "spec.storage.s3.checksums"),
    ],
)
def test_settings_that_are_refused(settings, field):
    with pytest.raises(InputError) as caught:
        S3Settings(**settings)
    assert str(caught.value).startswith(f"{field}: ")


def test_an_unknown_profile(aws_env):
    aws_env({**NO_CREDENTIALS, "AWS_PROFILE": "nobody"})
    with pytest.raises(InputError, match=r"^AWS_PROFILE: .*nobody"):
        open_store("s3://bucket/x", S3Settings())


def test_missing_credentials(aws_env):
    aws_env(NO_CREDENTIALS)
    store = open_store("s3://bucket/x", S3Settings(endpoint="http://127.0.0.1:9"))
    with pytest.raises(StoreDenied, match=r"AWS_ACCESS_KEY_ID .*\(AWS_PROFILE\)"):
        store.probe()


@pytest.mark.parametrize(
    ("status", "code", "error", "hint"),
    [
        (404, "NoSuchBucket", StoreRefused, "create it, or correct spec.storage.uri"),
        (404, "NoSuchKey", ObjectNotFound, "no such object"),
        (403, "SignatureDoesNotMatch", StoreDenied, "refuses the credentials"),
        (403, "InvalidAccessKeyId", StoreDenied, "AWS_ACCESS_KEY_ID"),
        (400, "ExpiredToken", StoreDenied, "refuses the credentials"),
        (403, "AccessDenied", StoreDenied, "allow s3:GetObject"),
        (301, "PermanentRedirect", StoreRefused, "spec.storage.s3.region to 'eu-north-1'"),
        (400, "AuthorizationHeaderMalformed", StoreRefused, "spec.storage.s3.region"),
        (507, "XMinioStorageFull", StoreFull, "no room left"),
        (403, "QuotaExceeded", StoreFull, "raise the quota"),
        (501, "NotImplemented", ConditionalWritesUnsupported, "If-None-Match"),
        (503, "SlowDown", StoreUnavailable, "after all retries"),
        (500, "InternalError", StoreUnavailable, "HTTP 500"),
        (418, "Teapot", StoreError, "answers Teapot (HTTP 418)"),
    ],
)
def test_answers_of_servers(aws_env, status, code, error, hint):
    aws_env({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
    client = make_client(S3Settings(endpoint="http://127.0.0.1:9", region="us-east-1"))
    answer = {
        "Error": {"Code": code, "Message": "m"},
        "ResponseMetadata": {
            "HTTPStatusCode": status,
            "HTTPHeaders": {"x-amz-bucket-region": "eu-north-1"},
        },
    }
    with pytest.raises(error) as caught, s3_errors("cannot x", client, "bucket"):
        raise ClientError(answer, "PutObject")
    assert type(caught.value) is error
    assert str(caught.value).startswith("cannot x: ")
    assert hint in str(caught.value)


def test_a_server_that_speaks_no_tls(aws_env):
    aws_env({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
    with stub_s3() as server:
        secure = S3Settings(endpoint=server.endpoint.replace("http:", "https:"), region="us-east-1")
        with pytest.raises(
            StoreRefused, match=r"correct the scheme .* spec\.storage\.s3\.endpoint"
        ):
            S3Store("bucket", "", secure, attempts=1).read("a")


@pytest.mark.s3
@pytest.mark.parametrize("name", ["versitygw", "minio"])
def test_real_servers(name, request, aws_env):
    server = request.getfixturevalue(name)
    aws_env(server.env)
    with pytest.raises(StoreError, match="no bucket 'elsewhere'"):
        open_store("s3://elsewhere/x", server.settings).probe()
    other = replace(server.settings, region="eu-north-1")
    open_store(server.uri("x"), other).probe()  # the server names its region and is believed
    aws_env({**server.env, "AWS_SECRET_ACCESS_KEY": "wrong"})
    with pytest.raises(StoreDenied, match="refuses the credentials"):
        open_store(server.uri("x"), server.settings).probe()
    aws_env({**server.env, "AWS_ACCESS_KEY_ID": "wrong"})
    with pytest.raises(StoreDenied, match="refuses the credentials"):
        open_store(server.uri("x"), server.settings).probe()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot create"):
        open_store(str(tmp_path / "file" / "store")).probe()
    store = open_store(str(tmp_path / "store"))
    store.create("a", b"")
    with pytest.raises(StoreError, match="cannot create a/b"):
        store.create("a/b", b"")  # an object is no folder
    store.create("c/d", b"")
    with pytest.raises(StoreError, match="cannot create c"):
        store.create("c", b"")
    with pytest.raises(StoreError, match=r"cannot read .*missing"):
        store.create_file("x", tmp_path / "missing")
