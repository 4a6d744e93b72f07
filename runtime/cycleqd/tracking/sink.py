"""What a follower needs of a tracking tool."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cycleqd.tracking.models import ModelFacts, PublicationFacts
from cycleqd.tracking.translation import Point


class Sink(Protocol):
    """Where one run is tracked. Every method may be repeated and adds only what is not there."""

    def known(self, key: str) -> Collection[int]:
        """The generations of which a point of this key is there."""

    def add(self, points: Sequence[Point]) -> None:
        """Add points, each once.

        Raises:
            InputError: a point is there with another value, so it is another run's.
        """

    def tag(self, tags: Mapping[str, str]) -> None:
        """Say what cannot be a number."""

    def publish(self, publication: PublicationFacts) -> None:
        """Show which model a run stands for after a final table."""

    def keep(self, models: Sequence[ModelFacts]) -> None:
        """Show the models that a run ended with."""

    def wants_report(self, generation: int) -> bool:
        """Whether the report after a generation can be kept and is not yet there."""

    def attach_report(self, generation: int, folder: Path) -> None:
        """Keep the files of the report after a generation."""

    def end(self, *, complete: bool) -> None:
        """Say whether the run goes on."""
