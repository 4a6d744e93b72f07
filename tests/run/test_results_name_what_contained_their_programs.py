"""A result says what contained the programs behind its scores; nothing where there were none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cycleqd.evaluation.sandbox import Sandbox
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.records.documents import Telemetry
from cycleqd.run.admission import admit
from cycleqd.store import open_store
from tests.run.test_a_run_is_continued_from_any_folder import lay_out
from tests.run.test_children_learn_from_the_swarm import evolve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime


def containments(place: Path, monkeypatch: pytest.MonkeyPatch) -> set[str | None]:
    """What the results of the experts say, after a run of the manifest."""
    document = json.loads((place / "run.json").read_text())
    document["spec"]["evaluation"] = {"engine": "transformers", "maxModelLen": 128}
    for task in document["spec"]["tasks"]:
        task["maxNewTokens"] = 2
    (place / "run.json").write_text(json.dumps(document))
    monkeypatch.chdir(place)
    objects = open_store(str(place / "store"))
    run = admit(objects, load_manifest(place / "run.json"), checkpoints=place / "scratch")
    evolve(run, place / "scratch")
    results = run.evaluated(keys.generation(0))
    return {result.telemetry.containment for _, result in results}


def test_programs_are_contained_by_what_this_machine_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = lay_out(tmp_path, generations=1)
    document = json.loads((place / "run.json").read_text())
    document["spec"]["tasks"][1]["type"] = "python"
    (place / "run.json").write_text(json.dumps(document))
    for split in ("search", "test"):
        file = place / f"python.{split}.jsonl"
        items = [json.loads(line) for line in file.read_text().splitlines()]
        lines = [json.dumps({"id": i["id"], "prompt": i["prompt"], "tests": "x"}) for i in items]
        file.write_text("\n".join(lines))
    with Sandbox() as box:
        assert containments(place, monkeypatch) == {box.confinement}


def test_where_nothing_ran_nothing_contained_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert containments(lay_out(tmp_path, generations=1), monkeypatch) == {None}


def test_results_of_before_keep_their_bytes() -> None:
    assert b"containment" not in Telemetry(worker=0, host="h", seconds=1.0).to_bytes()
