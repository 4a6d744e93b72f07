"""Wrong expert checkpoints: how each is made and what its message must say.

Every maker gets a folder holding a good expert and damages it.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from tests.checkpoints import WORDS, random_state, write_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
Q = "model.layers.0.self_attn.q_proj.weight"

CASES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {}


def case(*parts: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Register a maker under its name with parts of the expected message."""

    def register(make: Callable[[Path], None]) -> Callable[[Path], None]:
        CASES[make.__name__] = (make, parts)
        return make

    return register


def edit_config(folder: Path, **changes: Any) -> dict[str, Any]:
    path = folder / "config.json"
    config: dict[str, Any] = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(config))
    return config


def edit_state(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    # Copies: the loaded tensors map the file that is written again.
    state = {name: tensor.clone() for name, tensor in load_file(folder / WEIGHTS).items()}
    change(state)
    save_file(state, folder / WEIGHTS, {"format": "pt"})


def edit_header(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def shard_by_index(folder: Path, file: str) -> None:
    names = load_file(folder / WEIGHTS).keys()
    (folder / WEIGHTS).rename(folder / "part.safetensors")
    index = {"weight_map": dict.fromkeys(names, "part.safetensors") | {Q: file}}
    (folder / INDEX).write_text(json.dumps(index))


@case("config.json", "architectures", "Qwen2ForCausalLM", "LlamaForCausalLM", "fine-tune of")
def other_architecture(folder: Path) -> None:
    edit_config(folder, architectures=["Qwen2ForCausalLM"])


@case("config.json", "hidden_size", "found 128", "has 64")
def other_width(folder: Path) -> None:
    config = edit_config(folder, hidden_size=128)
    save_file(random_state(config, 5), folder / WEIGHTS)


@case("config.json", "num_hidden_layers", "found 3", "has 2")
def more_layers(folder: Path) -> None:
    config = edit_config(folder, num_hidden_layers=3)
    save_file(random_state(config, 5), folder / WEIGHTS)


@case("config.json", "vocab_size", "found 50", "has 48")
def grown_vocabulary(folder: Path) -> None:
    config = edit_config(folder, vocab_size=50)
    save_file(random_state(config, 5), folder / WEIGHTS)


@case("config.json", "rope_theta", "500000", "10000")
def other_rope(folder: Path) -> None:
    edit_config(folder, rope_parameters={"rope_theta": 500000.0, "rope_type": "default"})


@case("config.json", "missing")
def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


@case("config.json", "not JSON")
def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"architectures": [')


@case(Q, "missing", "every tensor of the base")
def missing_tensor(folder: Path) -> None:
    edit_state(folder, lambda state: state.pop(Q))


@case("model.score.weight", "not in the base", "drop added heads")
def extra_tensor(folder: Path) -> None:
    edit_state(folder, lambda state: state.update({"model.score.weight": torch.zeros(2)}))


@case("model.safetensors", Q, "found shape [32, 64]", "has [64, 64]")
def other_shape(folder: Path) -> None:
    edit_state(folder, lambda state: state.update({Q: torch.zeros(32, 64, dtype=torch.bfloat16)}))


@case("model.safetensors", Q, "dtype I8", "BF16, F16, F32", "full-precision")
def int8_weights(folder: Path) -> None:
    edit_state(folder, lambda state: state.update({Q: torch.ones(64, 64, dtype=torch.int8)}))


@case("model.safetensors", Q, "dtype F8_E4M3", "full-precision")
def fp8_weights(folder: Path) -> None:
    edit_state(folder, lambda s: s.update({Q: torch.ones(64, 64).to(torch.float8_e4m3fn)}))


@case("config.json", "quantization_config", "gptq", "full-precision")
def quantised(folder: Path) -> None:
    edit_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})


@case("tokenizer.json", "token 'cat'", "found id 42", "base has 40", "the base's tokenizer")
def other_tokenizer(folder: Path) -> None:
    words = list(WORDS)
    i, j = words.index("cat"), len(words)
    words[i] = "dog"
    write_tokenizer(folder, [*words, "cat"][: j + 1])


@case("model.safetensors", Q, "found nan at element 3", "finite")
def not_a_number(folder: Path) -> None:
    edit_state(folder, lambda state: state[Q].view(-1).__setitem__(3, float("nan")))


@case("model.safetensors", "model.norm.weight", "found -inf at element 0", "finite")
def infinite(folder: Path) -> None:
    edit_state(folder, lambda s: s["model.norm.weight"].__setitem__(0, float("-inf")))


@case("model.safetensors", "truncated", "download or save it again")
def truncated(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-1000])


