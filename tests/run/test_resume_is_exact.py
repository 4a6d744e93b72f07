"""A coordinator or worker killed at any store operation leaves a run that ends with equal bytes."""

from __future__ import annotations

import pytest

from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest

WRITES = 75
"""Fewer than a run's writes after its beginning: every such kill comes before the end."""


def archives_and_inputs() -> list[str]:
    return list(fresh().objects.list(""))


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


class MortalStore(MemoryStore):
    """Dies before or after the n-th write."""

    def __init__(self, lives: int, after: bool) -> None:
        super().__init__()
        self.lives = lives
        self.after = after

    def create(self, key: str, data: bytes) -> bool:
        self.lives -= 1
        if self.lives == 0 and not self.after:
            raise Killed
        created = super().create(key, data)
        if self.lives == 0:
            raise Killed
        return created


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, bytes]:
    run = fresh()
    do_everything(run)
    return archives(run.objects)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_write(undisturbed: dict[str, bytes], after: bool) -> None:
    first = len(archives_and_inputs())
    for lives in range(first + 1, first + WRITES, 3):
        store = MortalStore(lives, after)
        run = begin(store, manifest())
        with pytest.raises(Killed):
            do_everything(run)
        do_everything(RunStore(store))
        assert archives(store) == undisturbed


def test_killed_again_and_again(undisturbed: dict[str, bytes]) -> None:
    store = MortalStore(9, after=True)
    begin(store, manifest())
    for _ in range(200):
        store.lives = 14  # one write more than the largest stage repeats
        try:
            do_everything(RunStore(store))
        except Killed:
            continue
        break
    assert archives(store) == undisturbed


def test_order_of_work_does_not_matter(undisturbed: dict[str, bytes]) -> None:
    run = fresh()
    do_everything(run, order=-1)
    assert archives(run.objects) == undisturbed
