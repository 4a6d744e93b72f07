"""All results of a run as strategies see them, for those that look beyond the archives.

Archives keep elites alone, by their scores; a strategy that adapts a distribution, or keeps a
population, needs every candidate, and one that pairs parents by the items that they solve needs
outcomes. Coordinator and verification both read them here, from committed generations, so a plan
stays a pure function of what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from cycleqd.errors import StoreCorrupt
from cycleqd.evolution.search import as_told, comparable
from cycleqd.evolution.strategies import Told
from cycleqd.records import keys
from cycleqd.run.store import RunStore


class ToldResults:
    """What was evaluated by generation, each read once and only if asked for.

    Args:
        run: the run's store.
    """

    def __init__(self, run: RunStore) -> None:
        self._run = run
        self._generations: list[list[Told]] = []

    def up_to(self, generation: int) -> Callable[[], Sequence[Told]]:
        """What gives all candidates of the generations up to a committed one, in their order.

        Where tasks have joined, those that were not evaluated on them are left out.
        """

        def told() -> Sequence[Told]:
            while len(self._generations) <= generation:
                self._generations.append(self._read(len(self._generations)))
            found = chain.from_iterable(self._generations[: generation + 1])
            return comparable(found, self._run.history.as_of(generation).tasks)

        return told

    def _read(self, generation: int) -> list[Told]:
        stage = keys.generation(generation)
        plan = self._run.plan(stage)
        if plan is None:
            raise StoreCorrupt(f"{self._run.objects.uri}: {stage.plan_key} is missing")
        return as_told(self._run.results(stage, range(len(plan.entries))))
