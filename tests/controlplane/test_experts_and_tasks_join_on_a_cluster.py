"""A living run is edited: an expert and a task join it, and its pods go on.

Its archives are those of one machine with the same accepted change, byte by byte.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.manifest.reader import parse_manifest
from cycleqd.records import keys
from cycleqd.run.admission import admit
from cycleqd.store import open_store
from tests.controlplane.jobs import eventually
from tests.controlplane.runs import archives_of, run_here, small_manifest
from tests.run.chaos import contents
from tests.servers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devcluster.played.pod_player import PodPlayer

    from tests.controlplane.runs import ClusterRun
    from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(1800)]

NEW = "shell"
GENERATIONS, RAISED = 6, 8
"""Generations go on while newcomers are looked at, so these may join as late as after the last of
the shorter manifest; one generation must be left after that."""
TOLD = ("RevisionRefused", "RevisionAccepted", "Revisiting")
"""Reasons of the events of an edit that is refused, mended and accepted."""


def without_newcomers(spec: dict[str, Any]) -> dict[str, Any]:
    """The lists of experts and tasks as the run begins with them."""
    return {name: [e for e in spec[name] if e["name"] != NEW] for name in ("experts", "tasks")}


def names(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def test_an_edited_run_grows_and_its_pods_go_on(
    cluster_run: Callable[..., ClusterRun],
    examples: S3Server,
    node: PodPlayer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    longer = small_manifest(examples, "unused", RAISED)["spec"]
    first = without_newcomers(longer)
    run = cluster_run(GENERATIONS, workers={"replicas": 2}, **first)
    run.wait_for_generation(1)
    workers, coordinators = names(run.pods("worker")), names(run.pods("coordinator"))

    shrunk = run.patch({"experts": first["experts"][1:]}, check=False)
    assert shrunk.returncode != 0
    assert "spec.experts" in shrunk.stderr
    grown = {
        "experts": longer["experts"],
        "tasks": longer["tasks"],
        "evolution": {"generations": RAISED},
    }
    *known, newcomer = longer["tasks"]
    wrong = {**newcomer, "items": {**newcomer["items"], "search": f"s3://{BUCKET}/none.jsonl"}}
    run.patch({**grown, "tasks": [*known, wrong]})
    eventually(lambda: run.condition("ManifestAccepted")["reason"] == "RevisionRefused", 300)
    refused = run.condition("ManifestAccepted")["message"]
    assert f"spec.tasks[{len(known)}].items.search: " in refused
    assert not run.has("Failed")
    run.patch(grown)
    edited = run.get()["metadata"]["generation"]
    told = eventually(
        lambda: (p := run.progress())["rejected"] or p["observedGeneration"] == edited, 300
    )
    assert told is True, told
    assert names(run.pods("worker")) == workers
    assert names(run.pods("coordinator")) == coordinators

    ended = run.wait_for_complete()
    assert ended["status"]["generation"] == RAISED
    assert ended["status"]["workers"]["failedPods"] == 0
    assert ended["status"]["revision"] == ended["status"]["acceptedRevision"] == 1
    assert run.condition("ManifestAccepted")["reason"] == "RevisionAccepted"
    events = run.events()
    assert [reason for reason, _ in events if reason in TOLD] == [*TOLD], run.story()
    assert refused in [message for _, message in events]
    found = run.archives(monkeypatch)
    uri = f"{run.document['spec']['storage']['uri']}/{run.document['metadata']['name']}"
    stored = contents(open_store(uri, examples.settings))
    accepted = json.loads(stored[keys.revision(1)])
    last = json.loads(found[keys.generation(RAISED).commit_key])
    assert set(last["archives"]) == {"sql", "python", NEW}

    # On one machine the same change is there from the start: it holds from the same generation on.
    here = open_store(str(tmp_path / "store"))
    begun = small_manifest(examples, "reference", GENERATIONS, **first)
    admit(
        here,
        parse_manifest(json.dumps(begun), "begun"),
        checkpoints=tmp_path / "checkpoints",
        s3=examples.settings,
    )
    for key in (keys.revision(1), keys.items(NEW, "search"), keys.items(NEW, "test")):
        here.create(key, stored[key])
    run_here(small_manifest(examples, "reference", RAISED), examples, tmp_path / "store")
    expected = archives_of(contents(here))
    assert accepted["fromGeneration"] > 1
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []
