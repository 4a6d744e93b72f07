"""How one tensor of an expert differs from the base's, in the form that it is stored in."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class LowRank:
    """``scale left right``: a matrix as the product of two small ones.

    Attributes:
        left: (rows, rank) float32.
        right: (rank, columns) float32.
        scale: its factor.
    """

    left: torch.Tensor
    right: torch.Tensor
    scale: float


@dataclass(frozen=True)
class Change:
    """``whole - base`` plus a matrix of low rank.

    Attributes:
        base: the base's tensor.
        whole: the tensor that takes its place, any float type; None for the base's own.
        low_rank: what is added, None for nothing.
    """

    base: torch.Tensor
    whole: torch.Tensor | None = None
    low_rank: LowRank | None = None

    def dense(self, device: torch.device | str) -> torch.Tensor:
        """The task vector itself, float32, the caller's own."""
        if self.whole is None:
            vector = torch.zeros(self.base.shape, device=device)
        else:
            vector = self.whole.to(device, torch.float32, copy=True)
            vector -= self.base.to(device)
        if self.low_rank is not None:
            left, right = self.low_rank.left.to(device), self.low_rank.right.to(device)
            vector.addmm_(left * self.low_rank.scale, right)
        return vector
