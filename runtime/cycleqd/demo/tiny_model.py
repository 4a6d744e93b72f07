"""A Llama of about two million parameters, made from nothing in seconds.

It stands where a real model would cost too much: the example ``tiny.yaml`` and the tests. Its
tokenizer is a byte-level BPE learned from the training questions; its weights are drawn from the
recipe's seed. Head size 32 is the smallest that vLLM's CPU attention takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

_END = "<|end|>"


def new_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE tokenizer of at most ``vocabulary`` tokens; token 0 ends a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def new_model(vocabulary: int, hidden: int, layers: int, seed: int) -> LlamaForCausalLM:
    """A Llama with tied embeddings and random float32 weights that follow from the seed."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        head_dim=32,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def save_checkpoint(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write model and tokenizer as a bf16 checkpoint into an existing folder."""
    tied = {"lm_head.weight"}
    tensors = {
        name: values.to(torch.bfloat16).contiguous()
        for name, values in sorted(model.state_dict().items())
        if name not in tied
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    settings = model.config
    config = {
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": None,
        "dtype": "bfloat16",
        "eos_token_id": 0,
        "head_dim": settings.head_dim,
        "hidden_act": settings.hidden_act,
        "hidden_size": settings.hidden_size,
        "initializer_range": settings.initializer_range,
        "intermediate_size": settings.intermediate_size,
        "max_position_embeddings": settings.max_position_embeddings,
        "model_type": "llama",
        "num_attention_heads": settings.num_attention_heads,
        "num_hidden_layers": settings.num_hidden_layers,
        "num_key_value_heads": settings.num_key_value_heads,
        "pad_token_id": 0,
        "rms_norm_eps": settings.rms_norm_eps,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": settings.vocab_size,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "clean_up_tokenization_spaces": False,
                "eos_token": _END,
                "model_max_length": settings.max_position_embeddings,
                "pad_token": _END,
                "tokenizer_class": "PreTrainedTokenizerFast",
            },
            indent=2,
        )
        + "\n"
    )