@case("model.safetensors", "has 3 bytes")
def almost_empty(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"abc")


@case("model.safetensors", "announces a header of 9223372036854775807 bytes")
def huge_header(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 2**63 - 1) + data[8:])


@case("model.safetensors", "announces a header of 18446744073709551615 bytes")
def negative_header(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(struct.pack("<q", -1) + data[8:])


@case("model.safetensors", "the header is not JSON")
def garbage_header(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 16) + b"\xff" * 16)


@case("model.safetensors", "the header is not JSON")
def deeply_nested_header(folder: Path) -> None:
    text = b"[" * 200_000
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text)


@case("model.safetensors", "overlaps the tensor before it")
def overlapping_tensors(folder: Path) -> None:
    def overlap(header: dict[str, Any]) -> None:
        header[Q]["data_offsets"] = [0, 64 * 64 * 2]

    edit_header(folder, overlap)


@case("model.safetensors", Q, "data_offsets [-8, 8184]")
def negative_offset(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(data_offsets=[-8, 8184]))


@case("model.safetensors", Q, "has 8192 bytes", "needs 8388608")
def shape_larger_than_its_data(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[65536, 64]))


@case("model.safetensors", Q, "shape [-64, -64]")
def negative_shape(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[-64, -64]))


@case("pickle", "pytorch_model.bin", "safe_serialization=True")
def pickle_only(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


@case("neither model.safetensors nor", "found no safetensors file")
def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


@case("LoRA adapter", "merge_and_unload")
def adapter(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')


@case("missing.safetensors", "missing shard", INDEX)
def missing_shard(folder: Path) -> None:
    shard_by_index(folder, "missing.safetensors")


@case(INDEX, "'../base/model.safetensors'", "outside the checkpoint folder")
def path_traversal(folder: Path) -> None:
    shard_by_index(folder, "../base/model.safetensors")


@case(INDEX, "'/etc/passwd'", "outside the checkpoint folder")
def absolute_path(folder: Path) -> None:
    shard_by_index(folder, "/etc/passwd")


@case(INDEX, "no weight_map")
def index_without_a_map(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / INDEX).write_text('{"weight_map": ["a"]}')


@case("part.safetensors", "lacks tensor 'model.gone'", INDEX)
def index_of_another_model(folder: Path) -> None:
    shard_by_index(folder, "part.safetensors")
    document = json.loads((folder / INDEX).read_text())
    document["weight_map"]["model.gone"] = "part.safetensors"
    (folder / INDEX).write_text(json.dumps(document))


@case("model.safetensors", "lm_head.weight", "differs from the embeddings", "tie_word_embeddings")
def untied_head_in_a_tied_model(folder: Path) -> None:
    name = "model.embed_tokens.weight"
    edit_state(folder, lambda state: state.update({"lm_head.weight": state[name] + 1}))


@case("every tensor equals the base's", "fine-tuned")
def the_base_itself(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder.parent / "base" / WEIGHTS).read_bytes())


@case("no such folder")
def no_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def in_place(path: Path) -> Path:
    """The place of a file that is no more."""
    path.unlink()
    return path


def edit_tokenizer(folder: Path, **changes: Any) -> None:
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text())
    document["model"] |= changes
    path.write_text(json.dumps(document))


def edit_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@case("config.json", "is a FIFO", "put the file itself there")
def fifo_for_the_configuration(folder: Path) -> None:
    os.mkfifo(in_place(folder / "config.json"))


@case(WEIGHTS, "is a FIFO", "put the file itself there")
def fifo_for_the_weights(folder: Path) -> None:
    os.mkfifo(in_place(folder / WEIGHTS))


@case(INDEX, "is a FIFO", "put the file itself there")
def fifo_for_the_index(folder: Path) -> None:
    in_place(folder / WEIGHTS)
    os.mkfifo(folder / INDEX)


@case("part.safetensors", "is a FIFO", "put the file itself there")
def fifo_for_a_shard(folder: Path) -> None:
    shard_by_index(folder, "part.safetensors")
    os.mkfifo(in_place(folder / "part.safetensors"))


