"""An adapter taken as an expert is what peft merges in float64, for every option that is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from cycleqd.evolution.genome import Genome, Merged, base_genome, expert_genome
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.experts import open_expert
from cycleqd.weights.merged_vectors import Source, merge
from tests.checkpoints import fine_tuned, llama_config, random_state, write_checkpoint
from tests.weights.adapted import Adapted
from tests.weights.peft_adapters import (
    answers,
    answers_of,
    gpt2,
    llama,
    merged,
    opened,
    trained,
)

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel


pytestmark = pytest.mark.runtime

TOLERANCE = 1e-6
ATTENTION = ["q_proj", "v_proj"]

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {"r": 4, "lora_alpha": 12, "target_modules": ATTENTION},
    "rank-stabilised": {"r": 8, "lora_alpha": 5, "use_rslora": True, "target_modules": ATTENTION},
    "patterns": {
        "r": 3,
        "lora_alpha": 7,
        "target_modules": ["q_proj", "v_proj", "down_proj"],
        # The first that matches counts, and peft saves them sorted.
        "rank_pattern": {r"layers\.1\.mlp\.down_proj": 6, "mlp.down_proj": 2, "q_proj": 5},
        "alpha_pattern": {".*down_proj": 1, "model.layers.0.self_attn.v_proj": 20},
    },
    "patterns-rank-stabilised": {
        "r": 3,
        "lora_alpha": 7,
        "use_rslora": True,
        "target_modules": ["q_proj", "down_proj"],
        "rank_pattern": {"q_proj": 5},
        "alpha_pattern": {"down_proj": 3},
    },
    "expression": {"r": 2, "target_modules": r".*\.layers\.[01]\.mlp\.(up|gate)_proj"},
    "all-linear": {"r": 2, "target_modules": "all-linear"},
    "layers": {"r": 2, "target_modules": ATTENTION, "layers_to_transform": [1]},
    "one-layer": {
        "r": 2,
        "target_modules": ATTENTION,
        "layers_to_transform": 0,
        "layers_pattern": "layers",
    },
    "excluded": {
        "r": 2,
        "target_modules": ATTENTION,
        "exclude_modules": r".*layers\.0\.self.*q_proj",
    },
    "saved-modules": {
        "r": 2,
        "target_modules": ATTENTION,
        "modules_to_save": ["model.norm", "lm_head"],
    },
    "embeddings-and-head": {"r": 4, "target_modules": ["embed_tokens", "lm_head", "o_proj"]},
    "rank-above-the-matrix": {"r": 80, "lora_alpha": 3, "target_modules": ["k_proj"]},
    "gaussian": {"r": 2, "target_modules": ATTENTION, "init_lora_weights": "gaussian"},
}


def _assert_equal(made: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    worst = max(float((made[name].double() - expected[name]).abs().max()) for name in made)
    print(f"largest difference from float64: {worst:.1e}")
    assert worst < TOLERANCE


@pytest.mark.parametrize("name", OPTIONS)
def test_options(tmp_path: Path, name: str) -> None:
    base = llama(tmp_path)
    adapter = trained(base, tmp_path / "adapter", **OPTIONS[name])
    family = Adapted(base, {"a": adapter}, tmp_path / "cache")
    made = family.materializer().to_ram(expert_genome(family.layout, "a"))
    expected = merged(base, adapter)
    _assert_equal(made, expected)
    start = {tensor: value.double() for tensor, value in family.base}
    changed = {n for n in made if not torch.equal(expected[n], start[n])}
    assert changed == {n for n in made if family.vectors["a"].change(n) is not None}
    assert changed


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_types_may_be_mixed(tmp_path: Path, dtype: torch.dtype) -> None:
    base = llama(tmp_path)
    adapter = trained(base, tmp_path / "a", dtype=dtype, **OPTIONS["rank-stabilised"])
    family = Adapted(base, {"a": adapter}, tmp_path / "cache")
    assert {info.dtype for info in family.experts["a"].tensors} <= {"BF16", "F16"}
    made = family.materializer().to_ram(expert_genome(family.layout, "a"))
    _assert_equal(made, merged(base, adapter))


def test_a_child_is_rounded_once(tmp_path: Path) -> None:
    base = llama(tmp_path, dtype="bfloat16")
    adapter = trained(base, tmp_path / "a", **OPTIONS["plain"])
    family = Adapted(base, {"a": adapter}, tmp_path / "cache")
    genome = expert_genome(family.layout, "a")
    made = family.materializer(dtype=None).to_ram(genome)
    expected = merged(base, adapter)
    values = torch.cat([value.flatten() for value in made.values()])
    exact = torch.cat([expected[name].bfloat16().flatten() for name in made])
    # A sum in fp32 may fall to the other side of a tie; nothing else differs.
    assert int((values != exact).sum()) <= 2
    threaded = family.materializer(dtype=None, threads=3)
    assert threaded.to_file(genome, tmp_path / "out") == family.materializer(dtype=None).digest(
        genome
    )


def test_transposed_layers(tmp_path: Path) -> None:
    base = gpt2(tmp_path)
    adapter = trained(
        base, tmp_path / "a", r=4, lora_alpha=9, target_modules=["c_attn", "c_proj", "c_fc"]
    )
    family = Adapted(base, {"a": adapter}, tmp_path / "cache")
    made = family.materializer().to_ram(expert_genome(family.layout, "a"))
    _assert_equal(made, merged(base, adapter))


def test_names_on_the_hub_without_the_class_s_prefix(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    base = gpt2(tmp_path)
    adapter = trained(base, tmp_path / "a", r=4, target_modules=["c_attn", "c_proj"])
    expected = merged(base, adapter)
    state = load_file(base / "model.safetensors")
    short = {name.removeprefix("transformer."): tensor for name, tensor in state.items()}
    save_file(short, base / "model.safetensors", {"format": "pt"})
    family = Adapted(base, {"a": adapter}, tmp_path / "cache")
    made = family.materializer().to_ram(expert_genome(family.layout, "a"))
    _assert_equal({f"transformer.{name}": tensor for name, tensor in made.items()}, expected)


TIED: dict[str, dict[str, Any]] = {
    "product": {"r": 4, "target_modules": ["embed_tokens", "q_proj"], "ensure_weight_tying": True},
    "saved": {
        "r": 4,
        "target_modules": ["q_proj"],
        "modules_to_save": ["embed_tokens"],
        "ensure_weight_tying": True,
    },
    "only-others": {"r": 4, "target_modules": ["q_proj"], "modules_to_save": ["norm"]},
}


@pytest.mark.parametrize("name", TIED)
def test_tied_heads(tmp_path: Path, name: str) -> None:
    base = llama(tmp_path, tied=True)
    adapter = trained(base, tmp_path / "a", **TIED[name])
    family = Adapted(base, {"a": adapter}, tmp_path / "cache")
    made = family.materializer().to_ram(expert_genome(family.layout, "a"))
    # Where both are products, peft's merge adds to the shared tensor twice; what it trained is told
    # by the model that it opens.
    expected = answers(opened(base, adapter))
    found = answers_of(base, made)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert float((expected - answers_of(base, dict(family.base))).abs().max()) > 1e-2


def test_a_base_whose_vocabulary_was_resized_before(tmp_path: Path) -> None:
    """peft then saves the embeddings twice, and those that they replaced."""

    def grow(model: PreTrainedModel) -> None:
        model.resize_token_embeddings(52)
        model.save_pretrained(tmp_path / "grown")

    options = {"r": 4, "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]}
    adapter = trained(llama(tmp_path), tmp_path / "a", prepare=grow, **options)
    family = Adapted(tmp_path / "grown", {"a": adapter}, tmp_path / "cache")
    made = family.materializer().to_ram(expert_genome(family.layout, "a"))
    _assert_equal(made, merged(tmp_path / "grown", adapter))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Adapted:
    """Two adapters and a full checkpoint of one base."""
    folder = tmp_path_factory.mktemp("mixed")
    base = llama(folder)
    config = llama_config(tied=False, dtype="float32")
    full = write_checkpoint(folder / "full", config, fine_tuned(random_state(config, 0), 9))
    targets = ["q_proj", "down_proj"]
    saved = {"r": 5, "target_modules": ["q_proj"], "modules_to_save": ["up_proj"]}
    folders = {
        "a": trained(base, folder / "a", seed=1, r=4, lora_alpha=9, target_modules=targets),
        "full": full,
        "b": trained(base, folder / "b", seed=2, **saved),
    }
    return Adapted(base, folders, folder / "cache")


def _task_vectors(family: Adapted) -> dict[str, dict[str, torch.Tensor]]:
    """By expert, in float64, as peft and the files say."""
    start = {name: tensor.double() for name, tensor in family.base}
    found = {}
    for name, expert in family.experts.items():
        model = (
            {n: t.double() for n, t in expert}
            if isinstance(expert, Checkpoint)
            else merged(family.base.folder, expert.folder)
        )
        found[name] = {tensor: model[tensor] - start[tensor] for tensor in start}
    return found


def test_directions_are_those_of_the_product(mixed: Adapted) -> None:
    vectors, factors = _task_vectors(mixed), mixed.factored()
    q, norm = "model.layers.0.self_attn.q_proj.weight", "model.norm.weight"
    assert factors["a"].ranks[q] == 4
    assert factors["b"].ranks[q] == 5
    assert factors["full"].ranks[q] == 64
    assert factors["a"].get(norm) is None
    for name in ("a", "b"):
        for tensor in factors[name].ranks:
            left, right = (part.double() for part in factors[name].get(tensor) or ())
            assert float((left @ right - vectors[name][tensor]).abs().max()) < TOLERANCE
            values = torch.linalg.svdvals(vectors[name][tensor])[: len(right)]
            torch.testing.assert_close(left.norm(dim=0), values, rtol=1e-4, atol=1e-4)
            assert (right.gather(1, right.abs().argmax(1, keepdim=True)) > 0).all()
    left, right = (part.double() for part in factors["a"].get(q) or ())
    torch.testing.assert_close(right @ right.T, torch.eye(4).double(), rtol=0, atol=1e-5)


def test_full_and_adapted_experts_mix(mixed: Adapted) -> None:
    vectors, factors = _task_vectors(mixed), mixed.factored()
    random = np.random.default_rng(5)
    scale = random.normal(0.4, 0.3, (3, len(mixed.layout.tensors))).astype(np.float32)
    gain = random.uniform(-0.2, 0.2, (3, mixed.layout.directions)).astype(np.float32)
    genome = Genome(mixed.layout, scale, gain)
    made = mixed.materializer(factors).to_ram(genome)
    expected = {}
    for number, slot in enumerate(mixed.layout.tensors):
        name = slot.name
        expected[name] = mixed.base.tensor(name).double()
        for index, expert in enumerate(mixed.layout.experts):
            expected[name] = expected[name] + float(scale[index, number]) * vectors[expert][name]
            pair, gains = factors[expert].get(name), genome.gain_of(index, number)
            if pair is not None and gains is not None:
                left, right = (part.double() for part in pair)
                kept = torch.from_numpy(gains[: len(right)]).double()
                expected[name] = expected[name] + left * kept @ right
    _assert_equal(made, expected)


@pytest.mark.parametrize(
    ("method", "density"),
    [("TIES", 0.3), ("DARE", 0.5), ("IsoC", None), ("TSVM", None), ("OPCM", None)],
)
def test_merges_take_adapters_as_task_vectors(
    mixed: Adapted, method: Any, density: float | None
) -> None:
    vectors = _task_vectors(mixed)
    term = Merged(method, density, 0.7)
    base = base_genome(mixed.layout)
    made = mixed.materializer().to_ram(Genome(mixed.layout, base.scale, merged=(term,)))
    for name in made:
        own = {e: v[name].float() for e, v in vectors.items() if bool(v[name].any())}
        expected = mixed.base.tensor(name).double()
        if own:
            expected = expected + 0.7 * merge(Source(own, 3, name), method, density, 7).double()
        difference = (made[name].double() - expected).abs()
        # An element at the edge of what TIES keeps may fall to either side of it.
        assert int((difference > 1e-5).sum()) <= (1 if method == "TIES" else 0)


def test_a_run_of_adapters_has_no_directions_beyond_their_rank(tmp_path: Path) -> None:
    base = llama(tmp_path)
    folders = {
        name: trained(base, tmp_path / name, seed=r, r=r, target_modules=["q_proj"])
        for name, r in (("a", 2), ("b", 3))
    }
    family = Adapted(base, folders, tmp_path / "cache")
    ranks = {slot.name: slot.rank for slot in family.layout.tensors}
    assert {name: rank for name, rank in ranks.items() if rank} == {
        f"model.layers.{layer}.self_attn.q_proj.weight": 3 for layer in (0, 1)
    }
    stored = sum(len(family.store.read(key)) for key in family.store.list("experts/"))
    family.factored()
    stored = sum(len(family.store.read(key)) for key in family.store.list("experts/"))
    assert stored < family.base.header.nbytes / 10


def test_digests_tell_adapters_and_bases_apart(tmp_path: Path) -> None:
    base = llama(tmp_path / "first")
    other = write_checkpoint(
        tmp_path / "other", llama_config(tied=False, dtype="float32"),
        random_state(llama_config(tied=False, dtype="float32"), 5),
    )  # fmt: skip
    plain = OPTIONS["plain"]
    folders = [
        trained(base, tmp_path / "a", **plain),
        trained(base, tmp_path / "b", seed=2, **plain),
        trained(base, tmp_path / "c", **{**plain, "lora_alpha": 13}),
    ]
    bases = [Checkpoint.open(base), Checkpoint.open(other)]
    digests = [open_expert(folder, b).digest() for folder in folders for b in bases]
    assert len(set(digests)) == 6
    again = trained(base, tmp_path / "again", **plain)
    assert open_expert(again, bases[0]).digest() == digests[0]
