"""What a member adds to a base, as products of two thin matrices: exact, or the closest of a rank.

What a genome of adapters adds to a matrix is a sum of products. Side by side they are one product,
and a QR of each side and a small singular value decomposition give the two thin matrices of least
rank that it has. That is exact, to the rounding of float32. What a full fine-tune adds has every
direction; its leading ones are the closest product of their number (Eckart and Young, 1936).

The base may also be another member, a *hub* that is served once for many adapters: what both
members share is then in the hub, and an adapter holds the difference of their genomes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cycleqd.errors import InputError
from cycleqd.weights.adapter_expert import AdapterExpert
from cycleqd.weights.combine import difference
from cycleqd.weights.svd import factor, factor_product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cycleqd.checkpoints.modules import Modules
    from cycleqd.evolution.genome import Genome
    from cycleqd.weights.combine import Product, Recipe
    from cycleqd.weights.experts import Expert
    from cycleqd.weights.materialize import Materializer

# Directions below it are the rounding of the float32 factors that were summed.
_NEGLIGIBLE = 2.0**-20
_INSTEAD = (
    "give a rank (--rank 32) for the closest adapter of that rank, or export it without --format "
    "lora"
)

Pair = tuple[torch.Tensor, torch.Tensor]
"""``left`` (rows, rank) and ``right`` (rank, columns), float32."""


@dataclass(frozen=True)
class LoraFit:
    """A member less its base.

    Attributes:
        pairs: by the base's tensor the product that it gains.
        whole: tensors that take the place of the base's.
        left_out: tensors that stay the base's although the member has others.
        relative_error: of all that the member adds, by the Frobenius norm; 0 where it is exact.
        left_out_share: of the square of that norm, what ``left_out`` has.
    """

    pairs: Mapping[str, Pair]
    whole: Mapping[str, torch.Tensor]
    left_out: tuple[str, ...]
    relative_error: float
    left_out_share: float

    @property
    def rank(self) -> int:
        """The highest of a product."""
        return max((right.shape[0] for _, right in self.pairs.values()), default=0)


def fit_exactly(
    materializer: Materializer,
    experts: Mapping[str, Expert],
    genome: Genome,
    hub: Genome | None = None,
) -> LoraFit:
    """Members of adapters as one adapter.

    Args:
        materializer: of the run.
        experts: the run's experts by name.
        genome: the member.
        hub: the member that it is added to; the base model when absent.

    Raises:
        InputError: no adapter says what one of them does.
    """
    for member in (genome, hub):
        if member is not None:
            _check_exact(member, experts)
    pairs: dict[str, Pair] = {}
    whole: dict[str, torch.Tensor] = {}
    for number, name, recipe in _differences(materializer, genome, hub):
        if recipe.zero:
            continue
        if recipe.sources:
            whole[name] = materializer.tensor(genome, number).cpu()
        elif (pair := _compressed(recipe.products, None)[0]) is not None:
            pairs[name] = pair
    return LoraFit(pairs, whole, (), 0.0, 0.0)


def fit_closely(
    materializer: Materializer,
    modules: Modules,
    genome: Genome,
    hub: Genome | None = None,
    *,
    rank: int,
    save_others: bool = False,
    done: Callable[[int, int], None] = lambda number, total: None,
) -> LoraFit:
    """Any member as the closest adapter of a rank.

    Args:
        materializer: of the run.
        modules: of the base.
        genome: the member.
        hub: the member that it is added to; the base model when absent.
        rank: the highest of a product.
        save_others: whether tensors that are no weights of linear layers are kept whole; biases of
            linear layers never are, since peft adapts a module or saves it.
        done: told before each tensor how many of all are done.
    """
    pairs: dict[str, Pair] = {}
    whole: dict[str, torch.Tensor] = {}
    left_out: dict[str, float] = {}
    lost = total = 0.0
    adapted = {name.rpartition(".")[0] for name in modules.linear}
    for number, name, recipe in _differences(materializer, genome, hub):
        done(number, len(genome.layout.tensors))
        if recipe.zero:
            continue
        pair: Pair | None = None
        if not (recipe.sources or recipe.noise):
            pair, energy, missed = _compressed(recipe.products, rank)
        else:
            change = materializer.dense(recipe)
            energy = missed = float(change.double().square().sum())
            if name in modules.linear:
                pair, missed = _leading(change, rank)
            elif save_others and name.rpartition(".")[0] not in adapted:
                whole[name] = materializer.tensor(genome, number).cpu()
                missed = 0.0
            elif energy:
                left_out[name] = energy
        if pair is not None:
            pairs[name] = pair
        total += energy
        lost += missed
    # A difference of nearly equal sums is their rounding.
    lost = lost if lost > total * _NEGLIGIBLE**2 else 0.0
    return LoraFit(
        pairs,
        whole,
        tuple(left_out),
        math.sqrt(lost / total) if total else 0.0,
        math.fsum(left_out.values()) / total if total else 0.0,
    )


def adapted_tensors(
    materializer: Materializer, hub: Genome, fit: LoraFit
) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of the base with the adapter merged into it, rounded as the run's models are.

    Args:
        materializer: of the run.
        hub: the base's genome.
        fit: what is added to it.
    """
    for name, tensor in materializer.tensors(hub):
        if name in fit.whole:
            yield name, fit.whole[name]
        elif name in fit.pairs:
            left, right = (side.to(tensor.device) for side in fit.pairs[name])
            yield name, torch.addmm(tensor.float(), left, right).to(tensor.dtype)
        else:
            yield name, tensor


