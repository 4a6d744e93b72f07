"""All results of a run as strategies see them, for those that look beyond the archives.

Archives keep elites alone, by their scores; a strategy that adapts a distribution, or keeps a
population, needs every candidate, and one that pairs parents by the items that they solve needs
outcomes. Coordinator and verification both read them here, from committed generations, so a plan
stays a pure function of what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cycleqd.errors import StoreCorrupt
from cycleqd.evolution.asked import Asked, Gathered, comparable
from cycleqd.evolution.search import expert_order
from cycleqd.evolution.strategies import Told
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.run.store import RunStore


@dataclass
class _UpTo:
    """What is known after a generation, by the items that count in a revision.

    Attributes:
        revision: its number.
        generation: the last one that was gathered.
        gathered: the candidates so far.
        told: of these those that are comparable.
    """

    revision: int
    generation: int
    gathered: Gathered
    told: Sequence[Told]


class ToldResults:
    """What was evaluated by generation, each read once and only if asked for.

    Generations are asked for in their order, and a plan's children all ask for the same one: what
    is known of candidates is gathered on from there, and anew where other items count.

    Args:
        run: the run's store.
    """

    def __init__(self, run: RunStore) -> None:
        self._run = run
        self._generations: dict[int, list[Asked]] = {}
        self._up_to = _UpTo(-1, -1, Gathered(), ())

    def up_to(self, generation: int) -> Callable[[], Sequence[Told]]:
        """What gives all candidates of the generations up to a committed one, in their order.

        Where tasks or items have joined, those that were not evaluated on them are left out.
        """

        def told() -> Sequence[Told]:
            revision = self._run.history.as_of(generation)
            known = self._up_to
            if known.revision != revision.number or known.generation > generation:
                known = _UpTo(revision.number, -1, Gathered(), ())
            if known.generation < generation:
                # Read whole before anything is gathered: a store may fail on the way.
                later = range(known.generation + 1, generation + 1)
                for one, counted in [*self._counted(later, generation)]:
                    known.gathered.add(one, counted)
                known.generation = generation
                known.told = known.gathered.comparable(revision.search_counts)
            self._up_to = known
            return known.told

        return told

    def experts(self, generation: int) -> Sequence[Told]:
        """The experts as of a committed generation; only where they were asked is read."""
        revision = self._run.history.as_of(generation)
        wanted = expert_order(revision.spec)
        asked = self._counted([0, *revision.joins], generation)
        return comparable(
            ((one, counted) for one, counted in asked if one.candidate in wanted),
            revision.search_counts,
        )

    def _counted(
        self, generations: Iterable[int], now: int
    ) -> Iterator[tuple[Asked, Collection[str]]]:
        """What some generations asked, with the tasks whose items still count in one."""
        history = self._run.history
        for number in generations:
            counted = history.as_of(now).holding(history.as_of(number))
            for asked in self._read(number):
                yield asked, counted

    def _read(self, generation: int) -> list[Asked]:
        if generation not in self._generations:
            stage = keys.generation(generation)
            plan = self._run.plan(stage)
            if plan is None:
                raise StoreCorrupt(f"{self._run.objects.uri}: {stage.plan_key} is missing")
            self._generations[generation] = [
                Asked.of(entry, self._run.result(stage, index))
                for index, entry in enumerate(plan.entries)
                if isinstance(entry, EvaluateEntry)
            ]
        return self._generations[generation]
