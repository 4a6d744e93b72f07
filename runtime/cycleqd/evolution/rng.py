"""Counter-based random numbers: any draw of a run can be made again, anywhere, in any order.

A stream is keyed by the run's seed and what it is for (candidate number, purpose), so a retry,
another machine or another order of work gives the same candidate. Bits come from numpy's Philox,
whose output is fixed by NumPy's compatibility policy (NEP 19); the conversion to floats is written
out here, because ``numpy.random.Generator`` may change its distributions between versions.

- uniform: the upper 53 bits times 2^-53, in [0, 1);
- normal: Box-Muller on two uniforms, rounded to multiples of 2^-24, so that the last bits in which
  mathematical libraries of different machines disagree do not reach a genome.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

_GRID = 2.0**24


def on_grid(values: Float64) -> Float64:
    """Values rounded to multiples of 2^-24, past the reach of library differences."""
    rounded: Float64 = np.round(values * _GRID) / _GRID
    return rounded


class Stream:
    """A sequence of draws; each call continues where the last one ended."""

    def __init__(self, key: bytes) -> None:
        self._bits = np.random.Philox(key=np.frombuffer(key[:16], "<u8"))

    def uniform(self, n: int) -> Float64:
        """(n,) float64 in [0, 1)."""
        raw = self._bits.random_raw(n)
        values: Float64 = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return values

    def normal(self, n: int) -> Float64:
        """(n,) float64, standard normal, multiples of 2^-24."""
        pairs = self.uniform(2 * n).reshape(n, 2)
        # 1 - u lies in (0, 1], where the logarithm is finite.
        radius = np.sqrt(-2.0 * np.log(1.0 - pairs[:, 0]))
        return on_grid(radius * np.cos(2.0 * np.pi * pairs[:, 1]))


def stream(seed: int, candidate: int, *labels: str) -> Stream:
    """The stream of one purpose of one candidate.

    Args:
        seed: the run's seed.
        candidate: the candidate's number in the run.
        labels: what the numbers are for; different labels give independent streams.
    """
    text = "/".join((str(seed), str(candidate), *labels))
    return Stream(hashlib.sha256(text.encode()).digest())
