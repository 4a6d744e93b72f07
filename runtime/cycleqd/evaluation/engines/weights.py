"""Checking a stream of weights on its way into an engine: complete, known, of the right shape.

The base checkpoint's header is the measure. A swap that misses a tensor would leave the previous
candidate's in place, and its results would be those of a model that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.errors import EngineError

if TYPE_CHECKING:
    import torch


def checkpoint_shapes(checkpoint: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every weight of a checkpoint, by name; a tied output head is the embedding.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    return {tensor.name: tensor.shape for tensor in CheckpointHeader.open(checkpoint).tensors}


def checkpoint_tensors(checkpoint: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight of a checkpoint, one at a time, in file order.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    header = CheckpointHeader.open(checkpoint)
    weights = header.by_name
    for part in header.files:
        with safe_open(str(part.path), framework="pt") as file:
            for tensor in part.tensors:
                if tensor.name in weights:
                    yield tensor.name, file.get_tensor(tensor.name)


def checked(
    tensors: Iterable[tuple[str, torch.Tensor]], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass tensors on; fail at the first that does not belong, or at the end if some are missing.

    Args:
        tensors: name and tensor, in any order.
        shapes: of the base checkpoint's tensors, by name.

    Raises:
        EngineError: a tensor is unknown, twice, misshapen or missing.
    """
    seen: set[str] = set()
    for name, tensor in tensors:
        if name not in shapes:
            raise EngineError(f"weights: {name} is no tensor of the base checkpoint")
        if name in seen:
            raise EngineError(f"weights: {name} came twice")
        if tuple(tensor.shape) != shapes[name]:
            raise EngineError(
                f"weights: {name} has shape {tuple(tensor.shape)}, not {shapes[name]}"
            )
        seen.add(name)
        yield name, tensor
    missing = sorted(shapes.keys() - seen)
    if missing:
        raise EngineError(f"weights: {len(missing)} tensors are missing, the first is {missing[0]}")
