"""Merges of task vectors that are not linear in them: one tensor of all experts at a time.

The methods are those of the papers, with the same care for tensors that are no matrices. Where an
expert did not change a tensor its task vector is zero there and left out, but it counts wherever a
method divides by the number of experts.

Decompositions take longer than all else about a candidate, and the candidates of a method differ by
a factor alone: what fits is kept from one to the next (`Kept`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cycleqd.evolution import rng
from cycleqd.weights.svd import factor

if TYPE_CHECKING:
    from cycleqd.evolution.genome import MergeMethod

_KEPT_SPECTRUM = 0.5
"""OPCM's alpha, as in the paper."""

# Elements of a block of a mask; part of its definition, since each block has a stream of its own.
_MASK_BLOCK = 1 << 16

KEPT_BYTES = 1 << 30
"""What is kept at most: all merged task vectors of a model of 250 million parameters."""


@dataclass(frozen=True)
class Source:
    """What is merged.

    Attributes:
        vectors: by expert in the run's order, its task vector in one tensor, float32, all of one
            shape and not empty; experts that did not change the tensor are left out.
        experts: number of all experts of the run.
        tensor: the tensor's name.
    """

    vectors: Mapping[str, torch.Tensor]
    experts: int
    tensor: str

    @property
    def total(self) -> torch.Tensor:
        """The sum of the task vectors."""
        return torch.stack(list(self.vectors.values())).sum(dim=0)


