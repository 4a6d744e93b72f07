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

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


def checkpoint_shapes(checkpoint: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor that a checkpoint stores, by name.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    header = CheckpointHeader.open(checkpoint)
    return {tensor.name: tensor.shape for tensor in (*header.tensors, *header.tied_heads)}


def checkpoint_tensors(checkpoint: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor that a checkpoint stores, one at a time, in file order.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    for header in CheckpointHeader.open(checkpoint).files:
        with safe_open(str(header.path), framework="pt") as file:
            for tensor in header.tensors:
                yield tensor.name, file.get_tensor(tensor.name)


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
            raise EngineError(f"weights: {given} is no tensor of the base checkpoint")
        if name in seen:
            raise EngineError(f"weights: {given} came twice")
        if tuple(tensor.shape) != expected[name]:
            raise EngineError(
                f"weights: {given} has shape {tuple(tensor.shape)}, not {expected[name]}"
            )
        seen.add(name)
        yield name, tensor
    missing = sorted(expected.keys() - seen)
    if missing:
        raise EngineError(f"weights: {len(missing)} tensors are missing, the first is {missing[0]}")
