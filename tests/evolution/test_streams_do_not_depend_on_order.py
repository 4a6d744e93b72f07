"""A draw depends on seed, candidate and purpose: not on other draws, splitting or process."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.rng import stream

PRINT_DRAWS = """
from cycleqd.evolution.rng import stream
for label in {"selection", "crossover", "mutation"}:
    s = stream(5, 77, label)
    print(label, s.uniform(4).tobytes().hex(), s.normal(4).tobytes().hex())
"""


def test_other_streams_do_not_disturb():
    alone = stream(1, 2, "a").uniform(6)
    interrupted = stream(1, 2, "a")
    other = stream(1, 3, "a")
    first = interrupted.uniform(3)
    other.normal(100)
    stream(1, 2, "a").uniform(50)
    np.random.default_rng(0).random(10)
    assert np.array_equal(np.concatenate([first, interrupted.uniform(3)]), alone)


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 2**63 - 1), st.integers(0, 10**10))
def test_draws_may_be_split(parts, seed, candidate):
    for draw in ("uniform", "normal"):
        whole = getattr(stream(seed, candidate, "x"), draw)(sum(parts))
        split = stream(seed, candidate, "x")
        pieces = [getattr(split, draw)(n) for n in parts]
        assert np.array_equal(np.concatenate([*pieces, np.empty(0)]), whole)


def test_every_key_has_a_stream_of_its_own():
    keys = [
        (seed, candidate, *labels)
        for seed in (0, 1, 10, 2**63 - 1)
        for candidate in (0, 1, 10, 101)
        for labels in ((), ("a",), ("b",), ("a", "b"), ("ab",), ("selection",))
    ]
    assert len({stream(*key).uniform(1)[0] for key in keys}) == len(keys)


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_other_processes_draw_the_same(hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    out = subprocess.run(
        [sys.executable, "-c", PRINT_DRAWS],
        env=environment, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    expected = set()
    for label in ("selection", "crossover", "mutation"):
        s = stream(5, 77, label)
        expected.add(f"{label} {s.uniform(4).tobytes().hex()} {s.normal(4).tobytes().hex()}")
    assert set(out.splitlines()) == expected
