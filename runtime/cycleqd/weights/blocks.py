"""Large tensors looked at piece by piece, so that a look needs no memory of its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 18


def blocks(tensor: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    """Flat pieces of a contiguous tensor, each with the number of its first element."""
    flat = tensor.reshape(-1)
    for begin in range(0, flat.numel(), _BLOCK):
        yield begin, flat[begin : begin + _BLOCK]


def equal(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two tensors of one shape hold the same numbers, whatever their types."""
    pairs = zip(blocks(first), blocks(second), strict=True)
    if first.dtype == second.dtype:
        return all(torch.equal(a, b) for (_, a), (_, b) in pairs)
    return all(torch.equal(a.float(), b.float()) for (_, a), (_, b) in pairs)
