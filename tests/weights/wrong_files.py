"""Folders in which a file is missing, is no file, or leads elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import socket
from typing import TYPE_CHECKING

from tests.weights.damage import INDEX, WEIGHTS, case, edit_text, in_place, shard_by_index

if TYPE_CHECKING:
    from pathlib import Path


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n"


@case("pickle", "pytorch_model.bin", "safe_serialization=True")
def pickle_only(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


@case("neither model.safetensors nor", "found no safetensors file")
def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


@case("'model-Q4.gguf'", "GGUF is for inference")
def gguf_beside_the_configuration(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "model-Q4.gguf")


@case(INDEX, "'model-00001-of-00002.safetensors'", "download the index too")
def shards_without_their_index(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "model-00001-of-00002.safetensors")


@case("'consolidated.safetensors'", "its maker's own format", "Hugging Face format")
def format_of_its_maker(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "consolidated.safetensors")


@case("its folder 'checkpoint-10' has a config.json too; name that one")
def checkpoint_below(folder: Path) -> None:
    (folder / "checkpoint-10").mkdir()
    (folder / "checkpoint-10/config.json").write_text("{}")
    (folder / WEIGHTS).rename(folder / "checkpoint-10" / WEIGHTS)


@case(WEIGHTS, "a pointer of Git LFS", "git lfs pull")
def pointer_for_the_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_text(POINTER)


@case("tokenizer.json", "a pointer of Git LFS", "git lfs pull")
def pointer_for_the_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(POINTER)


@case("LoRA adapter", "merge_and_unload")
def adapter(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')


@case(WEIGHTS, "adapter_model.safetensors", "leave one of them")
def model_beside_an_adapter(folder: Path) -> None:
    shutil.copy(folder / WEIGHTS, folder / "adapter_model.safetensors")
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


@case("no such folder")
def no_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


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
