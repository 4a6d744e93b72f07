"""Addresses of the pages, each segment quoted; ids and names come from stores of other people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True)
class Links:
    """Addresses below a root.

    Attributes:
        root: path that all of them begin with; empty where the page has a host of its own.
    """

    root: str = ""

    @property
    def home(self) -> str:
        """Of the list."""
        return f"{self.root}/"

    @property
    def compare(self) -> str:
        """Where a form asks for a comparison."""
        return f"{self.root}/compare"

    def static(self, name: str, digest: str) -> str:
        """Of a file that pages load; another one when the file changes."""
        return f"{self.root}/static/{name}?v={digest}"

    def run_page(self, run_id: str) -> str:
        """Of a run."""
        return f"{self.root}/runs/{quote(run_id, safe=':')}"

    def archive_page(
        self, run_id: str, task: str, x: int | None = None, y: int | None = None
    ) -> str:
        """Of a task's archive, by two of its axes."""
        chosen = [(name, n) for name, n in (("x", x), ("y", y)) if n is not None]
        query = f"?{urlencode(chosen)}" if chosen else ""
        return f"{self.run_page(run_id)}/archives/{quote(task, safe='')}{query}"

    def member_page(self, run_id: str, candidate: str) -> str:
        """Of a candidate."""
        return f"{self.run_page(run_id)}/members/{quote(candidate, safe='')}"

    def report_file(self, run_id: str, path: str) -> str:
        """Of a file of a stored report."""
        return f"{self.run_page(run_id)}/{quote(path)}"

    def compare_page(self, run_ids: Sequence[str]) -> str:
        """Of a comparison."""
        return f"{self.compare}?{urlencode([('run', run_id) for run_id in run_ids], safe=':')}"


def with_digest(address: str, digest: str) -> str:
    """Where a page asks whether it has changed."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'seen': digest})}"
