"""The single model at the end: one elite of each archive, merged by softmax of their qualities.

``tau = sum_k beta_k tau_k`` with ``beta = softmax(f)`` over the elites' qualities as fractions
(paper, section 3.4). With ``topPerArchive`` above 1, the best so many elites of every archive take
part.

The paper's merge is blind: nobody evaluates it before it is the aggregate.
`cycleqd.evolution.front` is the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cycleqd.evolution.archive import Archive
from cycleqd.evolution.combination import combine
from cycleqd.evolution.genome import Genome
from cycleqd.evolution.rng import on_grid
from cycleqd.manifest.evolution import Aggregate


def softmax_weights(qualities: Sequence[float], temperature: float) -> list[float]:
    """Weights in proportion to ``exp(quality / temperature)`` that sum to exactly 1.

    All are multiples of 2^-24; the largest takes what rounding left, the first of equals.
    """
    exponents = np.asarray(qualities, np.float64) / temperature
    shares = np.exp(exponents - exponents.max())
    weights = on_grid(shares / shares.sum())
    weights[weights.argmax()] += 1.0 - weights.sum()
    return [float(w) for w in weights]


def elites_of(archives: Mapping[str, Archive], settings: Aggregate) -> list[tuple[str, float]]:
    """(candidate, quality) of every elite that takes part, archive by archive."""
    return [
        (member.candidate, member.scores[task])
        for task, archive in archives.items()
        for member in archive.ranked()[: settings.top_per_archive]
    ]


def aggregate(
    archives: Mapping[str, Archive], settings: Aggregate, genome_of: Callable[[str], Genome]
) -> Genome:
    """The genome of the aggregate model.

    Args:
        archives: archives by task.
        settings: which elites take part and how sharply quality decides.
        genome_of: the genome of a candidate.
    """
    elites = elites_of(archives, settings)
    weights = softmax_weights([quality for _, quality in elites], settings.temperature)
    return _weighted([genome_of(candidate) for candidate, _ in elites], weights)


def mean(genomes: Sequence[Genome]) -> Genome:
    """The merge of genomes that all weigh the same."""
    return _weighted(genomes, softmax_weights([0.0] * len(genomes), 1.0))


def _weighted(genomes: Sequence[Genome], weights: Sequence[float]) -> Genome:
    tensors = len(genomes[0].layout.tensors)
    return combine(
        (genome, np.full(tensors, weight)) for genome, weight in zip(genomes, weights, strict=True)
    )
