"""Runs of tests: a small tiny.yaml on the cluster, and the same on this machine to compare with.

A run is real from end to end: its models and items lie in a real S3 server, the operator makes its
Jobs, played nodes run their pods as processes, and these evolve real (if very small) models.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import yaml
from devcluster.base.binaries import ROOT
from devcluster.base.locks import held

from cycleqd.store import open_store
from cycleqd.store.access import environment_of
from tests.controlplane.jobs import condition_of, eventually
from tests.run.chaos import contents
from tests.run.tiny import MANIFEST
from tests.servers.s3 import BUCKET, REGION

if TYPE_CHECKING:
    import pytest
    from devcluster.base.cluster import Cluster, Json

    from tests.servers.s3 import S3Server

NAME = "tiny"
SECRET = "s3-credentials"
DEMO = ROOT / "out" / "demo" / "tiny"
COMPLETE_SECONDS = 1200


def small_manifest(server: S3Server, prefix: str, generations: int, **spec: Any) -> Json:
    """tiny.yaml with fewer items and candidates, some tuned; its data and store in S3."""
    document: Json = yaml.safe_load(
        MANIFEST.read_text().replace("out/demo/", f"s3://{BUCKET}/demo/")
    )
    for task in document["spec"]["tasks"]:
        task["items"] |= {"searchLimit": 8, "testLimit": 6}
    document["spec"]["evolution"] |= {
        "generations": generations,
        "candidatesPerGeneration": 4,
        "tune": {"share": "0.3", "rank": 4, "epochs": 1},
    }
    s3 = {"endpoint": server.endpoint, "region": REGION, "credentialsSecretRef": {"name": SECRET}}
    document["spec"] |= {"storage": {"uri": server.uri(prefix), "s3": s3}, **spec}
    return document


def upload_demo(server: S3Server) -> None:
    """Put the tiny example's models and items into the bucket, under ``demo/tiny``."""
    client = server.client()
    for path in sorted(path for path in DEMO.rglob("*") if path.is_file()):
        client.upload_file(str(path), BUCKET, f"demo/tiny/{path.relative_to(DEMO)}")


def reference_run(server: S3Server, generations: int, folder: Path) -> dict[str, bytes]:
    """What `cycleqd run` of the small manifest stores with so many generations.

    It is run once for each folder, whichever process of the tests asks first.
    """
    store, done = folder / "store", folder / "done"
    with held(folder / "lock", COMPLETE_SECONDS):
        if not done.exists():
            run_here(small_manifest(server, "reference", generations), server, store)
            done.touch()
    return archives_of(contents(open_store(str(store))))


def run_here(document: Json, server: S3Server, store: Path) -> None:
    """`cycleqd run` of a manifest on this machine, with checkpoints and items in S3."""
    manifest = store.with_name("run.yaml")
    manifest.write_text(yaml.safe_dump(document))
    command = [sys.executable, "-m", "cycleqd.cli", "run", str(manifest), "--store", str(store)]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    environment |= {**server.env, **environment_of(server.settings), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--no-report"],
        env=environment,
        cwd=store.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMPLETE_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def archives_of(objects: dict[str, bytes]) -> dict[str, bytes]:
    """What must be the same wherever and however often interrupted a manifest is run.

    The accepted manifest itself differs (where it is stored, how many workers), and a folder keeps
    models of members that a bucket does not.
    """
    parts = ("generations/", "candidates/", "experts/", "final/", "aggregate/")
    return {
        key: content
        for key, content in objects.items()
        if key.startswith(parts) and "/model/" not in key
    }


@dataclass(frozen=True)
class ClusterRun:
    """A CycleQDRun in a namespace of its own.

    Attributes:
        cluster: where it was applied.
        namespace: of the run.
        server: where its store lies.
        document: as applied.
    """

    cluster: Cluster
    namespace: str
    server: S3Server
    document: Json

    def apply(self) -> None:
        """Make the Secret and the run, as a user does."""
        credentials = {k: v for k, v in self.server.env.items() if "KEY" in k}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": credentials,
        }
        self.cluster.apply(secret, self.document, namespace=self.namespace)

    def patch(self, spec: Json, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Edit the run's spec by a merge patch."""
        body = json.dumps({"spec": spec})
        arguments = ["patch", "cqd", NAME, "-n", self.namespace, "--type=merge", "-p", body]
        return self.cluster.kubectl(*arguments, check=check)

    def get(self) -> Json:
        """The object."""
        found = self.cluster.get("cqd", NAME, self.namespace)
        assert found is not None
        return found

    def has(self, condition: str) -> bool:
        """Whether a condition holds."""
        return condition_of(self.get(), condition) == "True"

    def condition(self, kind: str) -> Json:
        """A condition with its reason and message; empty texts where there is none yet."""
        found = (self.get().get("status") or {}).get("conditions") or []
        return next((c for c in found if c["type"] == kind), {"reason": "", "message": ""})

    def events(self) -> list[tuple[str, str]]:
        """Reasons and messages of what was told of the run, oldest first."""
        found = self.cluster.list("events", self.namespace)
        own = [event for event in found if event["involvedObject"]["name"] == NAME]
        own.sort(key=lambda event: event.get("eventTime") or event["firstTimestamp"])
        return [(event["reason"], event["message"]) for event in own]

    def progress(self) -> Json:
        """What the coordinator told last; empty before its first word."""
        found = self.cluster.get("configmap", f"{NAME}-progress", self.namespace)
        text = ((found or {}).get("data") or {}).get("progress")
        return json.loads(text) if text else {}

    def wait_for_generation(self, generation: int, seconds: float = 600) -> None:
        """Wait until a generation is committed; the run must not have ended by then."""
        eventually(lambda: self.progress().get("generation", -1) >= generation, seconds)

    def wait_for_complete(self, seconds: float = COMPLETE_SECONDS) -> Json:
        """Wait until it is Complete; fails as soon as it is Failed."""

        def ended() -> bool:
            run = self.get()
            assert condition_of(run, "Failed") != "True", json.dumps(run["status"], indent=1)
            return condition_of(run, "Complete") == "True"

        try:
            eventually(ended, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None
        return self.get()

    def pods(self, component: str) -> list[Json]:
        """Pods of one role that are neither ended nor on their way out."""
        selector = f"cycleqd.io/run={NAME},app.kubernetes.io/component={component}"
        return [
            pod
            for pod in self.cluster.list("pods", self.namespace, selector)
            if pod["status"].get("phase") in {"Pending", "Running"}
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def archives(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
        """What its store in S3 holds, but results, whose telemetry tells the time."""
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in self.server.env.items():
            monkeypatch.setenv(name, value)
        boto3.DEFAULT_SESSION = None
        uri = f"{self.document['spec']['storage']['uri']}/{NAME}"
        return archives_of(contents(open_store(uri, self.server.settings)))

    def story(self) -> str:
        """What a person would look at when the run does not end."""
        scope = ["-n", self.namespace]
        shown = [
            self.cluster.kubectl(*command, check=False).stdout
            for command in (
                ("describe", "cqd", NAME, *scope),
                ("get", "jobs,pods", "-o", "wide", *scope),
                ("get", "events", "--sort-by=.lastTimestamp", *scope),
            )
        ]
        return "\n".join(text[-4000:] for text in shown)
