"""Small models written out in float64: what genomes must equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.genome import Genome, GenomeLayout, TensorSlot

Float64 = npt.NDArray[np.float64]
Model = list[Float64]


def small_layout(rank: int | None = None) -> GenomeLayout:
    """Three experts; matrices wide, tall and square, and two vectors, in three blocks."""
    shapes = [(5, 3), (4,), (3, 6), (4, 4), (2,)]
    full = [min(shape) if len(shape) == 2 else 0 for shape in shapes]
    ranks = full if rank is None else [min(rank, r) for r in full]
    slots = (
        TensorSlot(f"t{n}", shape, r, block=n // 2)
        for n, (shape, r) in enumerate(zip(shapes, ranks, strict=True))
    )
    return GenomeLayout(("a", "b", "c"), tuple(slots))


@dataclass(frozen=True)
class World:
    """A base model and the task vectors of its experts, [expert][tensor]."""

    layout: GenomeLayout
    base: Model
    task_vectors: list[Model]

    @classmethod
    def make(cls, seed: int, layout: GenomeLayout | None = None) -> World:
        layout = layout or small_layout()
        random = np.random.default_rng(seed)
        base = [random.normal(size=slot.shape) for slot in layout.tensors]
        vectors = [
            [random.normal(size=slot.shape) for slot in layout.tensors] for _ in layout.experts
        ]
        return cls(layout, base, vectors)

    def expert(self, number: int) -> Model:
        return [b + t for b, t in zip(self.base, self.task_vectors[number], strict=True)]

    def along_directions(self, expert: int, tensor: int, gains: npt.ArrayLike) -> Float64:
        """U diag(gains * s) V^T of one task vector, over its leading directions."""
        rank = self.layout.tensors[tensor].rank
        u, s, vt = np.linalg.svd(self.task_vectors[expert][tensor], full_matrices=False)
        values = s[:rank] * np.asarray(gains, np.float64)
        result: Float64 = u[:, :rank] * values @ vt[:rank]
        return result

    def weights(self, genome: Genome) -> Model:
        """What a materialiser makes of a linear genome, in float64."""
        assert genome.linear
        model = []
        for tensor, slot in enumerate(self.layout.tensors):
            weight = self.base[tensor].copy()
            for expert in range(len(self.layout.experts)):
                weight += float(genome.scale[expert, tensor]) * self.task_vectors[expert][tensor]
                gains = genome.gain_of(expert, tensor)
                if slot.rank and gains is not None:
                    weight += self.along_directions(expert, tensor, gains)
            model.append(weight)
        return model


def largest_difference(first: Model, second: Model) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))
