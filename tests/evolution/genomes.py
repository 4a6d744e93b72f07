"""A genome that has something of every kind."""

from __future__ import annotations

import numpy as np

from cycleqd.evolution.genome import ChildSVD, Dense, Genome, Merged, Noise
from tests.evolution.dense import small_layout


def everything() -> Genome:
    """Of `small_layout`, with gains, adapters and each kind of term."""
    layout = small_layout()
    return Genome(
        layout,
        np.arange(15, dtype=np.float32).reshape(3, 5) / np.float32(7),
        np.arange(3 * layout.directions, dtype=np.float32).reshape(3, -1) / np.float32(9),
        noise=(Noise(1, 0.0003, 0.1), Noise(2, 0.0003, 1.0)),
        dense=(Dense("c000001", 0.3), Dense("c000002", 1 / 3)),
        child_svd=ChildSVD(12, 0.1, None),
        adapters=("c000003", "c000007"),
        adapter_scale=np.arange(10, dtype=np.float32).reshape(2, 5) / np.float32(3),
        merged=(Merged("TIES", 0.2, 0.5), Merged("IsoC", None, 1 / 3)),
    )
