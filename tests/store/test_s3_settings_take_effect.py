"""Each field of `S3Settings` changes what is sent, against real servers where one can tell."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from dataclasses import replace

import pytest

from cycleqd.errors import StoreRefused
from cycleqd.store import S3Settings
from cycleqd.store.s3 import S3Store
from tests.servers.s3 import PART_BYTES, running


def sent_headers(store, operation):
    headers = []
    store._client.meta.events.register(
        f"before-send.s3.{operation}", lambda request, **_: headers.append(dict(request.headers))
    )
    return headers


@pytest.mark.s3
@pytest.mark.parametrize("name", ["versitygw", "minio"])
@pytest.mark.parametrize("checksums", ["WhenSupported", "WhenRequired"])
def test_checksums(name, checksums, request, aws_env, tmp_path):
    server = request.getfixturevalue(name)
    aws_env(server.env)
    settings = replace(server.settings, checksums=checksums)
    store = S3Store(server.bucket, f"sums-{name}-{checksums}", settings, part_bytes=PART_BYTES)
    puts, parts = sent_headers(store, "PutObject"), sent_headers(store, "UploadPart")
    store.probe()
    file = tmp_path / "file"
    file.write_bytes(os.urandom(1 << 20) * 11)
    assert store.create_file("big", file) is True
    assert store.create("small", b"content") is True
    assert store.read("big") == file.read_bytes()
    assert store.read("small") == b"content"
    for headers in (puts[-1], parts[-1]):
        named = any(header.lower().startswith("x-amz-checksum-crc32") for header in headers)
        assert named is (checksums == "WhenSupported")


def test_addressing_style(aws_env):
    aws_env({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
    urls = {}
    for style in ("Auto", "Path", "Virtual"):
        settings = S3Settings(endpoint="http://s3.example", addressing_style=style)
        client = S3Store("bucket", "", settings)._client
        urls[style] = client.generate_presigned_url(
            "get_object", Params={"Bucket": "bucket", "Key": "k"}
        )
    assert urls["Auto"].startswith("http://s3.example/bucket/k?")
    assert urls["Path"].startswith("http://s3.example/bucket/k?")
    assert urls["Virtual"].startswith("http://bucket.s3.example/k?")


@pytest.mark.s3
def test_tls_with_a_private_ca(aws_env, tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.fail("this test makes a certificate with the openssl command")
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=s3", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    ssl.create_default_context(cafile=str(certificate))
    with running("versitygw", tmp_path / "server", tls=(certificate, key)) as server:
        aws_env(server.env)
        assert server.endpoint.startswith("https://")
        trusting = replace(server.settings, ca_bundle=certificate)
        store = S3Store(server.bucket, "tls", trusting)
        store.probe()
        file = tmp_path / "file"
        file.write_bytes(os.urandom(1 << 20) * 20)
        assert store.create_file("big", file) is True
        assert store.read("big") == file.read_bytes()
        assert store.create_file("big", file) is False
        # The server refuses before it has read the body; over TLS that must not look like a fault.
        for size in (1, 100_000, 9_000_000):
            assert store.create(f"of/{size}", os.urandom(size)) is True
            assert store.create(f"of/{size}", os.urandom(size)) is False
        hasty = S3Store(server.bucket, "tls", trusting, attempts=1)
        monkeypatch.setattr(hasty, "exists", lambda _: False)  # as when two writers race
        assert hasty.create("of/9000000", os.urandom(9_000_000)) is False
        distrusting = S3Store(server.bucket, "tls", server.settings, attempts=1)
        with pytest.raises(StoreRefused, match=r"spec\.storage\.s3\.caBundle"):
            distrusting.probe()
        named = replace(trusting, endpoint=server.endpoint.replace("127.0.0.1", "localhost"))
        with pytest.raises(StoreRefused, match=r"spec\.storage\.s3\.endpoint"):
            S3Store(server.bucket, "tls", named, attempts=1).probe()
