"""What the code that is timed knows of tracing: spans inside spans, and nothing where it is off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from cycleqd.tracing.roots import Root

Attributes = Mapping[str, str | int | float | bool]
"""Facts of a span: numbers, names and ids; never prompts, answers, messages or URIs."""


class Span(Protocol):
    """A piece of work that is being timed."""

    def tell(self, facts: Attributes) -> None:
        """Add facts that are known now."""
        ...

    def fail(self, kind: str) -> None:
        """It failed; of what kind, not with what words, which may quote anything."""
        ...


class Spans(Protocol):
    """Makes the spans of one process."""

    def span(
        self, name: str, facts: Attributes, root: Root | None = None
    ) -> AbstractContextManager[Span]:
        """Time what is done inside; an exception marks it as failed and goes on.

        Args:
            name: what is done; one of few.
            facts: known before.
            root: what it is below; None for the span that it is inside of.
        """
        ...

    def record(
        self, root: Root, name: str, facts: Attributes, links: Sequence[Root], begun: int
    ) -> None:
        """Tell of a root that has ended now.

        Args:
            root: its ids.
            name: of the span.
            facts: what is known of it.
            links: roots that it follows from.
            begun: nanoseconds since 1970.
        """
        ...


class _NoSpan:
    """Forgets what it is told."""

    def tell(self, facts: Attributes) -> None:
        """Do nothing."""

    def fail(self, kind: str) -> None:
        """Do nothing."""


class NoSpans:
    """Tracing that is off."""

    @contextmanager
    def span(
        self,
        name: str,  # noqa: ARG002 - of the protocol
        facts: Attributes,  # noqa: ARG002
        root: Root | None = None,  # noqa: ARG002
    ) -> Iterator[Span]:
        """Do what is inside."""
        yield _NoSpan()

    def record(
        self, root: Root, name: str, facts: Attributes, links: Sequence[Root], begun: int
    ) -> None:
        """Do nothing."""


NO_SPANS = NoSpans()
