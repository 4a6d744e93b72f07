"""Configurations and tokenizers that hold what they may not."""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING

from tests.weights.damage import case, edit_config, edit_text, edit_tokenizer

if TYPE_CHECKING:
    from pathlib import Path


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


@case("config.json", "num_hidden_layers", "found 1000000000", "at most 4096")
def layers_by_the_billion(folder: Path) -> None:
    edit_config(folder, num_hidden_layers=10**9)


@case("config.json", "vision_config.depth", "found 5000", "at most 4096")
def towers_of_thousands_of_layers(folder: Path) -> None:
    edit_config(folder, vision_config={"depth": 5000})


@case("config.json", "text_config.num_experts", "found 1000000", "at most 4096")
def experts_by_the_million(folder: Path) -> None:
    edit_config(folder, text_config={"num_experts": 10**6})


@case("config.json", "num_labels", "found 10000000", "at most 4096")
def labels_by_the_million(folder: Path) -> None:
    edit_config(folder, num_labels=10**7)


@case("config.json", "text_config", "found []", "expected an object")
def text_config_of_a_list(folder: Path) -> None:
    edit_config(folder, text_config=[])


@case("tokenizer.json", "holds about 5000007 values", "at most 4000000")
def tokenizer_of_five_million_values(folder: Path) -> None:
    # 15 MB, of which Python makes 400 MB; refused before that.
    text = '{"model": {"vocab": {}, "merges": []}, "notes": [' + "{}," * 2_500_000 + "0]}"
    (folder / "tokenizer.json").write_text(text)


@case("model.safetensors", "the header holds about 5000002 values", "at most 4000000")
def header_of_five_million_values(folder: Path) -> None:
    text = b'{"a":[' + b"{}," * 2_500_000 + b"0]}"
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
