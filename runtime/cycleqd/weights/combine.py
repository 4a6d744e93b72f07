"""The arithmetic of one tensor of a child, block by block.

Every tensor is seen as a matrix of rows; blocks of rows of about a megabyte or four are computed in
fp32 scratch memory that is allocated once and reused, and rounded once into the output type::

    W = base + sum_e scale_e (E_e - base) + sum_e (L_e * gain_e) R_e + sum_k c_k D_k + sum_j c_j N_j

The base is not read for its own sake: ``base + sum s (E - base) = (1 - sum s) base + sum s E``,
and in the usual crossover the scales sum to one, so that the base cancels. Blocks depend on the
tensor's shape alone and each is computed by one thread, which makes results independent of the
number of threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from cycleqd.evolution import rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cycleqd.evolution.genome import Float32, TensorSlot

# Elements of one step of elementwise work: source, scratch and result stay in a core's cache.
_STEP = 1 << 17
# Elements of a block. With a matrix product larger blocks repay reading R for each of them.
_BLOCK = 1 << 20
_PRODUCT_BLOCK = 1 << 21
# Elements of a block of noise; part of its definition, since each block has a stream of its own.
_NOISE_BLOCK = 1 << 16

# Scales are rounded to fp32, so a sum of scales this close to one is meant to be one.
_CANCELS = 1e-6


@dataclass(frozen=True)
class Product:
    """``(left * gain) @ right``: left (rows, rank), right (rank, columns) float32, gain (rank,)."""

    left: torch.Tensor
    right: torch.Tensor
    gain: Float32


@dataclass(frozen=True)
class NoiseSource:
    """``factor`` times standard normal numbers of the stream (seed, candidate, tensor, block)."""

    seed: int
    candidate: int
    factor: float


@dataclass(frozen=True)
class Recipe:
    """How one tensor of a child is made; only what is not zero.

    Attributes:
        slot: the tensor.
        sources: tensors of its shape, any float type, and their coefficients.
        products: low-rank parts.
        noise: Gaussian parts.
    """

    slot: TensorSlot
    sources: tuple[tuple[torch.Tensor, float], ...]
    products: tuple[Product, ...] = ()
    noise: tuple[NoiseSource, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the tensor seen as a matrix; a vector is a column."""
        shape = self.slot.shape
        return math.prod(shape[:-1]) if len(shape) > 1 else math.prod(shape)

    @property
    def columns(self) -> int:
        """Columns of the tensor seen as a matrix."""
        return self.slot.shape[-1] if len(self.slot.shape) > 1 else 1

    @property
    def zero(self) -> bool:
        """Whether nothing contributes."""
        return not (self.sources or self.products or self.noise)

    @property
    def copied(self) -> torch.Tensor | None:
        """The tensor that this one equals exactly, if it is just one taken once."""
        if len(self.sources) == 1 and self.sources[0][1] == 1.0:
            return None if self.products or self.noise else self.sources[0][0]
        return None

    def interpolated(self, out: torch.Tensor) -> float | None:
        """``t`` if the tensor is ``(1 - t) a + t b`` of its two sources, all like ``out``.

        The usual crossover of two experts: one fused pass, which rounds once like the long way.
        """
        if len(self.sources) != 2 or self.products or self.noise:
            return None
        (a, from_a), (b, from_b) = self.sources
        alike = all((s.dtype, s.device) == (out.dtype, out.device) for s in (a, b))
        return from_b if alike and abs(from_a + from_b - 1.0) < _CANCELS else None

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Ranges of rows, computed one by one."""
        target = _PRODUCT_BLOCK if self.products else _BLOCK
        # A multiple of the noise block, so that noise does not depend on the block size.
        unit = self.noise_rows
        step = unit * max(1, target // (unit * max(1, self.columns)))
        for first in range(0, self.rows, step):
            yield first, min(first + step, self.rows)

    @property
    def noise_rows(self) -> int:
        """Rows of one block of noise."""
        return max(1, _NOISE_BLOCK // max(1, self.columns))


def difference(recipe: Recipe, other: Recipe) -> Recipe:
    """One tensor less another; what both take from the same source is left out, not computed.

    Args:
        recipe: the tensor.
        other: of the same slot.
    """
    shares: dict[tuple[int, torch.dtype], tuple[torch.Tensor, float]] = {}
    noises: dict[tuple[int, int], float] = {}
    for sign, one in ((1.0, recipe), (-1.0, other)):
        for tensor, coefficient in one.sources:
            key = tensor.data_ptr(), tensor.dtype
            known = shares.get(key, (tensor, 0.0))[1]
            shares[key] = tensor, known + sign * coefficient
        for noise in one.noise:
            stream = noise.seed, noise.candidate
            noises[stream] = noises.get(stream, 0.0) + sign * noise.factor
    return Recipe(
        recipe.slot,
        tuple(share for share in shares.values() if share[1]),
        (*recipe.products, *(replace(p, gain=-p.gain) for p in other.products)),
        tuple(NoiseSource(*stream, factor) for stream, factor in noises.items() if factor),
    )


def coefficients(
    base: torch.Tensor, experts: Sequence[tuple[torch.Tensor, float]], base_weight: float = 1.0
) -> tuple[tuple[torch.Tensor, float], ...]:
    """Sources of ``base_weight * base + sum scale (E - base)``, zeros left out.

    Args:
        base: the base tensor.
        experts: expert tensors that differ from the base, with their scales.
        base_weight: 1 for weights, 0 for a task vector.
    """
    terms = [(tensor, scale) for tensor, scale in experts if scale != 0]
    rest = base_weight - math.fsum(scale for _, scale in terms)
    if abs(rest) < _CANCELS:
        return tuple(terms)
    return ((base, rest), *terms)


@dataclass
class Scratch:
    """Memory of one thread, grown to the largest block seen and reused."""

    device: torch.device
    _buffers: dict[str, torch.Tensor] = field(default_factory=dict)

    def take(self, role: str, elements: int, dtype: torch.dtype) -> torch.Tensor:
        """A flat buffer for one role; its content is undefined."""
        held = self._buffers.get(role)
        if held is None or held.numel() < elements or held.dtype != dtype:
            held = torch.empty(elements, dtype=dtype, device=self.device)
            self._buffers[role] = held
        return held[:elements]


def compute(recipe: Recipe, rows: tuple[int, int], scratch: Scratch, out: torch.Tensor) -> None:
    """One block of a tensor, rounded once into ``out``.

    Args:
        recipe: the tensor.
        rows: the block, one of ``recipe.blocks()``.
        scratch: memory of the calling thread.
        out: (block rows, columns) of any float type, contiguous.
    """
    first, last = rows
    columns = recipe.columns
    elements = (last - first) * columns
    if (t := recipe.interpolated(out)) is not None:
        begin = first * columns
        a, b = (s.reshape(-1)[begin : begin + elements] for s, _ in recipe.sources)
        torch.lerp(a, b, t, out=out.view(-1))
        return
    exact = out.dtype == torch.float32 and out.device == scratch.device
    total = out.view(-1) if exact else scratch.take("total", elements, torch.float32)
    _add_sources(recipe, first * columns, total, scratch)
    matrix = total.view(last - first, columns)
    for product in recipe.products:
        gain = torch.from_numpy(product.gain).to(scratch.device)
        left = product.left[first:last].to(scratch.device)
        scaled = scratch.take("left", left.numel(), torch.float32).view(left.shape)
        torch.mul(left, gain, out=scaled)
        matrix.addmm_(scaled, product.right.to(scratch.device))
    _add_noise(recipe, rows, matrix)
    if not exact:
        out.view(-1).copy_(total)


def _add_sources(recipe: Recipe, offset: int, total: torch.Tensor, scratch: Scratch) -> None:
    if not recipe.sources:
        total.zero_()
        return
    flat = [(tensor.reshape(-1), coefficient) for tensor, coefficient in recipe.sources]
    for begin in range(0, total.numel(), _STEP):
        part = total[begin : begin + _STEP]
        size = part.numel()
        for number, (tensor, coefficient) in enumerate(flat):
            source = tensor[offset + begin : offset + begin + size]
            if number == 0:
                part.copy_(source)
                if coefficient != 1.0:
                    part.mul_(coefficient)
                continue
            if source.dtype != torch.float32 or source.device != part.device:
                source = scratch.take("converted", size, torch.float32).copy_(source)
            part.add_(source, alpha=coefficient)


def _add_noise(recipe: Recipe, rows: tuple[int, int], matrix: torch.Tensor) -> None:
    unit = recipe.noise_rows
    for noise in recipe.noise:
        for first in range(rows[0], rows[1], unit):
            part = matrix[first - rows[0] : min(first + unit, rows[1]) - rows[0]]
            labels = ("noise", recipe.slot.name, str(first // unit))
            stream = rng.stream(noise.seed, noise.candidate, *labels)
            drawn = torch.from_numpy(stream.normal(part.numel())).float()
            part.add_(drawn.view(part.shape).to(part.device), alpha=noise.factor)