def _check_exact(genome: Genome, experts: Mapping[str, Expert]) -> None:
    terms = {
        "noise": [term.coefficient for term in genome.noise],
        "the stored task vector of a candidate": [term.coefficient for term in genome.dense],
        "a merge that is not linear in the experts": [term.coefficient for term in genome.merged],
    }
    for what, coefficients in terms.items():
        if any(coefficients):
            raise InputError(f"the member's genome holds {what}, which is no product; {_INSTEAD}")
    for index, name in enumerate(genome.layout.experts):
        if genome.scale[index].any() and not isinstance(experts[name], AdapterExpert):
            raise InputError(
                f"the member takes a share of expert {name}, a full checkpoint, whose task vector "
                f"is no product; {_INSTEAD}"
            )


def _differences(
    materializer: Materializer, genome: Genome, hub: Genome | None
) -> Iterator[tuple[int, str, Recipe]]:
    """Number, name and recipe of what is added to each tensor."""
    for number, slot in enumerate(genome.layout.tensors):
        recipe = materializer.task_vector(genome, number)
        if hub is not None:
            recipe = difference(recipe, materializer.task_vector(hub, number))
        yield number, slot.name, recipe


def _compressed(
    products: tuple[Product, ...], rank: int | None
) -> tuple[Pair | None, float, float]:
    """A sum of products as the one of least rank, None where it is nothing.

    The square of its norm comes with it, and that of what it lacks.
    """
    scaled = [p.left.double() * torch.from_numpy(p.gain).double() for p in products]
    rights = [p.right.double() for p in products]
    left, right = torch.cat(scaled, dim=1), torch.cat(rights)
    first, second = factor_product(left, right, min(left.shape[0], *right.shape))
    values = first.double().norm(dim=0)
    # Products may cancel: what is left is then the rounding of the largest.
    sizes = [float((a.T @ a * (b @ b.T)).sum()) for a, b in zip(scaled, rights, strict=True)]
    found = int((values > math.sqrt(max(0.0, *sizes)) * _NEGLIGIBLE).sum())
    squares = values[:found].square()
    kept = found if rank is None else min(found, rank)
    pair = _balanced(first, second, kept)
    return pair, float(squares.sum()), float(squares[kept:].sum())


def _leading(matrix: torch.Tensor, rank: int) -> tuple[Pair | None, float]:
    """The closest product of a rank, and the square of the norm of what it lacks."""
    left, right = factor(matrix, min(rank, *matrix.shape))
    values = left.norm(dim=0)
    kept = int((values > values.max() * _NEGLIGIBLE).sum())
    missed = float((matrix - left @ right).double().square().sum())
    return _balanced(left.cpu(), right.cpu(), kept), missed


def _balanced(left: torch.Tensor, right: torch.Tensor, kept: int) -> Pair | None:
    """The first directions, their singular values shared by both sides."""
    if not kept:
        return None
    root = left[:, :kept].norm(dim=0).sqrt()
    return left[:, :kept] / root, right[:kept] * root[:, None]
