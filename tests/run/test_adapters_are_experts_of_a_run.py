"""Adapters take part in a run like full fine-tunes, from admission to an exported member."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from cycleqd.errors import CheckpointError, RunMismatch
from cycleqd.manifest.reader import load_manifest
from cycleqd.run.admission import admit
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore, open_store
from cycleqd.weights.adapter_expert import AdapterExpert
from cycleqd.weights.checkpoint import Checkpoint
from tests.checkpoints import WORDS, write_tokenizer
from tests.run.test_a_run_is_continued_from_any_folder import cycleqd, evolve, lay_out
from tests.weights.peft_adapters import answers, answers_of, opened, trained

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime

Q = "model.layers.0.self_attn.q_proj.weight"


def adapt(folder: Path, *experts: str, **options: object) -> None:
    """Put adapters in the place of experts."""
    for seed, name in enumerate(experts, 1):
        shutil.rmtree(folder / "models" / name)
        settings = {"r": seed + 1, "target_modules": ["q_proj", "up_proj"], **options}
        trained(folder / "models/base", folder / "models" / name, seed=seed, **settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two adapters; ``scratch`` lies beside it."""
    folder = lay_out(tmp_path_factory.mktemp("here"))
    adapt(folder, "sql", "python")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        evolve(folder, folder / "scratch")
    return folder


def test_genomes_have_the_adapters_directions(finished: Path) -> None:
    run = RunStore(open_store(str(finished / "store")))
    ranks = {slot.name: slot.rank for slot in run.latest().layout.tensors if slot.rank}
    assert set(ranks.values()) == {3}
    assert len(ranks) == 4
    models = RunModels(run, finished / "scratch").under_way()
    assert isinstance(models.experts["sql"], AdapterExpert)
    assert models.factors["sql"].ranks[Q] == 2
    assert models.factors["python"].ranks[Q] == 3


def test_nothing_that_is_stored_is_near_the_base_s_size(finished: Path) -> None:
    store = open_store(str(finished / "store"))
    base = Checkpoint.open(finished / "models/base").header.nbytes
    assert max(store.size(key) for key in store.list()) < base / 4


def test_a_member_is_exported_as_an_adapter(finished: Path, tmp_path: Path) -> None:
    store = str(finished / "store")
    for form in ("lora", "model"):
        arguments = ("--member", "best:sql", "--format", form, "--out", str(tmp_path / form))
        done = cycleqd(finished, "export", store, *arguments)
        assert done.returncode == 0, done.stderr
        if form == "lora":
            assert "adapter of rank" in done.stdout
            assert "exact" in done.stdout
    base = finished / "models/base"
    said = answers(opened(base, tmp_path / "lora"))
    # The model is rounded to bf16 and the adapter is not.
    model = answers_of(base, dict(Checkpoint.open(tmp_path / "model")))
    plain = answers_of(base, dict(Checkpoint.open(base)))
    assert float((said - model).abs().max()) < 0.05 * float((said - plain).abs().max())


def test_a_whole_model_has_no_rank(finished: Path, tmp_path: Path) -> None:
    arguments = ("--member", "best:sql", "--rank", "2", "--out", str(tmp_path / "out"))
    done = cycleqd(finished, "export", str(finished / "store"), *arguments)
    assert done.returncode == 78
    assert "--rank: a whole model has none; add --format lora" in done.stderr


def test_adapters_and_full_experts_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lay_out(tmp_path / "here")
    adapt(folder, "sql")
    monkeypatch.chdir(folder)
    run = evolve(folder, folder / "scratch")
    models = RunModels(run, folder / "scratch").under_way()
    assert isinstance(models.experts["python"], Checkpoint)
    assert models.factors["sql"].ranks[Q] == 2
    assert models.factors["python"].ranks[Q] == 64
    done = cycleqd(folder, "export", "store", "--member", "best:sql", "--out", "member")
    assert done.returncode == 0, done.stderr
    arguments = ("--member", "best:sql", "--format", "lora", "--out", "adapter")
    done = cycleqd(folder, "export", "store", *arguments)
    assert done.returncode == 78
    assert "share of expert python, a full checkpoint" in done.stderr


def test_another_adapter_under_the_same_name_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_out(tmp_path / "here")
    adapt(folder, "sql")
    monkeypatch.chdir(folder)
    objects = open_store(str(folder / "store"))
    run = admit(objects, load_manifest(folder / "run.json"), checkpoints=folder / "scratch")
    config = folder / "models/sql/adapter_config.json"
    document = json.loads(config.read_text())
    config.write_text(json.dumps({**document, "lora_dropout": 0.5}, indent=1))
    assert RunModels(run, tmp_path).under_way().experts["sql"]
    config.write_text(json.dumps({**document, "lora_alpha": document["lora_alpha"] + 1}))
    with pytest.raises(RunMismatch, match=r"models/sql: the weights in .* are not those"):
        assert RunModels(run, tmp_path).under_way().experts["sql"]


def test_an_adapter_that_is_not_exact_is_refused_before_the_run_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_out(tmp_path / "here")
    adapt(folder, "python", use_dora=True)
    monkeypatch.chdir(folder)
    objects = open_store(str(folder / "store"))
    manifest = load_manifest(folder / "run.json")
    wrong = (
        r"^spec\.experts\[1\]\.uri: models/python/adapter_config\.json: use_dora: .*merge_and_un"
    )
    with pytest.raises(CheckpointError, match=wrong):
        admit(objects, manifest, checkpoints=folder / "scratch")
    assert not objects.exists("run.json")
    shutil.rmtree(folder / "models/base")
    (folder / "models/python").rename(folder / "models/base")
    shutil.copytree(folder / "models/sql", folder / "models/python")
    with pytest.raises(CheckpointError, match=r"^spec\.base\.uri: .*a LoRA adapter, not a model"):
        admit(objects, manifest, checkpoints=folder / "scratch")


def test_an_adapter_s_tokenizer_is_compared_like_a_checkpoint_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_out(tmp_path / "here")
    adapt(folder, "python")
    monkeypatch.chdir(folder)
    manifest = load_manifest(folder / "run.json")
    write_tokenizer(folder / "models/python", [*WORDS, "<|im_end|>"])
    said: list[str] = []
    assert admit(MemoryStore(), manifest, checkpoints=tmp_path, say=said.append).exists()
    assert "expert python: the base's tokenizer is used, without '<|im_end|>'" in said
    write_tokenizer(folder / "models/python", [*WORDS[:-2], WORDS[-1], WORDS[-2]])
    wrong = r"^spec\.experts\[1\]\.uri: models/python/tokenizer\.json: token .*: found id"
    with pytest.raises(CheckpointError, match=wrong):
        admit(MemoryStore(), manifest, checkpoints=tmp_path)
