"""Two configurations are the same where the library makes the same model of them, else they differ.

Absent, null and default are one; old and new words are one; what only training, generation or
storage look at is nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from cycleqd.errors import CheckpointError
from cycleqd.evaluation.engines.settings import check_length, check_settings

pytestmark = pytest.mark.runtime

SIZES = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
    "vocab_size": 48, "rms_norm_eps": 1e-5, "max_position_embeddings": 512,
}  # fmt: skip
LINEAR = {"rope_type": "linear", "factor": 2.0}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0}
WINDOW = {"sliding_window": 64, "use_sliding_window": True, "max_window_layers": 0}

SAME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("qwen2", {"sliding_window": 32768, "use_sliding_window": False}, {"sliding_window": None}),
    ("qwen2", {"max_window_layers": 0}, {"max_window_layers": 28}),
    ("qwen3", {"layer_types": ["full_attention"] * 2}, {}),
    ("llama", {"head_dim": None}, {"head_dim": 32}),
    ("llama", {"num_key_value_heads": 2}, {}),
    ("llama", {"rope_theta": 500000}, {"rope_theta": 500000.0}),
    ("llama", {"rope_scaling": None}, {"rope_scaling": {"rope_type": "default"}}),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, {"rope_scaling": LINEAR}),
    (
        "llama",
        {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_parameters": {**LINEAR, "rope_theta": 5e5}},
    ),
    ("llama", {"max_position_embeddings": 4096, "use_cache": False}, {"torch_dtype": "float16"}),
    ("llama", {"quantization_config": {"quant_method": "gptq", "bits": 4}}, {}),
    ("llama", {"unknown_to_the_class": 3, "attention_dropout": 0.1}, {}),
    ("gemma2", {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}, {}),
    ("cohere", {"logit_scale": 0.0625}, {}),
    ("phi3", {"embd_pdrop": 0.1, "pad_token_id": 0}, {}),
]

DIFFERENT: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("qwen2", WINDOW, {}, "layer_types"),
    ("qwen2", WINDOW, {**WINDOW, "max_window_layers": 1}, "layer_types"),
    ("mistral", {"sliding_window": None}, {"sliding_window": 4096}, "sliding_window"),
    ("llama", {}, {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_parameters"),
    ("llama", {"rope_theta": 1e4}, {"rope_theta": 5e5}, "rope_parameters"),
    ("llama", {"num_key_value_heads": 1}, {}, "num_key_value_heads"),
    ("llama", {}, {"rms_norm_eps": 1e-6}, "rms_norm_eps"),
    ("llama", {}, {"hidden_act": "gelu"}, "hidden_act"),
    (
        "llama",
        {"rope_scaling": DYNAMIC},
        {"rope_scaling": DYNAMIC, "max_position_embeddings": 1024},
        "max_position_embeddings",
    ),
    ("gemma2", {"attn_logit_softcapping": None}, {}, "attn_logit_softcapping"),
    ("granite", {"logits_scaling": 1.0}, {"logits_scaling": 8.0}, "logits_scaling"),
    ("gpt2", {}, {"activation_function": "gelu"}, "activation_function"),
    ("gpt_neox", {"use_parallel_residual": True}, {"use_parallel_residual": False}, "parallel"),
    ("gpt_neox", {"rotary_pct": 0.25}, {"rotary_pct": 1.0}, "rope_parameters"),
    ("qwen3_moe", {"norm_topk_prob": True}, {"norm_topk_prob": False}, "norm_topk_prob"),
]


def folders(place: Path, kind: str, base: dict[str, Any], expert: dict[str, Any]) -> list[Path]:
    made = []
    for name, settings in (("base", base), ("expert", expert)):
        folder = place / name
        folder.mkdir()
        document = {**SIZES, "model_type": kind, **settings}
        (folder / "config.json").write_text(json.dumps(document))
        made.append(folder)
    return made


@pytest.mark.parametrize(("kind", "base", "expert"), SAME)
def test_the_same_model(
    kind: str, base: dict[str, Any], expert: dict[str, Any], tmp_path: Path
) -> None:
    ours, theirs = folders(tmp_path, kind, base, expert)
    check_settings(ours, theirs)
    check_settings(theirs, ours)


@pytest.mark.parametrize(("kind", "base", "expert", "name"), DIFFERENT)
def test_another_model(
    kind: str, base: dict[str, Any], expert: dict[str, Any], name: str, tmp_path: Path
) -> None:
    ours, theirs = folders(tmp_path, kind, base, expert)
    for one, other in ((ours, theirs), (theirs, ours)):
        with pytest.raises(CheckpointError, match=rf"{other}/config\.json: [a-z_]*{name}"):
            check_settings(one, other)


def test_a_length_is_known_where_positions_are_plain(tmp_path: Path) -> None:
    plain, scaled = folders(tmp_path, "llama", {}, {"rope_scaling": LINEAR})
    check_length(plain, 512)
    with pytest.raises(CheckpointError, match=r"513 is more than the 512 positions that .*/base"):
        check_length(plain, 513)
    check_length(scaled, 1024)
