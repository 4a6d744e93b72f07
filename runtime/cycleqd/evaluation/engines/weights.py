"""Checking a stream of weights on its way into an engine: complete, known, of the right shape.

The base checkpoint's header is the measure. A swap that misses a tensor would leave the previous
candidate's in place, and its results would be those of a model that does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from cycleqd.errors import EngineError

if TYPE_CHECKING:
    import torch

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


def checkpoint_files(checkpoint: Path) -> list[Path]:
    """The safetensors files of a checkpoint, in the order of its index.

    Raises:
        EngineError: there are none.
    """
    index = checkpoint / "model.safetensors.index.json"
    if index.is_file():
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [checkpoint / name for name in dict.fromkeys(names)]
    files = sorted(checkpoint.glob("*.safetensors"))
    if not files:
        msg = f"{checkpoint}: holds no safetensors file"
        raise EngineError(msg)
    return files


def checkpoint_shapes(checkpoint: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a checkpoint by name, from its headers.

    Raises:
        EngineError: a file cannot be read.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in checkpoint_files(checkpoint):
        try:
            with safe_open(str(path), framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  # not a dict
                    shapes[name] = tuple(file.get_slice(name).get_shape())
        except (OSError, SafetensorError) as error:
            msg = f"{path}: cannot be read: {error}"
            raise EngineError(msg) from error
    return shapes


def checkpoint_tensors(checkpoint: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of a checkpoint, one at a time, in file order."""
    for path in checkpoint_files(checkpoint):
        with safe_open(str(path), framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # not a dict
                yield name, file.get_tensor(name)


def checked(
    tensors: Iterable[tuple[str, torch.Tensor]],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    tied: bool,
) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass tensors on; fail at the first that does not belong, or at the end if some are missing.

    Args:
        tensors: name and tensor, in any order.
        shapes: of the base checkpoint's tensors, by name.
        tied: whether head and embedding are one tensor; then either name is enough, and the
            tensor is passed on as the embedding.

    Raises:
        EngineError: a tensor is unknown, twice, misshapen or missing.
    """

    def canonical(name: str) -> str:
        return EMBEDDING if tied and name == HEAD else name

    expected = {canonical(name): shape for name, shape in shapes.items()}
    seen: set[str] = set()
    for given, tensor in tensors:
        name = canonical(given)
        if name not in expected:
            msg = f"weights: {given} is no tensor of the base checkpoint"
            raise EngineError(msg)
        if name in seen:
            msg = f"weights: {given} came twice"
            raise EngineError(msg)
        if tuple(tensor.shape) != expected[name]:
            msg = f"weights: {given} has shape {tuple(tensor.shape)}, not {expected[name]}"
            raise EngineError(msg)
        seen.add(name)
        yield name, tensor
    missing = sorted(expected.keys() - seen)
    if missing:
        msg = f"weights: {len(missing)} tensors are missing, the first is {missing[0]}"
        raise EngineError(msg)
