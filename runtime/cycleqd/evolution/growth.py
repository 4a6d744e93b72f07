"""Genomes of a run that more experts have joined: old ones stay what they are, to the byte.

A genome's file says nothing of experts that came later. Their number tells which layout it was
written in, and zeros for all others make it one of a later layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from cycleqd.evolution.genome import Genome, GenomeLayout


def read_genome(layouts: Sequence[GenomeLayout], data: bytes) -> Genome:
    """A stored genome in the layout that it was written in.

    Args:
        layouts: all that the run has had.
        data: the file.

    Raises:
        ValueError: the bytes are not a genome, or one of another run.
    """
    try:
        count = load_safetensors(data)["scale"].shape[0]
    except (SafetensorError, KeyError, IndexError) as error:
        raise ValueError(f"not a genome: {type(error).__name__}: {error}") from error
    known = {len(layout.experts): layout for layout in layouts}
    # Any other count is told by the genome itself, against the layout that holds now.
    return Genome.from_bytes(known.get(count, layouts[-1]), data)


def extended(genome: Genome, layout: GenomeLayout) -> Genome:
    """The same model in a layout with more experts: those have scale 0 and gain 0.

    Args:
        genome: in the layout it was written in.
        layout: begins with the genome's experts and has its tensors, each with as many directions
            or more.

    Raises:
        ValueError: it does not.
    """
    own = genome.layout
    if layout == own:
        return genome
    if not _grown(own, layout):
        raise ValueError(
            f"the layout of {', '.join(layout.experts)} does not continue that of "
            f"{', '.join(own.experts)}"
        )
    count = len(own.experts)
    scale = np.zeros((len(layout.experts), len(layout.tensors)), np.float32)
    scale[:count] = genome.scale
    gain = None
    if genome.gain is not None:
        gain = np.zeros((len(layout.experts), layout.directions), np.float32)
        for tensor, slot in enumerate(own.tensors):
            begin = layout.directions_of(tensor).start
            gain[:count, begin : begin + slot.rank] = genome.gain[:, own.directions_of(tensor)]
    return replace(genome, layout=layout, scale=scale, gain=gain)


def _grown(own: GenomeLayout, layout: GenomeLayout) -> bool:
    """Whether a layout has all of another, in its order."""
    pairs = zip(own.tensors, layout.tensors, strict=False)
    return (
        layout.experts[: len(own.experts)] == own.experts
        and len(layout.tensors) == len(own.tensors)
        and all(replace(new, rank=old.rank) == old and new.rank >= old.rank for old, new in pairs)
    )
