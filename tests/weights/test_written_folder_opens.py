"""transformers opens a written child, tied or not, and computes what its tensors say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cycleqd.evolution.genome import scaled_experts_genome
from tests.checkpoints import family
from tests.weights.lineage import Family

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [None, "float16"])
def test_opens(tmp_path: Path, tied: bool, dtype: str | None) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = Family(family(tmp_path, tied=tied), tmp_path / "cache")
    genome = scaled_experts_genome(made.layout, [0.5, 0.5])
    materializer = made.materializer(dtype=dtype)
    materializer.to_file(genome, tmp_path / "child", shard_bytes=50_000)

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "child", dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "child")

    assert model.dtype == (torch.float16 if dtype else torch.bfloat16)
    state = model.state_dict()
    for name, tensor in materializer.tensors(genome):
        assert torch.equal(state[name], tensor)
    if tied:
        assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    ids = tokenizer("the cat sat", return_tensors="pt").input_ids
    assert torch.isfinite(model(ids).logits).all()
