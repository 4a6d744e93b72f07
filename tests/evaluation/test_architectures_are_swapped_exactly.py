"""A swapped model of any architecture answers what the library says of the expert opened plainly.

Prefixes, stacked experts and fused matrices are the library's matter; each is swapped to where it
would have loaded it. What cannot be swapped is refused by name. So each expert scores 1.0 on its
own answers; and a merge of them is float64 arithmetic, rounded once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402
from tests.architectures import ARCHITECTURES  # noqa: E402
from tiny_models import CONFIGURATIONS, REQUESTS, plainly, save_merged, save_tiny  # noqa: E402

from cycleqd.checkpoints.header import CheckpointHeader  # noqa: E402
from cycleqd.errors import CheckpointError, EngineError  # noqa: E402
from cycleqd.evaluation.engines import create_engine  # noqa: E402
from cycleqd.evaluation.engines.skeleton import read_skeleton  # noqa: E402
from cycleqd.evaluation.engines.weights import checkpoint_tensors  # noqa: E402

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(300)]

SETTINGS: dict[str, Any] = {
    "dtype": "float32", "threads": 1, "max_model_len": 96, "gpu_memory_utilization": 0.8,
    "device": "cpu",
}  # fmt: skip
EXPERT = "model.layers.0.mlp.experts.3.up_proj.weight"
NORM = "model.norm.weight"


def test_what_the_documents_name_is_tried() -> None:
    assert list(CONFIGURATIONS) == list(ARCHITECTURES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_swapped_experts_and_merges_answer_as_they_do_by_themselves(
    architecture: str, tmp_path: Path
) -> None:
    base, expert, other = (
        save_tiny(tmp_path / name, architecture, seed=seed)
        for seed, name in enumerate(("base", "expert", "other"), 1)
    )
    assert read_skeleton(CheckpointHeader.open(base)).architecture == architecture
    merged, worst = save_merged(tmp_path / "merged", base, [expert, other])
    assert worst < 2e-6  # of a tensor's largest value
    expected = {folder: plainly(folder) for folder in (base, expert, merged)}
    assert len({tuple(texts) for texts in expected.values()}) == 3
    engine = create_engine("transformers", base, **SETTINGS)
    for folder in (base, expert, merged, base):
        engine.load(checkpoint_tensors(folder))
        assert engine.generate(REQUESTS) == expected[folder]
    engine.close()


def test_a_part_of_what_is_converted_together_is_missed(tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "base", "Qwen3MoeForCausalLM", seed=1)
    engine = create_engine("transformers", base, **SETTINGS)
    with pytest.raises(EngineError, match=f"1 tensors are missing, the first is {EXPERT}"):
        engine.load((n, t) for n, t in checkpoint_tensors(base) if n != EXPERT)
    engine.close()


@pytest.mark.parametrize(
    ("remove", "add", "message"),
    [
        (NORM, {}, r"lacks 'model\.norm\.weight' of Qwen3MoeForCausalLM; save the whole model"),
        (EXPERT, {}, "does not fit Qwen3MoeForCausalLM: .*experts.*cannot be made"),
        ("", {"score.weight": (3, 64)}, r"'score\.weight': Qwen3MoeForCausalLM has no place for"),
        ("", {NORM: (63,)}, r"model\.norm\.weight has shape \[63\], the model expects \[64\]"),
    ],
)
def test_a_base_that_does_not_fill_its_model_is_refused(
    remove: str, add: dict[str, tuple[int, ...]], message: str, tmp_path: Path
) -> None:
    base = save_tiny(tmp_path / "base", "Qwen3MoeForCausalLM", seed=1)
    state = load_file(base / "model.safetensors")
    state.pop(remove, None)
    state |= {name: torch.ones(shape) for name, shape in add.items()}
    save_file(state, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=message):
        read_skeleton(CheckpointHeader.open(base))


def test_a_head_that_is_tied_by_default_is_not_taken_for_another_tensor(tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "base", "GPT2LMHeadModel", seed=1)
    state = load_file(base / "model.safetensors")
    state["lm_head.weight"] = state["transformer.wte.weight"].clone()
    save_file(state, base / "model.safetensors", {"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    assert config.pop("tie_word_embeddings") is True
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="are one tensor of GPT2LMHeadModel"):
        read_skeleton(CheckpointHeader.open(base))
    (base / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    assert read_skeleton(CheckpointHeader.open(base)).head == "transformer.wte.weight"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "no-such-model"}', "transformers cannot read it: .*no-such-model"),
        ('{"model_type": "t5"}', "no causal language model .* of model_type 't5'"),
    ],
)
def test_an_architecture_that_is_not_known_is_named(
    text: str, message: str, tmp_path: Path
) -> None:
    base = save_tiny(tmp_path / "base", "LlamaForCausalLM", seed=1)
    (base / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_skeleton(CheckpointHeader.open(base))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_vllm_is_not_for_is_known(architecture: str, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "a", architecture, seed=1)
    found = read_skeleton(CheckpointHeader.open(folder)).not_for_vllm
    assert found == ARCHITECTURES[architecture].not_for_vllm


def test_embedding_and_head_are_found_by_the_model(tmp_path: Path) -> None:
    names = {}
    for architecture in ("GPT2LMHeadModel", "GPTNeoXForCausalLM", "Gemma3ForConditionalGeneration"):
        folder = save_tiny(tmp_path / architecture, architecture, seed=1)
        skeleton = read_skeleton(CheckpointHeader.open(folder))
        names[architecture] = skeleton.embedding, skeleton.head
    tied = "language_model.model.embed_tokens.weight"
    assert names == {
        "GPT2LMHeadModel": ("transformer.wte.weight", "transformer.wte.weight"),
        "GPTNeoXForCausalLM": ("gpt_neox.embed_in.weight", "embed_out.weight"),
        "Gemma3ForConditionalGeneration": (tied, tied),
    }
