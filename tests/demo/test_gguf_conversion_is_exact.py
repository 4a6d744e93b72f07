"""A converted GGUF file is the model that went into it: same tensors, logits and token ids."""

import json

import gguf
import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
)

from cycleqd.demo.gguf_checkpoint import convert, hugging_face_name, unpermute
from cycleqd.demo.tiny_model import new_tokenizer
from cycleqd.errors import CheckpointError

pytestmark = pytest.mark.runtime

HEADS, KV_HEADS, HIDDEN = 4, 2, 128
TEXTS = ["SELECT name FROM staff WHERE age>40\n", "grep -v rain notes.txt\n"]
GGUF_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def permuted(values, heads):
    """llama.cpp's own permutation, as its converter writes it."""
    shape = values.shape
    return values.reshape(heads, 2, shape[0] // heads // 2, shape[1]).swapaxes(1, 2).reshape(shape)


def gguf_tensors(model):
    state = {k: v.numpy() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    for name, values in state.items():
        if name == "model.embed_tokens.weight":
            yield "token_embd.weight", values
        elif name == "model.norm.weight":
            yield "output_norm.weight", values
        else:
            layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
            heads = {"self_attn.q_proj": HEADS, "self_attn.k_proj": KV_HEADS}.get(part)
            rows = values if heads is None else np.ascontiguousarray(permuted(values, heads))
            yield f"blk.{layer}.{GGUF_NAMES[part]}.weight", rows


@pytest.fixture(scope="module")
def tokenizer():
    return new_tokenizer(TEXTS, 320)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=HIDDEN,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        tie_word_embeddings=True,
        rope_theta=5000.0,
        rms_norm_eps=1e-5,
    )
    made = LlamaForCausalLM(config)
    made.load_state_dict({k: v.bfloat16().float() for k, v in made.state_dict().items()})
    return made


@pytest.fixture(scope="module")
def source(model, tokenizer, tmp_path_factory):
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(160)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(5000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([3] + [1] * (len(vocabulary) - 1))
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    for name, values in gguf_tensors(model):
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture(scope="module")
def folder(source, tmp_path_factory):
    target = tmp_path_factory.mktemp("converted")
    convert(source, target)
    return target


def test_tensors_and_logits_are_those_of_the_model(model, folder):
    assert AutoConfig.from_pretrained(folder).dtype == torch.bfloat16
    found = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected = model.state_dict()
    assert found.state_dict().keys() == expected.keys()
    for name, values in found.state_dict().items():
        assert torch.equal(values, expected[name]), name
    ids = torch.arange(24)[None]
    with torch.no_grad():
        assert torch.equal(found(ids).logits, model(ids).logits)


def test_the_tokenizer_gives_the_same_ids(tokenizer, folder):
    found = AutoTokenizer.from_pretrained(folder)
    for text in [*TEXTS, "x = 1234 + 5\n", "naïve"]:
        assert found(text)["input_ids"] == tokenizer.encode(text).ids
        assert found.decode(found(text)["input_ids"]) == text


def test_unpermute_undoes_the_permutation_of_llama_cpp():
    values = np.arange(HIDDEN * 6, dtype=np.float32).reshape(HIDDEN, 6)
    for heads in (1, 2, 4):
        assert not np.array_equal(permuted(values, heads), values)
        assert np.array_equal(unpermute(permuted(values, heads), heads), values)


@pytest.mark.parametrize("name", ["blk.0.ffn_gate_exps.weight", "rope_freqs.weight", "blk.weight"])
def test_tensors_of_other_models_are_refused(name):
    with pytest.raises(CheckpointError, match=name):
        hugging_face_name(name)


def test_another_architecture_is_refused(tmp_path):
    file = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(file, "bert")
    writer.add_tensor("x.weight", np.zeros((2, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(CheckpointError, match="bert"):
        convert(file, tmp_path)
