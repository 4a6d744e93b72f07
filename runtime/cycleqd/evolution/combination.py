"""Sums of genomes: what crossovers, aggregates and tunes make of those that are there.

Expert terms, gains, adapters, noise, stored and merged task vectors are all linear, so the children
of any operators have genomes of the same kind as their parents, with one rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from cycleqd.evolution.genome import Dense, Float32, Float64, Genome, Merged, MergeMethod, Noise


def as_parent(candidate: str, genome: Genome) -> Genome:
    """The form in which a candidate enters a combination.

    A child-SVD candidate is no linear function of the experts; it enters as its stored task vector.
    """
    if genome.child_svd is None:
        return genome
    return Genome(
        genome.layout, np.zeros_like(genome.scale), dense=(Dense(candidate, coefficient=1.0),)
    )


def combine(parts: Iterable[tuple[Genome, Float64]]) -> Genome:
    """The linear combination of genomes, computed in float64 and rounded once.

    Args:
        parts: pairs of a genome and its weights: (tensors,) float64, one weight for each tensor.

    Raises:
        ValueError: no parts, genomes of different layouts, or terms whose weights are not the same
            for all tensors (a `Noise`, `Dense` or `Merged` term has a single coefficient).
    """
    parts = list(parts)
    if not parts:
        raise ValueError("a combination needs at least one genome")
    layout = parts[0][0].layout
    ranks = [slot.rank for slot in layout.tensors]
    scale = np.zeros((len(layout.experts), len(layout.tensors)), np.float64)
    gain: Float64 | None = None
    for genome, weights in parts:
        if genome.layout != layout:
            raise ValueError("genomes of different layouts cannot be combined")
        if genome.child_svd is not None:
            raise ValueError("a child-SVD genome combines through its stored task vector")
        scale += genome.scale * weights
        if genome.gain is not None:
            gain = np.zeros(genome.gain.shape, np.float64) if gain is None else gain
            gain += genome.gain * np.repeat(weights, ranks)
    learned = _learned(parts)
    noise, dense, merged = _terms(parts)
    return Genome(
        layout=layout,
        scale=scale.astype(np.float32),
        gain=None if gain is None else gain.astype(np.float32),
        noise=noise,
        dense=dense,
        adapters=tuple(learned),
        adapter_scale=np.array(list(learned.values())) if learned else None,
        merged=merged,
    )


def _terms(
    parts: Sequence[tuple[Genome, Float64]],
) -> tuple[tuple[Noise, ...], tuple[Dense, ...], tuple[Merged, ...]]:
    """The terms of a combination that have one coefficient for the whole model, sorted."""
    noise: dict[tuple[int, float], float] = {}
    dense: dict[str, float] = {}
    merged: dict[tuple[MergeMethod, float | None], float] = {}
    for genome, weights in parts:
        if not (genome.noise or genome.dense or genome.merged):
            continue
        weight = float(weights[0])
        if not (weights == weight).all():
            raise ValueError("terms need one weight for the whole model")
        for n in genome.noise:
            key = (n.candidate, n.stddev)
            noise[key] = noise.get(key, 0.0) + weight * n.coefficient
        for d in genome.dense:
            dense[d.candidate] = dense.get(d.candidate, 0.0) + weight * d.coefficient
        for m in genome.merged:
            kind = (m.method, m.density)
            merged[kind] = merged.get(kind, 0.0) + weight * m.coefficient
    return (
        tuple(Noise(c, s, k) for (c, s), k in sorted(noise.items())),
        tuple(Dense(c, k) for c, k in sorted(dense.items())),
        # A method has a density in all its terms or in none, so these compare.
        tuple(Merged(m, d, k) for (m, d), k in sorted(merged.items())),
    )


def _learned(parts: Sequence[tuple[Genome, Float64]]) -> dict[str, Float32]:
    """(tensors,) float32 factors of each adapter of a combination that is left, by its id."""
    sums: dict[str, Float64] = {}
    for genome, weights in parts:
        rows = genome.adapter_scale if genome.adapter_scale is not None else ()
        for candidate, factors in zip(genome.adapters, rows, strict=True):
            sums[candidate] = sums.get(candidate, np.zeros(len(weights))) + factors * weights
    rounded = {candidate: factors.astype(np.float32) for candidate, factors in sorted(sums.items())}
    return {candidate: factors for candidate, factors in rounded.items() if factors.any()}


def tuned_genome(genome: Genome, candidate: str) -> Genome:
    """The genome of a candidate that is tuned: its own adapter stands in place of all others.

    The own one is trained from their sum on, so that what was learned before is in it and lineages
    pile up no adapters.

    Raises:
        ValueError: it has that adapter already, or a child-SVD term, which applies last.
    """
    if candidate in genome.adapters or genome.child_svd is not None:
        raise ValueError(f"this genome cannot take an adapter of {candidate}")
    return replace(
        genome,
        adapters=(candidate,),
        adapter_scale=np.ones((1, len(genome.layout.tensors)), np.float32),
    )
