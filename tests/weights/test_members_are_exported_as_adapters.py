"""A member of adapters, exported as one, is the same model in peft's hands."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cycleqd.errors import InputError
from cycleqd.evaluation.engines.skeleton import read_skeleton
from cycleqd.evolution.genome import (
    Dense,
    Genome,
    Merged,
    Noise,
    base_genome,
    expert_genome,
    scaled_experts_genome,
)
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.experts import open_expert
from cycleqd.weights.lora_export import WrittenAdapter, write_adapter
from cycleqd.weights.lora_fit import LoraFit, adapted_tensors, fit_closely, fit_exactly
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


def exported(family: Adapted, fit: LoraFit, folder: Path) -> WrittenAdapter:
    return write_adapter(
        fit,
        family.base,
        family.experts.values(),
        read_skeleton(family.base.header).modules,
        folder,
        base_uri="hf://org/base@main",
        beside={"note.json": b"{}"},
    )


def export(family: Adapted, genome: Genome, folder: Path) -> WrittenAdapter:
    fit = fit_exactly(family.materializer(family.factored()), family.experts, genome)
    assert (fit.relative_error, fit.left_out) == (0, ())
    return exported(family, fit, folder)


@pytest.mark.parametrize("name", CASES)
def test_peft_opens_the_member(tmp_path: Path, name: str) -> None:
    tied, first, second = CASES[name]
    base = llama(tmp_path, tied=tied)
    family = family_of(base, tmp_path, first, second)
    genome = mixture(family)
    made = export(family, genome, tmp_path / "out")
    assert made.rank <= 7
    assert (tmp_path / "out/note.json").read_bytes() == b"{}"
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
    maker = family.materializer(family.factored())
    fit = fit_closely(maker, read_skeleton(family.base.header).modules, genome, rank=2)
    assert fit.relative_error == pytest.approx(check_closest(family, genome, fit, 2), rel=1e-3)
    assert exported(family, fit, tmp_path / "out").rank == 2
    # Nothing is lost where the rank is enough.
    fit = fit_closely(maker, read_skeleton(family.base.header).modules, genome, rank=9)
    assert (fit.relative_error, fit.rank) == (0, 7)


def check_closest(
    family: Adapted, genome: Genome, fit: LoraFit, rank: int, hub: Genome | None = None
) -> float:
    """See that every product is the best of its rank; returns the error of all together."""
    maker = family.materializer(family.factored())
    start = maker.to_ram(hub or base_genome(family.layout))
    lost = whole = 0.0
    for tensor, value in maker.to_ram(genome).items():
        vector = value.double() - start[tensor].double()
        whole += float(vector.square().sum())
        if tensor in fit.pairs:
            left, right = fit.pairs[tensor]
            rows, values, columns = torch.linalg.svd(vector, full_matrices=False)
            best = rows[:, :rank] * values[:rank] @ columns[:rank]
            torch.testing.assert_close(left.double() @ right.double(), best, rtol=0, atol=4e-6)
            lost += float(values[rank:].square().sum())
        elif tensor not in fit.whole:
            lost += float(vector.square().sum())
    return float((lost / whole) ** 0.5)


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
    }
    for message, genome in wrong.items():
        with pytest.raises(InputError, match=f"{message}.*--rank 32.*without --format lora"):
            export(family, genome, tmp_path / "out")
    with pytest.raises(InputError, match=r"changes no matrix.*without --format lora"):
        export(family, base_genome(family.layout), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export(family, expert_genome(family.layout, "a"), tmp_path / "out")


def full_family(folder: Path, dtype: str = "float32", *, tied: bool = False) -> Adapted:
    """Two full fine-tunes and an adapter of one base."""
    base = llama(folder, tied=tied, dtype=dtype)
    config = llama_config(tied=tied, dtype=dtype)
    state = random_state(config, 0)
    folders = {
        name: write_checkpoint(folder / name, config, fine_tuned(state, seed))
        for seed, name in enumerate(("one", "two"), 1)
    }
    folders["adapter"] = trained(base, folder / "adapter", r=3, target_modules=["q_proj"])
    return Adapted(base, folders, folder / "cache")


def shares(family: Adapted, *of_experts: float) -> Genome:
    return scaled_experts_genome(family.layout, list(of_experts))


def test_full_fine_tunes_become_the_closest_product(tmp_path: Path) -> None:
    family = full_family(tmp_path)
    genome = shares(family, 0.5, 0.3, 0.4)
    maker = family.materializer()
    modules = read_skeleton(family.base.header).modules
    errors = []
    for rank in (4, 64):
        fit = fit_closely(maker, modules, genome, rank=rank)
        errors.append(fit.relative_error)
        assert fit.relative_error == pytest.approx(
            check_closest(family, genome, fit, rank), rel=1e-3
        )
        assert set(fit.pairs) == set(modules.linear)
        assert {n.rpartition(".")[0].rpartition(".")[2] for n in fit.left_out} == {
            "embed_tokens", "lm_head", "norm", "input_layernorm", "post_attention_layernorm"
        }  # fmt: skip
    # What is left is what no product holds.
    assert errors[1] < errors[0]
    assert errors[1] == pytest.approx(fit.left_out_share**0.5, rel=1e-3)


@pytest.mark.parametrize(("tied", "save_others"), [(False, False), (False, True), (True, True)])
def test_peft_says_of_it_what_was_measured(tmp_path: Path, tied: bool, save_others: bool) -> None:
    family = full_family(tmp_path, tied=tied)
    genome = shares(family, 0.5, 0.3, 0.4)
    maker = family.materializer()
    modules = read_skeleton(family.base.header).modules
    fit = fit_closely(maker, modules, genome, rank=64, save_others=save_others)
    assert exported(family, fit, tmp_path / "out").saved == (7 if save_others else 0)
    assert len(fit.whole) == (7 - tied if save_others else 0)
    said = answers(opened(family.base.folder, tmp_path / "out"))
    measured = dict(adapted_tensors(maker, base_genome(family.layout), fit))
    torch.testing.assert_close(said, answers_of(family.base.folder, measured), rtol=0, atol=1e-4)
    member = answers_of(family.base.folder, maker.to_ram(genome))
    assert (float((said - member).abs().max()) < 1e-3) is save_others


def test_a_hub_holds_what_members_share(tmp_path: Path) -> None:
    family = full_family(tmp_path, "bfloat16")
    hub, member = shares(family, 0.5, 0.3, 0.0), shares(family, 0.5, 0.3, 0.4)
    maker = family.materializer(dtype="bfloat16")
    modules = read_skeleton(family.base.header).modules
    # They differ by an adapter alone, whose rank is 3: rounding takes no direction.
    fit = fit_closely(maker, modules, member, hub, rank=3)
    assert (fit.rank, fit.relative_error, fit.left_out) == (3, 0, ())
    assert exported(family, fit, tmp_path / "out").modules == 2
    maker.to_file(hub, tmp_path / "hub")
    said = answers(opened(tmp_path / "hub", tmp_path / "out"))
    whole = answers_of(family.base.folder, maker.to_ram(member))
    plain = answers_of(family.base.folder, maker.to_ram(hub))
    assert float((said - whole).abs().max()) < 0.1 * float((said - plain).abs().max())
    # Full fine-tunes in other shares: the difference, and no more, is approximated.
    other = shares(family, 0.2, 0.6, 0.0)
    fit = fit_closely(maker, modules, other, hub, rank=4)
    exact = family.materializer(dtype="float32")
    begin, end = exact.to_ram(hub), exact.to_ram(other)
    for name, (left, right) in fit.pairs.items():
        rows, values, columns = torch.linalg.svd(end[name].double() - begin[name].double())
        best = rows[:, :4] * values[:4] @ columns[:4]
        torch.testing.assert_close(left.double() @ right.double(), best, rtol=0, atol=1e-5)


def test_members_of_adapters_are_exact_on_a_hub(tmp_path: Path) -> None:
    _, first, second = CASES["plain"]
    family = family_of(llama(tmp_path), tmp_path, first, second)
    hub, member = mixture(family, 5), mixture(family)
    maker = family.materializer(family.factored())
    fit = fit_exactly(maker, family.experts, member, hub)
    exported(family, fit, tmp_path / "out")
    maker.to_file(hub, tmp_path / "hub")
    said = answers(opened(tmp_path / "hub", tmp_path / "out"))
    whole = answers_of(family.base.folder, maker.to_ram(member))
    torch.testing.assert_close(said, whole, rtol=0, atol=1e-5)
    nothing = fit_exactly(maker, family.experts, member, member)
    assert (nothing.pairs, nothing.whole) == ({}, {})


def test_modules_have_the_names_of_the_model_s_class(tmp_path: Path) -> None:
    # On the hub GPT-2 has no "transformer." in its names, and its layers are transposed.
    base = gpt2(tmp_path)
    path = base / "model.safetensors"
    state = {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}
    save_file(state, path, {"format": "pt"})
    expert = tmp_path / "full"
    shutil.copytree(base, expert)
    save_file(fine_tuned(state, 1), expert / "model.safetensors", {"format": "pt"})
    family = Adapted(base, {"full": expert}, tmp_path / "cache")
    modules = read_skeleton(family.base.header).modules
    maker = family.materializer()
    fit = fit_closely(maker, modules, shares(family, 0.8), rank=64, save_others=True)
    # What is left are biases of layers that have a product.
    assert {name.rpartition(".")[2] for name in fit.left_out} == {"bias"}
    assert len(fit.left_out) == len(fit.pairs) == len(modules.linear) == 8
    exported(family, fit, tmp_path / "out")
    measured = {
        modules.names[name]: tensor
        for name, tensor in adapted_tensors(maker, base_genome(family.layout), fit)
    }
    said = answers(opened(base, tmp_path / "out"))
    plain = dict(family.base)
    torch.testing.assert_close(said, answers_of(base, measured), rtol=0, atol=1e-4)
    unchanged = answers_of(base, {modules.names[name]: t for name, t in plain.items()})
    assert float((said - unchanged).abs().max()) > 1e-2
