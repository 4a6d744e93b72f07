"""Where a search begins beside the experts: scalar merges and a space-filling design.

Good merges have factors whose sum is well above 1, where no crossover of experts begins. A few
evaluations spent on *rays* (one factor for all experts) and on a coarse Latin hypercube (McKay et
al., 1979) over all factors find that region at once; the archives then keep what is good of it.
"""

from __future__ import annotations

from cycleqd.evolution.crossover import factors_count, genome_at_grain
from cycleqd.evolution.genome import Genome, GenomeLayout, scaled_experts_genome
from cycleqd.evolution.rng import stream
from cycleqd.manifest.evolution import Crossover, Start

SMALLEST_RAY = 0.25
"""The first ray's share of the largest factor; below it merges are the base."""


def tuned_ray(
    layout: GenomeLayout, start: Start, tuned: int, number: int
) -> tuple[int, Genome] | None:
    """What a run tunes as candidate ``number`` before any child: the rays, the largest first.

    Args:
        layout: of the run's genomes.
        start: how many rays and points there are.
        tuned: up to so many rays.
        number: of the candidate, from 0.

    Returns:
        The ray's own number and its genome; None where the candidate is another.
    """
    place = number - start.rays - start.design
    if not 0 <= place < min(tuned, start.rays):
        return None
    ray = start.rays - 1 - place
    return ray, _ray(layout, start, ray)


def start_genome(
    layout: GenomeLayout, crossover: Crossover, start: Start, seed: int, number: int
) -> Genome | None:
    """The genome that a run evaluates as candidate ``number`` before any child.

    Args:
        layout: of the run's genomes.
        crossover: whose granularity the design has.
        start: how many rays and points there are.
        seed: the run's.
        number: of the candidate, from 0.

    Returns:
        Rays first, then points of the design; None once all are there.
    """
    if number < start.rays:
        return _ray(layout, start, number)
    point = number - start.rays
    if point >= start.design:
        return None
    count = factors_count(layout, crossover)
    # Each factor meets each of ``design`` equal intervals once; only this point's are drawn.
    order = stream(seed, 0, "design", "order").uniform(count * start.design)
    interval = order.reshape(count, start.design).argsort(axis=1, kind="stable")
    inside = stream(seed, number, "design").uniform(count)
    factors = start.largest * (interval[:, point] + inside) / start.design
    return genome_at_grain(layout, crossover, factors)


def _ray(layout: GenomeLayout, start: Start, number: int) -> Genome:
    place = number / max(1, start.rays - 1)
    factor = start.largest * (SMALLEST_RAY + (1.0 - SMALLEST_RAY) * place)
    return scaled_experts_genome(layout, [factor] * len(layout.experts))