class Kept:
    """Merged task vectors of one run, in memory.

    The first ones stay. Every candidate asks for all tensors in one order, so where not all fit, a
    cache that made room for the latest would never hold the next.

    Args:
        limit: bytes that are kept at most.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._free = limit
        self._vectors: dict[tuple[str, MergeMethod, float | None], torch.Tensor] = {}

    def get(self, tensor: str, method: MergeMethod, density: float | None) -> torch.Tensor | None:
        """What `merge` made of a tensor, on the host and not to be written; None if not kept."""
        return self._vectors.get((tensor, method, density))

    def add(
        self, tensor: str, method: MergeMethod, density: float | None, vector: torch.Tensor
    ) -> None:
        """Keep what `merge` made, if there is room."""
        if vector.nbytes <= self._free:
            self._free -= vector.nbytes
            self._vectors[tensor, method, density] = vector.cpu()


def merge(source: Source, method: MergeMethod, density: float | None, seed: int) -> torch.Tensor:
    """The merged task vector of one tensor, float32.

    Args:
        source: the experts' task vectors.
        method: how they are merged.
        density: share that is kept, for ``TIES`` and ``DARE``.
        seed: the run's, for ``DARE``.
    """
    match method:
        case "TIES":
            assert density is not None
            return ties(source, density)
        case "DARE":
            assert density is not None
            return dare(source, density, seed)
        case "IsoC":
            return iso_c(source)
        case "TSVM":
            return tsv_m(source)
        case "OPCM":
            return opcm(source)


def ties(source: Source, density: float) -> torch.Tensor:
    """Trim, elect sign, disjoint mean (TIES, Yadav et al., 2023, algorithm 1).

    Each task vector keeps the elements of this tensor that are at least as large as the last of the
    ``density`` largest; equal ones stay together. The sign of the kept elements' sum is elected,
    and the mean taken over the experts whose kept element has it.
    """
    kept = []
    for vector in source.vectors.values():
        size = vector.abs().flatten()
        least = size.kthvalue(size.numel() - max(1, int(density * size.numel())) + 1).values
        kept.append(torch.where(vector.abs() >= least, vector, 0.0))
    trimmed = torch.stack(kept)
    agreed = (trimmed.sign() == trimmed.sum(dim=0).sign()) & (trimmed != 0)
    count = agreed.sum(dim=0).clamp(min=1)
    return (trimmed * agreed).sum(dim=0) / count


def dare(source: Source, density: float, seed: int) -> torch.Tensor:
    """Drop and rescale, then the sum (DARE, Yu et al., 2024, with task arithmetic).

    Each element stays with probability ``density`` and is divided by it. The mask of an expert's
    tensor follows from the run's seed and both names, so all candidates of a run share it.
    """
    total: torch.Tensor | None = None
    for expert, vector in source.vectors.items():
        mask = torch.empty(vector.numel(), dtype=torch.bool)
        for begin in range(0, len(mask), _MASK_BLOCK):
            block = mask[begin : begin + _MASK_BLOCK]
            labels = ("dare", expert, source.tensor, str(begin // _MASK_BLOCK))
            drawn = rng.stream(seed, 0, *labels).uniform(len(block))
            block.copy_(torch.from_numpy(drawn < density))
        kept = vector * mask.view(vector.shape).to(vector.device) / density
        total = kept if total is None else total + kept
    assert total is not None
    return total


def iso_c(source: Source) -> torch.Tensor:
    """The sum with all singular values at their mean (Iso-C, Marczak et al., 2025).

    Tensors that are no matrices are averaged over all experts. Directions below the numerical rank
    (those of low-rank experts, whose singular vectors are arbitrary) stay zero.
    """
    total = source.total
    if total.dim() != 2:
        return total / source.experts
    rank = min(total.shape)
    left, right = factor(total.double(), rank)
    values = left.norm(dim=0)
    units = torch.where(_significant(values, total), values, torch.inf)
    flat: torch.Tensor = (left / units) @ right * values.mean()
    return flat.float()


def tsv_m(source: Source) -> torch.Tensor:
    """Leading singular directions of each expert, made orthogonal (TSV-M, Gargiulo et al., 2025).

    Each expert gives its ``min(m, n) // experts`` leading directions, at least one. The left ones
    of all, side by side, are replaced by the nearest orthonormal matrix (the Procrustes problem),
    so are the right ones; the singular values stay. Other tensors are averaged over all experts.
    """
    first = next(iter(source.vectors.values()))
    if first.dim() != 2:
        return source.total / source.experts
    rank = max(1, min(first.shape) // source.experts)
    lefts, rights, values = [], [], []
    for vector in source.vectors.values():
        left, right = factor(vector.double(), rank)
        size = left.norm(dim=0)
        kept = _significant(size, vector)
        lefts.append((left / torch.where(kept, size, torch.inf))[:, kept])
        rights.append(right[kept])
        values.append(size[kept])
    left, right = _orthonormal(torch.cat(lefts, dim=1)), _orthonormal(torch.cat(rights).T)
    return ((left * torch.cat(values)) @ right.T).float()


def opcm(source: Source) -> torch.Tensor:
    """One expert after another, each without what would disturb the others (OPCM, algorithm 1).

    The paper is of Tang et al., 2025. Of a matrix, with ``U S V^T`` the sum so far,
    ``P = U^T tau V`` loses its diagonal and the block of the leading directions that hold half of
    the singular values, and ``U P V^T`` is added. Other tensors are added as they are. The paper
    divides the sum so that its norm stays the experts' mean one; that is a factor of the whole
    model, as directions do not depend on it, and here the factor is searched.
    """
    first, *later = source.vectors.values()
    if first.dim() != 2:
        return source.total
    merged = first.double()
    for vector in later:
        left, right = factor(merged, min(first.shape))
        values = left.norm(dim=0)
        units = left / torch.where(_significant(values, first), values, torch.inf)
        share = values.cumsum(dim=0) / values.sum()
        leading = int((share <= _KEPT_SPECTRUM).sum()) + 1
        known = units.T @ vector.double() @ right.T
        taken = torch.diag(known.diagonal())
        taken[:leading, :leading] = known[:leading, :leading]
        merged = merged + vector.double() - units @ taken @ right
    return merged.float()


def _significant(values: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Which singular values of a float32 matrix are more than its rounding."""
    least = values.max() * max(matrix.shape) * torch.finfo(torch.float32).eps
    return values > least


def _orthonormal(columns: torch.Tensor) -> torch.Tensor:
    """The polar factor ``U V^T`` of a matrix of float64 columns of length 1."""
    left, right = factor(columns, min(columns.shape))
    values = left.norm(dim=0)
    # Experts with a direction in common span less; what is left of it has no direction.
    polar: torch.Tensor = (
        left / torch.where(_significant(values, columns), values, torch.inf)
    ) @ right
    return polar
