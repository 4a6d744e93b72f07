"""Experts with more or fewer rows for tokens take part in a run with the base's vocabulary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from cycleqd.errors import CheckpointError
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.run.admission import admit
from cycleqd.run.models import RunModels
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore, open_store
from tests.checkpoints import WORDS, write_tokenizer
from tests.run.test_a_run_is_continued_from_any_folder import lay_out
from tests.run.test_children_learn_from_the_swarm import evolve
from tests.weights.damage import edit_config, edit_state

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime

EMBEDDINGS = "model.embed_tokens.weight"


def resize(folder: Path, rows: int) -> None:
    """Give a checkpoint another number of rows, and a tokenizer of as many tokens."""

    def resized(state: dict[str, torch.Tensor]) -> None:
        kept = state[EMBEDDINGS][:rows]
        added = torch.ones(rows - len(kept), kept.shape[1], dtype=kept.dtype)
        state[EMBEDDINGS] = torch.cat([kept, added])

    edit_state(folder, resized)
    edit_config(folder, vocab_size=rows)
    write_tokenizer(folder, [*WORDS, *(f"<|{n}|>" for n in range(len(WORDS), rows))])


def choose(place: Path, **choices: str) -> None:
    path = place / "run.json"
    document: dict[str, Any] = json.loads(path.read_text())
    for expert in document["spec"]["experts"]:
        if expert["name"] in choices:
            expert["vocabulary"] = choices[expert["name"]]
    document["spec"]["evaluation"] = {"engine": "transformers", "maxModelLen": 64}
    for task in document["spec"]["tasks"]:
        task["maxNewTokens"] = 4
    path.write_text(json.dumps(document))


def test_a_run_of_them_is_made_verified_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = lay_out(tmp_path / "place", generations=1)
    monkeypatch.chdir(place)
    resize(place / "models/sql", 53)
    resize(place / "models/python", 44)
    manifest = load_manifest(place / "run.json")
    with pytest.raises(CheckpointError) as caught:
        admit(MemoryStore(), manifest, checkpoints=place / "scratch")
    first, second = str(caught.value).splitlines()
    assert first.startswith("spec.experts[0].uri: models/sql/config.json: vocab_size: found 53, ")
    assert second.startswith("spec.experts[1].uri: models/python/config.json: vocab_size: found 44")
    assert all("write `vocabulary: Base` beside its uri" in line for line in (first, second))

    choose(place, sql="Base", python="Base")
    manifest, said = load_manifest(place / "run.json"), list[str]()
    objects = open_store(str(place / "store"))
    run = admit(objects, manifest, checkpoints=place / "scratch", say=said.append)
    assert "expert sql: the base's tokenizer is used, without '<|42|>'" in said
    evolve(run, place / "scratch")
    models = RunModels(run, place / "scratch").under_way()
    assert {slot.shape for slot in models.revision.layout.tensors if "embed" in slot.name} == {
        (48, 64)
    }
    verified = Verifier(
        run, lambda candidate: models.materializer.digest(models.genome(candidate))
    ).verify()
    assert verified.weights > 2

    child = keys.child(0)
    models.export(child, tmp_path / "member")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "member")
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "member"))
    assert model.config.vocab_size == 48
    assert tokenizer("the cat").input_ids == [39, 40]
    base = (place / "models/base/tokenizer.json").read_bytes()
    assert (tmp_path / "member/tokenizer.json").read_bytes() == base


def test_the_choice_is_part_of_what_a_run_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = lay_out(tmp_path / "place", generations=1)
    monkeypatch.chdir(place)
    choose(place)
    plain = load_manifest(place / "run.json")
    before = admit(MemoryStore(), plain, checkpoints=place / "scratch").document
    assert b"vocabulary" not in before.to_bytes()
    choose(place, sql="Base")
    after = admit(MemoryStore(), load_manifest(place / "run.json"), checkpoints=place / "scratch")
    assert after.document.run_id != before.run_id
    assert after.document.experts == before.experts, "rows are equal, so the weights are"
