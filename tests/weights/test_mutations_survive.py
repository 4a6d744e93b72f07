"""Forty mutations kept in a genome survive to 99 % and more; stored bf16 children lose many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.drift import kept

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime


@pytest.mark.parametrize("size", [0.0026, 0.026])
def test_forty_generations(tmp_path: Path, size: float) -> None:
    growth, genome, stored = kept(size, 40, tmp_path)
    print(f"size {size:.2%}: growth {growth:.2f}x, genome {genome:.2%}, bf16 children {stored:.2%}")
    assert growth > 2
    assert 0.99 < genome < 1.01
    if size < 0.01:
        assert stored < 0.5
