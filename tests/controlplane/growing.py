"""An edit of a run, on whichever cluster: what is wrong is refused, and newcomers join.

No pod of a living run is restarted, and the archives are those of one machine with the same
accepted change.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cycleqd.manifest.reader import parse_manifest
from cycleqd.records import keys
from cycleqd.run.admission import admit
from cycleqd.store import open_store
from tests.controlplane.jobs import eventually
from tests.controlplane.runs import archives_of, run_here, small_manifest
from tests.run.chaos import contents

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.controlplane.runs import ClusterRun
    from tests.servers.s3 import S3Server

NEW = "shell"
GENERATIONS, RAISED = 6, 8
"""Generations go on while newcomers are looked at, so these may join as late as after the last of
the shorter manifest; one generation must be left after that."""
TOLD = ("RevisionRefused", "RevisionAccepted", "Revisiting")
"""Reasons of the events of an edit that is refused, mended and accepted."""


def beginning(server: S3Server) -> dict[str, Any]:
    """The lists of experts and tasks as the run begins with them."""
    spec = small_manifest(server, "unused", GENERATIONS)["spec"]
    return {name: [e for e in spec[name] if e["name"] != NEW] for name in ("experts", "tasks")}


def names(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def grow(run: ClusterRun, *, sees_edits_at_once: bool = True) -> str:
    """Edit a run until an expert and a task more are accepted.

    Args:
        run: applied with two workers, `GENERATIONS` and the `beginning` of its lists.
        sees_edits_at_once: whether the coordinator does. A kubelet takes a minute to show it one,
            by which time the run may have ended and is taken up again by new pods.

    Returns:
        Why the edit was refused at first, for it named a file that is not there.
    """
    server = run.server
    longer = small_manifest(server, "unused", RAISED)["spec"]
    first = beginning(server)
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
    items = newcomer["items"]
    wrong = {**newcomer, "items": {**items, "search": f"{items['search']}.gone"}}
    run.patch({**grown, "tasks": [*known, wrong]})
    eventually(lambda: run.condition("ManifestAccepted")["reason"] == "RevisionRefused", 300)
    refused: str = run.condition("ManifestAccepted")["message"]
    assert f"spec.tasks[{len(known)}].items.search: " in refused
    assert not run.has("Failed")
    run.patch(grown)
    eventually(lambda: run.condition("ManifestAccepted")["reason"] == "RevisionAccepted", 300)
    if sees_edits_at_once:
        assert names(run.pods("worker")) == workers
        assert names(run.pods("coordinator")) == coordinators
    return refused


def check_grown(
    run: ClusterRun,
    refused: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    extensions: int = 0,
) -> None:
    """Wait until a run that grew has all its generations, and compare its archives.

    Args:
        run: the run.
        refused: as `grow` returns it.
        tmp_path: for the run on one machine.
        monkeypatch: for the credentials of the run's store.
        extensions: how often it was given one more than `RAISED` generations, each a revision.
    """
    generations, revisions = RAISED + extensions, 1 + extensions
    server = run.server
    ended = run.wait_for_complete()
    assert ended["status"]["generation"] == generations
    assert ended["status"]["workers"]["failedPods"] == 0
    assert ended["status"]["revision"] == ended["status"]["acceptedRevision"] == revisions
    events = run.events()
    told = [reason for reason, _ in events if reason in TOLD]
    again = told[len(TOLD) :]
    assert told[: len(TOLD)] == [*TOLD], run.story()
    assert again.count("RevisionAccepted") == extensions, run.story()
    # A run that is extended while it revisits may say once more that it does.
    assert len(again) - extensions <= again.count("Revisiting") <= extensions, run.story()
    assert refused in [message for _, message in events]
    found = run.archives(monkeypatch)
    uri = f"{run.document['spec']['storage']['uri']}/{run.document['metadata']['name']}"
    stored = contents(open_store(uri, server.settings))
    accepted = json.loads(stored[keys.revision(1)])
    last = json.loads(found[keys.generation(generations).commit_key])
    assert set(last["archives"]) == {"sql", "python", NEW}

    # On one machine the same change is there from the start: it holds from the same generation on.
    here = open_store(str(tmp_path / "store"))
    begun = small_manifest(server, "reference", GENERATIONS, **beginning(server))
    admit(
        here,
        parse_manifest(json.dumps(begun), "begun"),
        checkpoints=tmp_path / "checkpoints",
        s3=server.settings,
    )
    known = [keys.revision(number) for number in range(1, revisions + 1)]
    for key in (*known, keys.items(NEW, "search"), keys.items(NEW, "test")):
        here.create(key, stored[key])
    run_here(small_manifest(server, "reference", generations), server, tmp_path / "store")
    expected = archives_of(contents(here))
    assert accepted["fromGeneration"] > 1
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []
