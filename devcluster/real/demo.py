"""Following one of the examples on the cluster from `kubectl apply` to its end, line by line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from devcluster.base.commands import CommandError, say
from devcluster.real import storage
from devcluster.real.installation import DEMO_NAMESPACE
from devcluster.real.layout import ROOT, home

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster

FOLLOW_SECONDS = 3600.0
LOOK_SECONDS = 2.0

AFTERWARDS = """\
The archives are in s3://cycleqd/runs/{name}. To write and read the report on this machine:

set -a; . {credentials}; set +a
.venv/bin/cycleqd report s3://cycleqd/runs/{name} --out out/{name}-report"""


def follow(cluster: Cluster, example: str) -> None:
    """Apply an example and follow it until it is Complete.

    Args:
        cluster: of `make cluster`.
        example: folder of manifests/examples/cluster, and name of its run.

    Raises:
        CommandError: the run failed, or took too long.
    """
    folder = ROOT / "manifests" / "examples" / "cluster" / example
    say(f"kubectl apply -k {folder.relative_to(ROOT)}")
    cluster.kubectl("apply", "-k", str(folder))
    deadline = time.monotonic() + FOLLOW_SECONDS
    started = time.monotonic()
    seen = ""
    while True:
        status = (cluster.get("cqd", example, DEMO_NAMESPACE) or {}).get("status", {})
        line = describe(status)
        if line != seen:
            say(f"{time.monotonic() - started:5.0f} s  {line}")
            seen = line
        if condition(status, "Complete") == "True":
            break
        if condition(status, "Failed") == "True" or time.monotonic() > deadline:
            print(cluster.kubectl("describe", "cqd", example, "-n", DEMO_NAMESPACE).stdout)
            raise CommandError(f"run {example} did not complete: {line}")
        time.sleep(LOOK_SECONDS)
    print(cluster.kubectl("get", "cqd", example, "-n", DEMO_NAMESPACE, "-o", "wide").stdout)
    print(AFTERWARDS.format(name=example, credentials=write_credentials()))


def describe(status: dict[str, Any]) -> str:
    """A run's status in one line."""
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    progressing = conditions.get("Progressing", {})
    workers, archive = status.get("workers", {}), status.get("archive", {})
    evaluations = status.get("evaluations", {})
    parts = [
        progressing.get("reason", "not seen yet"),
        f"generation {status.get('generation', -1)}/{status.get('generations', '?')}",
        f"evaluations {evaluations.get('succeeded', 0)}",
        f"coverage {archive.get('coverage', '-')}",
        f"QD {archive.get('qdScore', '-')}",
        f"workers {workers.get('ready', 0)}/{workers.get('desired', 0)}",
    ]
    ready = conditions.get("WorkersReady", {})
    if ready.get("status") == "False" and ready.get("message"):
        parts.append(f"{ready['reason']}: {ready['message']}")
    return "  ".join(parts)


def condition(status: dict[str, Any], kind: str) -> str:
    """The status of one condition, `Unknown` where there is none."""
    found = [each["status"] for each in status.get("conditions", ()) if each["type"] == kind]
    return str(found[0]) if found else "Unknown"


def write_credentials() -> str:
    """Write the environment by which commands on this machine reach the cluster's S3 server."""
    file = home() / "s3.env"
    file.touch(0o600)
    variables = storage.access().env.items()
    file.write_text("".join(f"{name}={value}\n" for name, value in variables))
    return str(file)
