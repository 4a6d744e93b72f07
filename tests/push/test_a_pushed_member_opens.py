"""What is pushed is the member to the byte, opens in transformers, and has a card of its makers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import yaml

from cycleqd.api.run import Run
from cycleqd.manifest.reader import load_manifest
from cycleqd.push.destinations import Label
from cycleqd.push.pushing import push
from cycleqd.push.to_store import StorePlace
from cycleqd.run.admission import admit
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.weights.checkpoint import Checkpoint
from tests.run.test_a_run_is_continued_from_any_folder import lay_out
from tests.run.weighed import work

pytestmark = pytest.mark.runtime


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """A finished run of checkpoints that all state a licence."""
    place = tmp_path / "place"
    place.mkdir()
    lay_out(place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("CYCLEQD_CACHE", str(tmp_path / "cache"))
    manifest = load_manifest(place / "run.json")
    for source in (manifest.spec.base, *manifest.spec.experts):
        assert source.uri is not None
        (Path(source.uri) / "README.md").write_text("---\nlicense: mit\n---\n")
    run = admit(open_store("store"), manifest, checkpoints=place / "scratch/made")
    work(run, place / "scratch")
    return run


def test_it_is_the_member(run: RunStore, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    member = Run(run.objects).resolve("balanced")
    label = Label(run.document.run_id, member, "model", None)
    place = StorePlace(open_store(str(tmp_path / "pushed")), lambda text: None)
    assert push(run, label, place, partial(Run(run.objects).export, member))
    models = RunModels(run, tmp_path / "scratch").under_way()
    expected = models.materializer.digest(models.stored_genome(member))
    assert Checkpoint.open(tmp_path / "pushed").digest() == expected
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "pushed").num_parameters() > 0
    card = (tmp_path / "pushed/README.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "mit"
    assert str(tmp_path) not in card
