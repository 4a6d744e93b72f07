"""The spans of a coordinator: what it does for a stage, and the stage's root once it is closed.

A root is told of when its stage is committed, by whoever commits it. A coordinator that took the
run up in between knows of the stage's beginning only that it was there, so its root begins then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from cycleqd.records.keys import Stage
from cycleqd.tracing.attributes import of_stage, stage_name
from cycleqd.tracing.roots import TracedRun
from cycleqd.tracing.spans import Attributes, Span, Spans


class StageSpans:
    """The stages of one run.

    Args:
        spans: takes them.
        run: whose they are.
        clock: nanoseconds since 1970.
    """

    def __init__(
        self, spans: Spans, run: TracedRun, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._spans = spans
        self._run = run
        self._clock = clock
        self._begun: dict[Stage, int] = {}

    def begin(self, stage: Stage) -> None:
        """A stage is there; from the first time on it lasts."""
        self._begun.setdefault(stage, self._clock())

    def doing(self, name: str, stage: Stage) -> AbstractContextManager[Span]:
        """Time a piece of a stage's own work."""
        self.begin(stage)
        return self._spans.span(name, of_stage(self._run, stage), self._run.root(stage))

    def end(self, stage: Stage, facts: Attributes, follows: Stage | None) -> None:
        """A stage is committed.

        Args:
            stage: which one.
            facts: what came out.
            follows: the stage whose archive its plan was made from.
        """
        links = [] if follows is None else [self._run.root(follows)]
        begun = self._begun.pop(stage, None)
        self._spans.record(
            self._run.root(stage),
            stage_name(stage),
            {**of_stage(self._run, stage), **facts},
            links,
            self._clock() if begun is None else begun,
        )
