"""Tiny random Llamas with head size 32 (the smallest vLLM's CPU attention takes)."""

from __future__ import annotations

from pathlib import Path

ALPHABET = [chr(code) for code in range(32, 127)] + ["\n"]


def save_tokenizer(folder: Path) -> int:
    """A tokenizer of single characters; returns the number of its tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"</s>": 0, "<unk>": 1}
    for letter in ALPHABET:
        vocabulary[letter] = len(vocabulary)
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="</s>", pad_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


def save_tiny_llama(folder: Path, *, seed: int = 0, tied: bool = True) -> Path:
    """A checkpoint of about 100,000 parameters with a tokenizer of single characters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=save_tokenizer(folder),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=0,
        initializer_range=0.3,
    )
    generator_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        model = LlamaForCausalLM(config)
    finally:
        torch.random.set_rng_state(generator_state)
    model.save_pretrained(folder)
    return folder
