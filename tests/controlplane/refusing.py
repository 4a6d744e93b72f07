"""A run whose experts do not fit its base: the coordinator refuses it, and no worker begins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.controlplane.jobs import eventually
from tests.servers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.controlplane.runs import ClusterRun
    from tests.servers.s3 import S3Server

GOOD = f"s3://{BUCKET}/demo/tiny/experts"


def wrong_expert(server: S3Server, name: str) -> str:
    """The tiny example's shell expert, whose configuration says another width.

    Args:
        server: has the example.
        name: of a folder for it in the bucket.

    Returns:
        Where it is.
    """
    client = server.client()
    source = "demo/tiny/experts/shell/"
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=source)["Contents"]
    for each in found:
        key = f"{name}/{each['Key'].removeprefix(source)}"
        body = client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        if key.endswith("/config.json"):
            config = json.loads(body)
            body = json.dumps(config | {"hidden_size": 2 * config["hidden_size"]}).encode()
        client.put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{name}"


def with_expert(uri: str) -> dict[str, Any]:
    """The experts of a run whose third one lies there."""
    experts = [{"name": name, "uri": f"{GOOD}/{name}"} for name in ("sql", "python")]
    return {"experts": [*experts, {"name": "shell", "uri": uri}]}


def check_refusal(run: ClusterRun, uri: str, seconds: float) -> None:
    """The run is Failed with the field and the remedy, and nothing but its coordinator was made."""
    eventually(lambda: run.has("Failed"), seconds)
    failed = run.condition("Failed")
    assert failed["reason"] == "ConfigurationRefused", failed
    assert "spec.experts[2].uri: " in failed["message"], failed
    assert f"{uri}/config.json: hidden_size: found" in failed["message"], failed
    assert "must be a fine-tune of s3://" in failed["message"], failed
    assert ("RunFailed", failed["message"]) in run.events()
    # Events tell of what existed, ended and gone as well.
    told = {event["involvedObject"]["name"] for event in run.cluster.list("events", run.namespace)}
    jobs = {job["metadata"]["name"] for job in run.cluster.list("jobs", run.namespace)}
    assert [name for name in told if "coordinator" in name]
    assert [name for name in told | jobs if "worker" in name] == []
