"""Mutation of a merged child: small steps along singular directions, or the paper's ablation.

The paper's text scales the singular values of the child's own task vector (`ChildSVD`); the
authors' runner adds ``U diag(w s) V^T`` of the focus task's expert (`ExpertSVD`, our default). Only
the latter stays inside the span of the experts' directions, where a model is its coefficients.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cycleqd.evolution.genome import ChildSVD, Genome, Noise
from cycleqd.evolution.rng import Stream
from cycleqd.manifest.evolution import Mutation


def mutate(
    genome: Genome, mutation: Mutation, *, number: int, expert: str, stream: Stream
) -> Genome:
    """The mutated genome.

    Args:
        genome: the merged child.
        mutation: what to do.
        number: the candidate's number, which keys the terms that are drawn at materialisation.
        expert: the expert whose directions are used by ``ExpertSVD``.
        stream: random numbers.
    """
    if mutation.method == "ExpertSVD":
        layout = genome.layout
        steps = stream.uniform(layout.directions) * mutation.max_scale
        gain = np.zeros((len(layout.experts), layout.directions), np.float64)
        if genome.gain is not None:
            gain += genome.gain
        gain[layout.expert_index(expert)] += steps
        return replace(genome, gain=gain.astype(np.float32))
    if mutation.method == "Gaussian":
        term = Noise(candidate=number, stddev=mutation.stddev, coefficient=1.0)
        return replace(genome, noise=(*genome.noise, term))
    if mutation.method == "ChildSVD":
        return replace(genome, child_svd=ChildSVD(number, mutation.max_scale, mutation.rank))
    return genome
