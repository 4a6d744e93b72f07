"""Ownership by index: every entry has one owner, and no entry waits for a dead one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cycleqd.records.keys import generation
from cycleqd.roles.entry_queue import choose


@given(st.integers(1, 9), st.sets(st.integers(0, 40), min_size=1))
def test_each_entry_has_one_owner(workers: int, indices: set[int]) -> None:
    for index in indices:
        owners = [w for w in range(workers) if choose([(generation(1), index)], w, workers)[1]]  # type: ignore[index]
        assert owners == [index % workers]


@given(st.integers(1, 9), st.lists(st.integers(0, 40), min_size=1, unique=True))
def test_a_lone_worker_finishes_everything(workers: int, indices: list[int]) -> None:
    missing = [(generation(g), i) for g in (1, 2) for i in sorted(indices)]
    done = []
    while missing:
        chosen = choose(missing, 0, workers)
        assert chosen is not None
        missing.remove(chosen[0])
        done.append(chosen)
    own = [own for _, own in done]
    assert own == sorted(own, reverse=True), "own entries come first"


def test_oldest_first() -> None:
    missing = [(generation(1), 3), (generation(2), 0)]
    assert choose(missing, 1, 3) == ((generation(1), 3), False) or choose(missing, 0, 3) == (
        (generation(1), 3),
        True,
    )
