"""A tracking tool in memory that can break down after any write, as one that is killed would."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from cycleqd.tracking.models import ModelFacts, PublicationFacts
from cycleqd.tracking.translation import Point


class Killed(BaseException):
    """The end of a process, in a test that goes on."""


class MemorySink:
    """Keeps what it is told in the order in which it came."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.tags: dict[str, str] = {}
        self.published: dict[int, PublicationFacts] = {}
        self.models: dict[str, ModelFacts] = {}
        self.reports: dict[int, list[str]] = {}
        self.ended: list[bool] = []
        self.writes_left = -1

    def _wrote(self) -> None:
        self.writes_left -= 1
        if self.writes_left == 0:
            raise Killed

    def known(self, key: str) -> Collection[int]:
        return {point.generation for point in self.points if point.key == key}

    def add(self, points: Sequence[Point]) -> None:
        for point in points:
            if point not in self.points:
                self.points.append(point)
                self._wrote()

    def tag(self, tags: Mapping[str, str]) -> None:
        self.tags.update(tags)

    def publish(self, publication: PublicationFacts) -> None:
        if self.published.get(publication.generation) != publication:
            self.published[publication.generation] = publication
            self._wrote()

    def keep(self, models: Sequence[ModelFacts]) -> None:
        for model in models:
            if self.models.get(model.candidate) != model:
                self.models[model.candidate] = model
                self._wrote()

    def wants_report(self, generation: int) -> bool:
        return generation not in self.reports

    def attach_report(self, generation: int, folder: Path) -> None:
        self.reports[generation] = sorted(path.name for path in folder.iterdir())
        self._wrote()

    def end(self, *, complete: bool) -> None:
        self.ended.append(complete)