@case("tokenizer.json", "is a FIFO", "put the file itself there")
def fifo_for_the_tokenizer(folder: Path) -> None:
    os.mkfifo(in_place(folder / "tokenizer.json"))


@case("chat_template.jinja", "is a FIFO", "put the file itself there")
def fifo_for_the_chat_template(folder: Path) -> None:
    os.mkfifo(folder / "chat_template.jinja")


@case("config.json", "is a device", "put the file itself there")
def endless_configuration(folder: Path) -> None:
    in_place(folder / "config.json").symlink_to("/dev/zero")


@case(WEIGHTS, "is a device", "put the file itself there")
def endless_weights(folder: Path) -> None:
    in_place(folder / WEIGHTS).symlink_to("/dev/zero")


@case(WEIGHTS, "is a folder", "put the file itself there")
def folder_for_the_weights(folder: Path) -> None:
    in_place(folder / WEIGHTS).mkdir()


@case("config.json", "is a socket", "put the file itself there")
def socket_for_the_configuration(folder: Path) -> None:
    place = in_place(folder / "config.json")
    with socket.socket(socket.AF_UNIX) as made:
        # The whole path may be too long for a socket's name.
        descriptor = os.open(folder, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{descriptor}/{place.name}")
        os.close(descriptor)


@case(WEIGHTS, "Too many levels of symbolic links")
def circle_of_links(folder: Path) -> None:
    in_place(folder / WEIGHTS).symlink_to(folder / WEIGHTS)


@case(WEIGHTS, "is a broken link", "put the file itself there")
def link_to_nothing(folder: Path) -> None:
    in_place(folder / WEIGHTS).symlink_to(folder / "gone")


@case("config.json", "has 1099511627776 bytes", "at most 100000000")
def configuration_of_a_terabyte(folder: Path) -> None:
    os.truncate(folder / "config.json", 1 << 40)


@case("config.json", "nests at most 64 levels deep")
def deep_configuration(folder: Path) -> None:
    edit_config(folder, notes=json.loads("[" * 500 + "]" * 500))


@case("config.json", "nests at most 64 levels deep")
def deepest_configuration(folder: Path) -> None:
    (folder / "config.json").write_text('{"a":' * 100_000)


@case("config.json", "an integer of 5000 digits")
def configuration_with_a_long_number(folder: Path) -> None:
    edit_text(folder / "config.json", '"hidden_size": 64', f'"hidden_size": {"9" * 5000}')


@case("config.json", "not JSON", "utf-8")
def configuration_of_other_bytes(folder: Path) -> None:
    (folder / "config.json").write_bytes(b'{"model_type": "\xff"}')


@case("config.json", "not JSON of one object, but a list")
def configuration_of_a_list(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


@case("config.json", "text_config", "found 'none'", "expected an object")
def text_config_of_text(folder: Path) -> None:
    edit_config(folder, text_config="none")


@case("config.json", "text_config.hidden_size", "found '64'", "expected a number")
def nested_size_of_text(folder: Path) -> None:
    edit_config(folder, text_config={"hidden_size": "64"})


@case("config.json", "tie_word_embeddings", "found 'yes'", "expected true or false")
def tie_of_text(folder: Path) -> None:
    edit_config(folder, tie_word_embeddings="yes")


@case("config.json", "architectures", "found 7", "expected a list of class names")
def architecture_of_a_number(folder: Path) -> None:
    edit_config(folder, architectures=7)


@case("config.json", "num_hidden_layers", "found True", "expected a number")
def layers_of_a_flag(folder: Path) -> None:
    edit_config(folder, num_hidden_layers=True)


@case("config.json", "rms_norm_eps", "found nan", "expected a number")
def epsilon_of_no_number(folder: Path) -> None:
    edit_config(folder, rms_norm_eps=float("nan"))


@case("config.json", "rope_parameters.rope_theta", "found [{}]", "expected a number")
def rope_of_a_list(folder: Path) -> None:
    edit_config(folder, rope_parameters={"rope_theta": [{}]})


@case(WEIGHTS, Q, "has 20000 axes", "at most 32")
def thousands_of_axes(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[10] * 20_000))


@case(WEIGHTS, Q, "shape [4294967296, 4294967296]", "fewer than 2**63 bytes")
def shape_beyond_64_bits(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[1 << 32, 1 << 32]))


