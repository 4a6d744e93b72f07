"""An expert of another vocabulary is merged by the base's rows, and one head or two are one model.

Rows beyond the base's are left out, rows that an expert lacks stay the base's: in task vectors,
factors and weights, as arithmetic in float64 says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from cycleqd.errors import CheckpointError
from cycleqd.evolution.genome import scaled_experts_genome
from cycleqd.weights.check import check_expert
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.experts import open_expert
from tests.checkpoints import (
    WORDS,
    fine_tuned,
    llama_config,
    random_state,
    write_checkpoint,
    write_tokenizer,
)
from tests.weights.adapted import Adapted
from tests.weights.damage import WEIGHTS
from tests.weights.peft_adapters import trained

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime

EMBEDDINGS = "model.embed_tokens.weight"
HEAD = "lm_head.weight"
State = dict[str, torch.Tensor]


def base_of(folder: Path, **settings: Any) -> Path:
    config = llama_config(dtype="float32", **settings)
    return write_checkpoint(folder / "base", config, random_state(config, 0))


def expert_of(base: Path, seed: int, rows: int, **changes: Any) -> Path:
    """A fine-tune of the base with so many rows for tokens, its tokenizer with as many tokens."""
    config = json.loads((base / "config.json").read_text()) | {"vocab_size": rows} | changes
    state = fine_tuned(load_file(base / WEIGHTS), seed)
    tied = config["tie_word_embeddings"]
    for name in (EMBEDDINGS,) if tied else (EMBEDDINGS, HEAD):
        kept = state.get(name, state[EMBEDDINGS])[:rows]
        added = torch.randn(rows - len(kept), kept.shape[1], generator=torch.manual_seed(seed))
        state[name] = torch.cat([kept, added])
    folder = write_checkpoint(base.parent / f"expert-{seed}", config, state)
    added_words = [f"<|{number}|>" for number in range(len(WORDS), rows)]
    write_tokenizer(folder, [*WORDS, *added_words][: max(rows, len(WORDS))])
    return folder


def in_base_form(base: State, expert: State) -> State:
    """An expert by the base's names and rows."""
    found = {}
    for name, tensor in base.items():
        own = expert.get(name, expert[EMBEDDINGS])[: len(tensor)]
        found[name] = torch.cat([own, tensor[len(own) :]]).double()
    return found


@pytest.mark.parametrize("tied", [True, False])
def test_children_are_what_arithmetic_on_the_base_s_rows_says(tmp_path: Path, tied: bool) -> None:
    base = base_of(tmp_path, tied=tied)
    folders = {"more": expert_of(base, 1, 53), "fewer": expert_of(base, 2, 44)}
    made = Adapted(base, folders, tmp_path, base_vocabulary=True)
    weights = {"more": 0.5, "fewer": 1.25}
    genome = scaled_experts_genome(made.layout, list(weights.values()))
    child = made.materializer(made.factored()).to_ram(genome)

    ours = load_file(base / WEIGHTS)
    theirs = {name: in_base_form(ours, load_file(f / WEIGHTS)) for name, f in folders.items()}
    for name, tensor in child.items():
        start = ours[name].double()
        wanted = start + sum(w * (theirs[e][name] - start) for e, w in weights.items())
        assert tensor.shape == ours[name].shape
        assert float((tensor.double() - wanted).abs().max()) < 1e-6, name


