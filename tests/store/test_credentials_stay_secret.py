"""Credentials reach the server by the AWS chain alone and appear in no message, repr or log."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace

import pytest

from cycleqd.errors import InputError, StoreError
from cycleqd.store import S3Settings, open_store

SECRET = "wJalrXUtnFEMI/K7MDENG"


@pytest.mark.parametrize(
    "uri", [f"s3://AKIA:{SECRET}@bucket/x", f"s3://{SECRET.lower().replace('/', '')}@bucket"]
)
def test_uris_with_credentials_are_refused_and_not_repeated(uri):
    with pytest.raises(InputError) as caught:
        open_store(uri)
    assert "AWS_SECRET_ACCESS_KEY" in str(caught.value)
    assert "k7mdeng" not in "".join(traceback.format_exception(caught.value)).lower()


@pytest.mark.parametrize(
    "endpoint", [f"https://AKIA:{SECRET}@host", f"https://AKIA:{SECRET.replace('/', '')}@host"]
)
def test_endpoints_with_credentials_are_refused_and_not_repeated(endpoint):
    with pytest.raises(InputError) as caught:
        S3Settings(endpoint=endpoint)
    text = str(caught.value)
    assert SECRET not in text
    assert SECRET.replace("/", "") not in text


@pytest.mark.s3
def test_failures_and_debug_logs_do_not_show_the_secret(versitygw, aws_env, caplog):
    caplog.set_level(logging.DEBUG)
    wrong = "wrong-secret-" + "z" * 20
    shown = []
    for env, settings, uri in [
        (versitygw.env, versitygw.settings, versitygw.uri("ok")),
        (versitygw.env, versitygw.settings, "s3://missing/x"),
        (versitygw.env, replace(versitygw.settings, region="eu-north-1"), versitygw.uri("x")),
        (versitygw.env, replace(versitygw.settings, endpoint="http://127.0.0.1:9"), "s3://abc/x"),
        ({**versitygw.env, "AWS_SECRET_ACCESS_KEY": wrong}, versitygw.settings, versitygw.uri("x")),
        ({**versitygw.env, "AWS_ACCESS_KEY_ID": wrong}, versitygw.settings, versitygw.uri("x")),
    ]:
        aws_env(env)
        store = open_store(uri, settings)
        shown += [repr(store), store.uri, repr(settings)]
        try:
            store.probe()
        except StoreError as error:
            shown += [str(error), *traceback.format_exception(error)]
    assert len(shown) > 30
    messages = "\n".join(shown)
    assert versitygw.secret_key not in messages
    assert versitygw.access_key not in messages
    assert wrong not in messages
    assert len(caplog.text) > 10_000, "nothing was logged; this would prove nothing"
    assert versitygw.secret_key not in caplog.text
    # Botocore's own debug log names the access key, which is no secret; ours does not.
    ours = [record for record in caplog.records if record.name.startswith("cycleqd")]
    assert not any(versitygw.access_key in record.getMessage() for record in ours)