@case(WEIGHTS, "model.empty", "fewer than 2**63 bytes")
def empty_shape_beyond_64_bits(folder: Path) -> None:
    entry = {"dtype": "BF16", "shape": [0, 1 << 62], "data_offsets": [0, 0]}
    edit_header(folder, lambda header: header.update({"model.empty": entry}))


@case(WEIGHTS, Q, "shape [9223372036854775808]", "below 2**63")
def axis_beyond_64_bits(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[1 << 63]))


@case(WEIGHTS, Q, "shape [True, 4096]", "expected non-negative integers")
def axis_of_a_flag(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[True, 4096]))


@case(WEIGHTS, Q, "data_offsets [0.0, 8192]")
def offset_of_a_float(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(data_offsets=[0.0, 8192]))


@case(WEIGHTS, Q, "data_offsets [nan, 8192]")
def offset_of_no_number(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(data_offsets=[float("nan"), 8192]))


@case(WEIGHTS, Q, "unknown dtype ['BF16']")
def dtype_of_a_list(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(dtype=["BF16"]))


@case(WEIGHTS, "an integer of 5000 digits")
def offset_with_many_digits(folder: Path) -> None:
    text = (
        '{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, ' + "9" * 5000 + "]}}"
    ).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text)


@case(WEIGHTS, "a layer number of 5000 digits", "expected at most 5")
def layer_with_many_digits(folder: Path) -> None:
    name = f"model.layers.{'9' * 5000}.self_attn.q_proj.weight"
    edit_header(folder, lambda header: header.update({name: header.pop(Q)}))


@case(WEIGHTS, r"'model.\x1b[31m\n'", "cannot be printed")
def name_with_control_characters(folder: Path) -> None:
    edit_header(folder, lambda header: header.update({"model.\x1b[31m\n": header.pop(Q)}))


@case(WEIGHTS, r"'model.\ud800'", "cannot be printed")
def name_that_is_no_unicode(folder: Path) -> None:
    edit_header(folder, lambda header: header.update({"model.\ud800": header.pop(Q)}))


@case(WEIGHTS, "tensor '' has a name that is empty")
def name_without_a_letter(folder: Path) -> None:
    edit_header(folder, lambda header: header.update({"": header.pop(Q)}))


@case(WEIGHTS, "tensor 'model.aaaa", "aaaa... ", "lacks dtype")
def name_of_a_megabyte(folder: Path) -> None:
    edit_header(folder, lambda header: header.update({"model." + "a" * (1 << 20): 0}))


@case(WEIGHTS, "__metadata__ must map strings to strings")
def metadata_of_numbers(folder: Path) -> None:
    edit_header(folder, lambda header: header.update(__metadata__={"format": 1}))


@case(INDEX, "names 'model.norm.weight' twice")
def index_with_a_name_twice(folder: Path) -> None:
    shard_by_index(folder, "part.safetensors")
    edit_text(
        folder / INDEX, "{", '{"weight_map": {"model.norm.weight": "x", "model.norm.weight": "y"},'
    )


@case(INDEX, r"'a\x00b'", "only plain file names")
def shard_with_a_zero_byte(folder: Path) -> None:
    shard_by_index(folder, "a\0b")


@case(INDEX, "'aaaa", "only plain file names")
def shard_with_a_long_name(folder: Path) -> None:
    shard_by_index(folder, "a" * 256)


@case(INDEX, r"'\x1b[2J'", "only plain file names")
def shard_with_control_characters(folder: Path) -> None:
    shard_by_index(folder, "\x1b[2J")


@case("neither model.safetensors nor", r"found 'a\nb.safetensors'")
def weights_of_another_name(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "a\nb.safetensors")


@case("tokenizer.json", "model.merges", "found 3", "expected a list")
def merges_of_a_number(folder: Path) -> None:
    edit_tokenizer(folder, merges=3)


@case("tokenizer.json", "model.vocab", "found 'x'", "a token's number")
def token_id_of_text(folder: Path) -> None:
    edit_tokenizer(folder, vocab={"cat": "x"})


@case("tokenizer.json", "model.vocab", "found [[]]", "[piece, score]")
def piece_of_a_list(folder: Path) -> None:
    edit_tokenizer(folder, vocab=[[[]]])


@case("tokenizer.json", "model: found None", "expected an object")
def tokenizer_without_a_model(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
