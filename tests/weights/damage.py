"""How a good expert's checkpoint is damaged, and the register of the ways to damage it."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

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
