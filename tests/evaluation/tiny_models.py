"""Tiny random models of many architectures, as their libraries save them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cycleqd.evaluation.engine import Request

# Lengths that differ, so that rows are padded and leave the batch at different steps.
REQUESTS = [Request("hello", 6), Request("select name from staff", 9), Request("a b", 3)]

# Heads of 32 are the least that vLLM takes on a CPU.
_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
_MOST = {"num_experts_per_tok": 2, "num_local_experts": 4}
# Embeddings are scaled up, and tied: large ones would only say the last token again.
_GEMMA = {"query_pre_attn_scalar": 32, "sliding_window": 8, "initializer_range": 0.02}


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
    "GPTNeoXForCausalLM": _known("GPTNeoXConfig", num_key_value_heads=2),
    "Olmo2ForCausalLM": _known("Olmo2Config"),
    "Lfm2ForCausalLM": _known("Lfm2Config", layer_types=["conv", "full_attention"]),
    "MixtralForCausalLM": _known("MixtralConfig", **_MOST),
    "Qwen3MoeForCausalLM": _known(
        "Qwen3MoeConfig", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16
    ),
    "Mamba2ForCausalLM": _known(
        "Mamba2Config", num_heads=8, head_dim=16, state_size=16, n_groups=1, chunk_size=16
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
            if parameter.ndim == 1:  # norms and biases are drawn too
                parameter.data.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    return folder


def plainly(checkpoint: Path) -> list[str]:
    """The library's own greedy completions of `REQUESTS`, one by one."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    texts = []
    for request in REQUESTS:
        ids = tokenizer(request.prompt, return_tensors="pt")["input_ids"]
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=request.max_new_tokens,
        )
        texts.append(str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)))
    return texts


def save_merged(folder: Path, base: Path, experts: Sequence[Path]) -> tuple[Path, float]:
    """A child of all experts, mutated along the first one's directions.

    Returns:
        The folder, and how far the worst tensor is from float64 arithmetic, as a share of its
        largest value.
    """
    import numpy as np
    from tests.weights.lineage import Family, add_gain, draw, mutate

    from cycleqd.evolution.genome import scaled_experts_genome
    from cycleqd.weights.checkpoint import Checkpoint

    folders = {"base": base, **{path.name: path for path in experts}}
    family = Family(folders, folder.with_suffix(".cache"))
    shares = [0.75, 0.5]
    draws = draw(family.layout, np.random.default_rng(1))
    start, models = family.model("base"), [family.model(path.name) for path in experts]
    exact = {
        name: start[name]
        + sum(
            share * (model[name] - start[name]) for share, model in zip(shares, models, strict=True)
        )
        for name in start
    }
    exact = mutate(exact, family.factors[experts[0].name], draws)
    genome = add_gain(scaled_experts_genome(family.layout, shares), 0, family.layout, draws)
    family.materializer().to_file(genome, folder)
    worst = max(
        float((tensor.double() - exact[name]).abs().max() / exact[name].abs().max())
        for name, tensor in Checkpoint.open(folder)
    )
    return folder, worst
