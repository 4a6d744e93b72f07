"""Search items that nobody is trained on: what a run's last choice between models is made by.

A tuned candidate, and each that descends from one, has seen answers to the items it is scored on,
so its search score flatters it. A part of the items of every task may therefore be kept out of all
tunes (`spec.evolution.tune.holdOutShare`); on these a score means the same for all members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cycleqd.evolution.rng import stream
from cycleqd.manifest.model import Spec


@dataclass(frozen=True)
class HoldOut:
    """Which items are kept out of tuning.

    Attributes:
        share: of each task's items.
        seed: of the draw, the run's.
        trained: tasks whose answers are taught; the others' items are all unseen.
        extends: by task how many items it had whenever it got more, fewest first. What was kept out
            then stays so, and a part of what was added is.
    """

    share: float = 0.0
    seed: int = 0
    trained: frozenset[str] = frozenset()
    extends: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def positions(self, task: str, count: int) -> frozenset[int]:
        """Which of a task's items nobody is trained on.

        Args:
            task: its name.
            count: how many items the search uses.

        Returns:
            Places in the dataset's order, none without a share; else at least one stays on either
            side where there are two (of those that came together).
        """
        if self.share == 0:
            return frozenset()
        if task not in self.trained:
            return frozenset(range(count))
        starts = (0, *(start for start in self.extends.get(task, ()) if start < count))
        ends = (*starts[1:], count)
        drawn = (self._drawn(task, *part) for part in zip(starts, ends, strict=True))
        return frozenset[int]().union(*drawn)

    def _drawn(self, task: str, start: int, end: int) -> frozenset[int]:
        """The places that are kept out, of items that came together."""
        count = end - start
        if count < 2:
            return frozenset()
        kept = min(count - 1, max(1, round(self.share * count)))
        order = stream(self.seed, start, "hold-out", task).uniform(count).argsort(kind="stable")
        return frozenset(start + int(place) for place in order[:kept])

    def scores(self, outcomes: Mapping[str, str]) -> dict[str, float]:
        """Share of these items that are solved, by task; empty where none are kept out.

        Args:
            outcomes: by task one character an item, ``1`` where it is solved.
        """
        places = self._places(outcomes)
        return {
            task: sum(marks[place] == "1" for place in places[task]) / len(places[task])
            for task, marks in outcomes.items()
            if places
        }

    def counts(self, outcomes: Mapping[str, str]) -> dict[str, int]:
        """How many items of each task models are compared by: those kept out, else all."""
        places = self._places(outcomes)
        return {task: len(places.get(task, marks)) for task, marks in outcomes.items()}

    def compared(self, outcomes: Mapping[str, str]) -> dict[str, str]:
        """Outcomes of the items that models are compared by: those kept out, else all."""
        places = self._places(outcomes)
        return {
            task: "".join(marks[place] for place in sorted(places.get(task, range(len(marks)))))
            for task, marks in outcomes.items()
        }

    def _places(self, outcomes: Mapping[str, str]) -> dict[str, frozenset[int]]:
        """By task the places of the items that are kept out; empty unless every task has some."""
        places = {task: self.positions(task, len(marks)) for task, marks in outcomes.items()}
        return places if all(places.values()) else {}


NONE_HELD_OUT = HoldOut()


_NEVER: Mapping[str, tuple[int, ...]] = MappingProxyType({})


def hold_out_of(spec: Spec, extends: Mapping[str, tuple[int, ...]] = _NEVER) -> HoldOut:
    """What a run keeps out of tuning.

    Args:
        spec: the run.
        extends: see `HoldOut.extends`.
    """
    tune = spec.evolution.tune
    if tune is None or tune.hold_out_share == 0:
        return NONE_HELD_OUT
    trained = frozenset(task.name for task in spec.tasks if task.train)
    return HoldOut(tune.hold_out_share, spec.seed, trained, extends)
