"""A genome survives its file, and equal genomes are equal files, in any process."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

from cycleqd.evolution.genome import ChildSVD, Genome, GenomeLayout, TensorSlot
from tests.evolution.dense import small_layout
from tests.evolution.genomes import everything
from tests.strategies import genomes, layouts

MAKE = """
import hashlib
import numpy as np
from tests.evolution.genomes import everything
print(hashlib.sha256(everything().to_bytes()).hexdigest())
"""


def same(one, other):
    assert np.array_equal(one.scale, other.scale)
    assert (one.gain is None) == (other.gain is None)
    assert one.gain is None or np.array_equal(one.gain, other.gain)
    assert (one.noise, one.dense, one.child_svd) == (other.noise, other.dense, other.child_svd)
    assert (one.adapters, one.merged) == (other.adapters, other.merged)
    assert (one.adapter_scale is None) == (other.adapter_scale is None)
    assert one.adapter_scale is None or np.array_equal(one.adapter_scale, other.adapter_scale)
    return True


@given(genomes())
def test_round_trip(genome):
    data = genome.to_bytes()
    again = Genome.from_bytes(genome.layout, data)
    assert same(again, genome)
    assert again.to_bytes() == data


@given(layouts())
def test_layout_round_trip(layout):
    again = GenomeLayout.from_json(layout.to_json())
    assert again == layout
    assert again.directions == layout.directions
    assert [again.directions_of(n) for n in range(len(layout.tensors))] == [
        layout.directions_of(n) for n in range(len(layout.tensors))
    ]


def test_memory_order_does_not_show():
    genome = everything()
    turned = Genome(
        genome.layout,
        np.asfortranarray(genome.scale),
        np.asfortranarray(genome.gain),
        genome.noise,
        genome.dense,
        genome.child_svd,
        genome.adapters,
        np.asfortranarray(genome.adapter_scale),
        genome.merged,
    )
    assert turned.to_bytes() == genome.to_bytes()
    assert same(Genome.from_bytes(genome.layout, turned.to_bytes()), genome)


@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_other_processes_write_the_same_bytes(hash_seed):
    out = subprocess.run(
        [sys.executable, "-c", MAKE],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert out.strip() == hashlib.sha256(everything().to_bytes()).hexdigest()


def test_any_difference_shows():
    layout = small_layout()
    base = everything()
    others = [
        Genome(layout, base.scale + np.float32(1e-6), base.gain, base.noise, base.dense),
        Genome(layout, base.scale, None, base.noise, base.dense, base.child_svd),
        Genome(layout, base.scale, base.gain, (), base.dense, base.child_svd),
        Genome(layout, base.scale, base.gain, base.noise, (), base.child_svd),
        Genome(layout, base.scale, base.gain, base.noise, base.dense, None),
        Genome(layout, base.scale, base.gain, base.noise, base.dense, ChildSVD(12, 0.1, 3)),
    ]
    assert len({g.to_bytes() for g in [base, *others]}) == 7


def test_a_genome_of_llama_3_8b_is_megabytes():
    widths = {"q": 4096, "k": 1024, "v": 1024, "o": 4096, "gate": 4096, "up": 4096, "down": 4096}
    slots = [
        TensorSlot(f"layers.{n}.{name}", (4096, width), width, n + 1)
        for n in range(32)
        for name, width in widths.items()
    ]
    slots += [
        TensorSlot(f"layers.{n}.norm.{i}", (4096,), 0, n + 1) for n in range(32) for i in (0, 1)
    ]
    slots += [TensorSlot(n, (128256, 4096), 4096, 0) for n in ("embed", "head")]
    layout = GenomeLayout(("code", "sql", "shell"), tuple(slots))
    assert layout.directions == 729_088
    gain = np.zeros((3, layout.directions), np.float32)
    size = len(Genome(layout, np.zeros((3, len(slots)), np.float32), gain).to_bytes())
    assert gain.nbytes <= size < gain.nbytes + 10_000
    assert size < 8.8e6
