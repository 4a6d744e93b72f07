"""Tiny random models of many architectures, as their libraries save them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
_MOST = {"num_experts_per_tok": 2, "num_local_experts": 4}
_GEMMA = {"query_pre_attn_scalar": 8, "sliding_window": 8}


def _gemma3(vocabulary: int, **changes: Any) -> Any:
    from transformers import Gemma3Config

    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    text = {**_SIZES, **_GEMMA, **changes, "vocab_size": vocabulary}
    return Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)


def _known(name: str, **own: Any) -> Callable[..., Any]:
    def make(vocabulary: int, **changes: Any) -> Any:
        import transformers

        settings = {**_SIZES, **own, **changes}
        return getattr(transformers, name)(vocab_size=vocabulary, **settings)

    return make


CONFIGURATIONS: dict[str, Callable[..., Any]] = {
    "LlamaForCausalLM": _known("LlamaConfig", tie_word_embeddings=True),
    "MistralForCausalLM": _known("MistralConfig"),
    "Qwen2ForCausalLM": _known("Qwen2Config"),
    "Qwen3ForCausalLM": _known("Qwen3Config"),
    "Gemma2ForCausalLM": _known("Gemma2Config", **_GEMMA),
    "Gemma3ForCausalLM": _known("Gemma3TextConfig", **_GEMMA),
    "Gemma3ForConditionalGeneration": _gemma3,
    "Phi3ForCausalLM": _known("Phi3Config"),
    "GPT2LMHeadModel": _known("GPT2Config"),
    "GPTNeoXForCausalLM": _known("GPTNeoXConfig"),
    "Olmo2ForCausalLM": _known("Olmo2Config"),
    "Lfm2ForCausalLM": _known("Lfm2Config", layer_types=["conv", "full_attention"]),
    "MixtralForCausalLM": _known("MixtralConfig", **_MOST),
    "Qwen3MoeForCausalLM": _known(
        "Qwen3MoeConfig", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16
    ),
    "Mamba2ForCausalLM": _known(
        "Mamba2Config", num_heads=4, head_dim=16, state_size=16, n_groups=1, chunk_size=16
    ),
}
"""How each is configured, by the class of the model."""


def save_tiny(folder: Path, architecture: str, *, seed: int, **changes: Any) -> Path:
    """A random model with a tokenizer of single characters.

    Args:
        folder: a new folder.
        architecture: one of `CONFIGURATIONS`.
        seed: of the weights.
        changes: settings unlike those of `CONFIGURATIONS`.
    """
    import tiny_llama  # type: ignore[import-not-found]  # beside this file, in no package
    import torch
    import transformers

    folder.mkdir()
    config = CONFIGURATIONS[architecture](tiny_llama.save_tokenizer(folder), **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, architecture)(config)
        for parameter in model.parameters():
            # Norms and biases are drawn too.
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    return folder
