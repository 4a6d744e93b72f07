"""A member of adapters, exported as one, is the same model in peft's hands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from cycleqd.errors import InputError
from cycleqd.evolution.genome import Dense, Genome, Merged, Noise, base_genome, expert_genome
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.experts import open_expert
from cycleqd.weights.lora_export import ExportedAdapter, export_adapter
from tests.checkpoints import fine_tuned, llama_config, random_state, write_checkpoint
from tests.weights.adapted import Adapted
from tests.weights.peft_adapters import answers, answers_of, gpt2, llama, opened, trained

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime

TIED = {"target_modules": ["embed_tokens", "q_proj"], "ensure_weight_tying": True}
SAVED = {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}
CASES: dict[str, tuple[bool, dict[str, Any], dict[str, Any]]] = {
    "plain": (False, {"target_modules": ["q_proj", "o_proj"]}, {"target_modules": ["q_proj"]}),
    "part-of-the-layers": (
        True,
        {"target_modules": ["q_proj"], "layers_to_transform": [1]},
        {"target_modules": r".*0.*(up|down)_proj"},
    ),
    "embeddings": (False, {"target_modules": ["embed_tokens"]}, {"target_modules": ["lm_head"]}),
    "tied-embeddings": (True, TIED, {"target_modules": ["up_proj"]}),
    "tied-saved": (True, {"target_modules": ["k_proj"], **SAVED}, {"target_modules": ["k_proj"]}),
    "saved": (
        False,
        {"target_modules": ["q_proj"], "modules_to_save": ["norm", "up_proj"]},
        {"target_modules": ["q_proj", "up_proj"]},
    ),
}


def family_of(base: Path, folder: Path, first: dict[str, Any], second: dict[str, Any]) -> Adapted:
    folders = {
        "a": trained(base, folder / "a", seed=1, r=3, lora_alpha=7, **first),
        "b": trained(base, folder / "b", seed=2, r=4, lora_alpha=5, use_rslora=True, **second),
    }
    return Adapted(base, folders, folder / "cache")


def mixture(family: Adapted, seed: int = 3) -> Genome:
    """Shares and gains in every tensor."""
    random = np.random.default_rng(seed)
    scale = random.uniform(0.2, 0.9, (2, len(family.layout.tensors))).astype(np.float32)
    gain = random.uniform(-0.5, 0.5, (2, family.layout.directions)).astype(np.float32)
    return Genome(family.layout, scale, gain)


def export(
    family: Adapted, genome: Genome, folder: Path, rank: int | None = None
) -> ExportedAdapter:
    materializer = family.materializer(family.factored())
    return export_adapter(
        materializer,
        family.base,
        family.experts,
        genome,
        folder,
        base_uri="hf://org/base@main",
        rank=rank,
    )


@pytest.mark.parametrize("name", CASES)
def test_peft_opens_the_member(tmp_path: Path, name: str) -> None:
    tied, first, second = CASES[name]
    base = llama(tmp_path, tied=tied)
    family = family_of(base, tmp_path, first, second)
    genome = mixture(family)
    made = export(family, genome, tmp_path / "out")
    assert made.relative_error == 0
    assert made.rank <= 7
    assert made.nbytes == (tmp_path / "out" / "adapter_model.safetensors").stat().st_size
    member = family.materializer(family.factored()).to_ram(genome)
    said = answers(opened(base, tmp_path / "out"))
    torch.testing.assert_close(said, answers_of(base, member), rtol=0, atol=1e-5)
    assert float((said - answers_of(base, dict(family.base))).abs().max()) > 1e-2
    # What was exported is an expert like those that it was made of.
    again = Adapted(base, {"member": tmp_path / "out"}, tmp_path / "cache")
    found = again.materializer().to_ram(expert_genome(again.layout, "member"))
    for tensor, value in member.items():
        torch.testing.assert_close(found[tensor], value, rtol=0, atol=1e-6)


def test_transposed_layers(tmp_path: Path) -> None:
    base = gpt2(tmp_path)
    options = {"target_modules": ["c_attn", "c_proj"]}
    family = family_of(base, tmp_path, options, options)
    genome = mixture(family)
    export(family, genome, tmp_path / "out")
    member = family.materializer(family.factored()).to_ram(genome)
    said = answers(opened(base, tmp_path / "out"))
    torch.testing.assert_close(said, answers_of(base, member), rtol=0, atol=1e-5)


def test_the_configuration_is_one_that_every_reader_follows(tmp_path: Path) -> None:
    _, first, second = CASES["plain"]
    family = family_of(llama(tmp_path), tmp_path, first, second)
    made = export(family, mixture(family), tmp_path / "out")
    config = json.loads((tmp_path / "out/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "org/base"
    assert config["target_modules"] == ["o_proj", "q_proj"]
    assert (config["r"], config["lora_alpha"]) == (made.rank, made.rank) == (7, 7)
    header = open_expert(tmp_path / "out", family.base).header
    assert {
        tensor.shape[0 if ".lora_A." in tensor.name else 1] for tensor in header.file.tensors
    } == {7}


def test_a_rank_cuts_to_the_closest_product(tmp_path: Path) -> None:
    _, first, second = CASES["plain"]
    family = family_of(llama(tmp_path), tmp_path, first, second)
    genome = mixture(family)
    made = export(family, genome, tmp_path / "out", rank=2)
    assert made.rank == 2
    member = family.materializer(family.factored()).to_ram(genome)
    cut = Adapted(family.base.folder, {"member": tmp_path / "out"}, tmp_path / "cache")
    found = cut.materializer().to_ram(expert_genome(cut.layout, "member"))
    lost = whole = 0.0
    for tensor, value in member.items():
        base = family.base.tensor(tensor).double()
        vector = value.double() - base
        whole += float(vector.square().sum())
        if vector.dim() == 2 and vector.any():
            rows, values, columns = torch.linalg.svd(vector)
            best = rows[:, :2] * values[:2] @ columns[:2]
            torch.testing.assert_close(found[tensor].double() - base, best, rtol=0, atol=2e-6)
            lost += float(values[2:].square().sum())
    assert made.relative_error == pytest.approx((lost / whole) ** 0.5, rel=1e-3)


def test_a_member_that_no_product_says_is_refused(tmp_path: Path) -> None:
    base = llama(tmp_path)
    config = llama_config(tied=False, dtype="float32")
    folders = {
        "a": trained(base, tmp_path / "a", r=2, target_modules=["q_proj"]),
        "full": write_checkpoint(tmp_path / "full", config, fine_tuned(random_state(config, 0), 9)),
    }
    family = Adapted(base, folders, tmp_path / "cache")
    assert isinstance(family.experts["full"], Checkpoint)
    scale = expert_genome(family.layout, "a").scale
    wrong = {
        r"share of expert full, a full checkpoint": expert_genome(family.layout, "full"),
        r"holds noise": Genome(family.layout, scale, noise=(Noise(1, 0.1, 1.0),)),
        r"stored task vector": Genome(family.layout, scale, dense=(Dense("c000001", 1.0),)),
        r"not linear": Genome(family.layout, scale, merged=(Merged("TSVM", None, 1.0),)),
        r"changes no matrix": base_genome(family.layout),
    }
    for message, genome in wrong.items():
        with pytest.raises(InputError, match=f"{message}.*without --format lora"):
            export(family, genome, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export(family, expert_genome(family.layout, "a"), tmp_path / "out")
