"""Children made step by step in float64, without genomes: what a genome must amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cycleqd.checkpoints.header import layout as make_layout
from cycleqd.evolution.genome import Genome, GenomeLayout
from cycleqd.store import MemoryStore
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.factors import Factors, factor_expert
from cycleqd.weights.materialize import Materializer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Model = dict[str, torch.Tensor]


class Family:
    """A base and its experts, opened and factored into a store in memory."""

    def __init__(self, folders: dict[str, Path], cache: Path, rank: int | None = None) -> None:
        self.folders = folders
        self.cache = cache
        self.base = Checkpoint.open(folders["base"])
        self.experts = {n: Checkpoint.open(f) for n, f in folders.items() if n != "base"}
        self.layout = make_layout(self.base.header, list(self.experts), rank)
        self.store = MemoryStore()
        self.factors = {
            name: factor_expert(self.base, expert, name, self.layout, self.store, cache=cache)
            for name, expert in self.experts.items()
        }

    def materializer(self, **options: object) -> Materializer:
        arguments = {"seed": 7, "dtype": None, "threads": 1, **options}
        return Materializer(self.base, self.experts, self.factors, self.layout, **arguments)  # type: ignore[arg-type]

    def model(self, name: str) -> Model:
        """A checkpoint in float64."""
        source = self.base if name == "base" else self.experts[name]
        return {tensor: value.double() for tensor, value in source}


def crossover(base: Model, parents: Sequence[Model], weights: np.ndarray) -> Model:
    """``base + sum w_p (p - base) / sum w_p``; weights: (parents, tensors)."""
    child = {}
    for number, name in enumerate(base):
        share = weights[:, number] / weights[:, number].sum()
        change = sum(w * (p[name] - base[name]) for w, p in zip(share, parents, strict=True))
        child[name] = base[name] + change
    return child


def mutate(child: Model, factors: Factors, draws: dict[str, np.ndarray]) -> Model:
    """``W + U diag(w s) V^T`` along an expert's stored directions."""
    mutated = dict(child)
    for name, w in draws.items():
        pair = factors.get(name)
        if pair is not None:
            left, right = pair
            mutated[name] = child[name] + (left.double() * torch.from_numpy(w)) @ right.double()
    return mutated


def add_gain(
    genome: Genome, expert: int, layout: GenomeLayout, draws: dict[str, np.ndarray]
) -> Genome:
    """The genome of the same mutation."""
    shape = (len(layout.experts), layout.directions)
    gain = np.zeros(shape, np.float32) if genome.gain is None else genome.gain.copy()
    for number, slot in enumerate(layout.tensors):
        if slot.rank:
            gain[expert, layout.directions_of(number)] += draws[slot.name].astype(np.float32)
    return Genome(layout, genome.scale, gain, genome.noise, genome.dense)


def draw(
    layout: GenomeLayout, random: np.random.Generator, top: float = 0.1
) -> dict[str, np.ndarray]:
    """One mutation's ``w ~ U[0, top]`` for each direction, fp32-representable."""
    return {
        slot.name: random.uniform(0, top, slot.rank).astype(np.float32).astype(np.float64)
        for slot in layout.tensors
        if slot.rank
    }
