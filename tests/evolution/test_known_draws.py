"""The rule of drawing never changes: stored runs must be recomputable by any later version."""

import hashlib

import pytest

from cycleqd.evolution.rng import stream


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            (0, 0, "selection"),
            ["0x1.6cdeaeeaa1174p-3", "0x1.cb1c23b417d14p-3", "0x1.f6751325133e1p-1"],
        ),
        (
            (42, 1234, "mutation", "blocks.0"),
            ["0x1.495250f76ec1ep-2", "0x1.6ca59577fe3fap-2", "0x1.7f08f05e5c154p-3"],
        ),
    ],
)
def test_uniform(key, expected):
    assert [float(x).hex() for x in stream(*key).uniform(3)] == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ((0, 0, "crossover"), [16212843, -16093913, 16110921]),
        ((2**63 - 1, 10**10, "crossover"), [1793610, 15415421, -6160973]),
    ],
)
def test_normal_in_units_of_the_grid(key, expected):
    assert [int(x * 2**24) for x in stream(*key).normal(3)] == expected


def test_ten_thousand_normals():
    digest = hashlib.sha256(stream(7, 7, "x").normal(10_000).astype("<f8").tobytes()).hexdigest()
    assert digest == "26b1d42e6f77b235ec4113a64cbabe49517e548e67a71b3a7b81b05878ce574d"
