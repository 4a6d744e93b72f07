"""Small random Llama checkpoints with a tokenizer, made in milliseconds; importable by any test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["<unk>", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz0123456789", "the", "cat", "sat"]


def llama_config(
    *,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 2,
    vocab: int = 48,
    intermediate: int = 96,
    tied: bool = True,
    dtype: str = "bfloat16",
) -> dict[str, Any]:
    """The configuration of a Llama; the head size must be 32 or more for vLLM on CPU."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": max(1, heads // 2),
        "head_dim": hidden // heads,
        "vocab_size": vocab,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": tied,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": dtype,
    }


def llama_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of its tensors."""
    hidden, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries = config["num_attention_heads"] * head
    keys = config["num_key_value_heads"] * head
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], hidden),
        "model.norm.weight": (hidden,),
    }
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        shapes |= {
            f"{prefix}.input_layernorm.weight": (hidden,),
            f"{prefix}.self_attn.q_proj.weight": (queries, hidden),
            f"{prefix}.self_attn.k_proj.weight": (keys, hidden),
            f"{prefix}.self_attn.v_proj.weight": (keys, hidden),
            f"{prefix}.self_attn.o_proj.weight": (hidden, queries),
            f"{prefix}.post_attention_layernorm.weight": (hidden,),
            f"{prefix}.mlp.gate_proj.weight": (inner, hidden),
            f"{prefix}.mlp.up_proj.weight": (inner, hidden),
            f"{prefix}.mlp.down_proj.weight": (hidden, inner),
        }
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    return shapes


def random_state(config: dict[str, Any], seed: int) -> dict[str, torch.Tensor]:
    """Random weights of a base model, norms near one, in the configuration's type."""
    random = np.random.default_rng(seed)
    dtype = getattr(torch, config["torch_dtype"])
    state = {}
    for name, shape in llama_shapes(config).items():
        values = random.standard_normal(shape, np.float32) * np.float32(0.05)
        state[name] = torch.from_numpy(values + (1 if len(shape) == 1 else 0)).to(dtype)
    return state


def fine_tuned(
    state: dict[str, torch.Tensor], seed: int, *, size: float = 0.01, frozen: tuple[str, ...] = ()
) -> dict[str, torch.Tensor]:
    """The state moved by a random task vector of decaying spectrum, ``size`` in rms per element."""
    random = np.random.default_rng(seed)
    tuned = {}
    for name, tensor in state.items():
        if any(part in name for part in frozen):
            tuned[name] = tensor.clone()
            continue
        if tensor.ndim == 2:
            rank = min(tensor.shape)
            left = random.standard_normal((tensor.shape[0], rank), np.float32)
            right = random.standard_normal((rank, tensor.shape[1]), np.float32)
            change = (left * np.linspace(1, 0.05, rank, dtype=np.float32)) @ right
            change *= np.float32(size / change.std())
        else:
            change = random.standard_normal(tensor.shape, np.float32) * np.float32(size)
        tuned[name] = (tensor.float() + torch.from_numpy(change)).to(tensor.dtype)
    return tuned


def write_checkpoint(
    folder: Path,
    config: dict[str, Any],
    state: dict[str, torch.Tensor],
    *,
    shards: int = 1,
    tokenizer: bool = True,
) -> Path:
    """Write a Hugging Face folder with one weight file or several."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "generation_config.json").write_text('{"bos_token_id": 1, "eos_token_id": 2}')
    if tokenizer:
        write_tokenizer(folder)
    if shards == 1:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        return folder
    names = list(state)
    weight_map: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: state[name] for name in names[number::shards]}
        save_file(part, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    total = sum(tensor.nbytes for tensor in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def write_tokenizer(folder: Path, words: list[str] = WORDS) -> None:
    """A tiny word-level tokenizer that transformers opens."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    document = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "model_max_length": 128,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(document))


def family(
    folder: Path,
    *,
    experts: tuple[str, ...] = ("sql", "python"),
    size: float = 0.01,
    frozen: tuple[str, ...] = (),
    shards: int = 1,
    **config: Any,
) -> dict[str, Path]:
    """A base and experts fine-tuned from it: folders by name, ``base`` among them."""
    settings = llama_config(**config)
    base = random_state(settings, seed=0)
    folders = {"base": write_checkpoint(folder / "base", settings, base, shards=shards)}
    for seed, name in enumerate(experts, 1):
        state = fine_tuned(base, seed, size=size, frozen=frozen)
        folders[name] = write_checkpoint(folder / name, settings, state, shards=shards)
    return folders