def test_factors_are_those_of_the_base_s_rows(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    folders = {"more": expert_of(base, 1, 53), "fewer": expert_of(base, 2, 44)}
    made = Adapted(base, folders, tmp_path, base_vocabulary=True)
    ours = load_file(base / WEIGHTS)
    for name, factors in made.factored().items():
        pair = factors.get(EMBEDDINGS)
        assert pair is not None
        theirs = in_base_form(ours, load_file(folders[name] / WEIGHTS))[EMBEDDINGS]
        difference = theirs - ours[EMBEDDINGS].double()
        product = pair[0].double() @ pair[1].double()
        assert float((product - difference).norm() / difference.norm()) < 1e-5
    assert not factors_of_row(made, "fewer", 47).any()


def factors_of_row(made: Adapted, expert: str, row: int) -> torch.Tensor:
    change = made.vectors[expert].change(EMBEDDINGS)
    assert change is not None
    return change.dense("cpu")[row]


def test_without_the_choice_it_is_refused_with_it(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    opened = Checkpoint.open(base)
    for seed, rows in ((1, 53), (2, 44)):
        folder = expert_of(base, seed, rows)
        with pytest.raises(CheckpointError, match=f"found {rows}, the base has 48; .*`vocabulary"):
            check_expert(opened, open_expert(folder, opened))
        found = open_expert(folder, opened, base_vocabulary=True)
        check_expert(opened, found, base_vocabulary=True)


def test_a_token_that_means_something_else_is_refused_all_the_same(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    folder = expert_of(base, 1, 53)
    opened = Checkpoint.open(base)
    words = [*WORDS[:-2], WORDS[-1], WORDS[-2]]
    for wrong in (words, [*WORDS[:-1], "<|other|>"]):
        write_tokenizer(folder, wrong)
        found = open_expert(folder, opened, base_vocabulary=True)
        with pytest.raises(CheckpointError, match=r"tokenizer\.json: token .*: found id"):
            check_expert(opened, found, base_vocabulary=True)


def test_a_head_that_equals_the_embeddings_is_a_tied_one(tmp_path: Path) -> None:
    base = base_of(tmp_path, tied=True)
    folder = expert_of(base, 1, 48, tie_word_embeddings=False)
    made = Adapted(base, {"expert": folder}, tmp_path)
    child = made.materializer().to_ram(scaled_experts_genome(made.layout, [1.0]))
    assert child.keys() == load_file(base / WEIGHTS).keys()
    state = load_file(folder / WEIGHTS)
    assert torch.allclose(child[EMBEDDINGS], state[EMBEDDINGS], atol=1e-6)


@pytest.mark.parametrize("stored", [False, True])
def test_a_tied_expert_of_a_base_with_a_head_has_its_embeddings_there(
    tmp_path: Path, stored: bool
) -> None:
    base = base_of(tmp_path, tied=False)
    config = json.loads((base / "config.json").read_text()) | {"tie_word_embeddings": True}
    state = fine_tuned(load_file(base / WEIGHTS), 1)
    del state[HEAD]
    if stored:
        state[HEAD] = state[EMBEDDINGS].clone()
    folder = write_checkpoint(tmp_path / "expert", config, state)
    made = Adapted(base, {"expert": folder}, tmp_path)
    child = made.materializer().to_ram(scaled_experts_genome(made.layout, [1.0]))
    assert torch.allclose(child[EMBEDDINGS], state[EMBEDDINGS], atol=1e-6)
    assert torch.allclose(child[HEAD], state[EMBEDDINGS], atol=1e-6)
    if stored:
        state[HEAD] += 1
        write_checkpoint(folder, config, state)
        with pytest.raises(CheckpointError, match=r"lm_head\.weight'"):
            check_expert(made.base, open_expert(folder, made.base))


def test_added_tokens_of_an_adapter_are_left_out(tmp_path: Path) -> None:
    base = base_of(tmp_path, tied=False)
    folder = trained(
        base,
        tmp_path / "adapter",
        prepare=lambda model: model.resize_token_embeddings(53),  # type: ignore[operator]
        r=2,
        target_modules=["q_proj"],
        modules_to_save=["embed_tokens", "lm_head"],
    )
    opened = Checkpoint.open(base)
    with pytest.raises(CheckpointError, match=r"found shape \[53, 64\].*`vocabulary: Base` beside"):
        open_expert(folder, opened)
    made = Adapted(base, {"adapter": folder}, tmp_path, base_vocabulary=True)
    child = made.materializer().to_ram(scaled_experts_genome(made.layout, [1.0]))
    saved = load_file(folder / "adapter_model.safetensors")
    for name in (EMBEDDINGS, HEAD):
        (rows,) = [t for key, t in saved.items() if key.endswith(name) and "original" not in key]
        assert rows.shape == (53, 64)
        assert torch.allclose(child[name], rows[:48], atol=1e-6)
