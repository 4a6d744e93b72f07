"""Addresses of the pages, each segment quoted; ids and names come from stores of other people."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

HOME = "/"


def run_page(run_id: str) -> str:
    """Of a run."""
    return f"/runs/{quote(run_id, safe=':')}"


def archive_page(run_id: str, task: str, x: int | None = None, y: int | None = None) -> str:
    """Of a task's archive, by two of its axes."""
    chosen = [(name, n) for name, n in (("x", x), ("y", y)) if n is not None]
    query = f"?{urlencode(chosen)}" if chosen else ""
    return f"{run_page(run_id)}/archives/{quote(task, safe='')}{query}"


def member_page(run_id: str, candidate: str) -> str:
    """Of a candidate."""
    return f"{run_page(run_id)}/members/{quote(candidate, safe='')}"


def report_file(run_id: str, path: str) -> str:
    """Of a file of a stored report."""
    return f"{run_page(run_id)}/{quote(path)}"


def compare_page(run_ids: Sequence[str]) -> str:
    """Of a comparison."""
    return f"/compare?{urlencode([('run', run_id) for run_id in run_ids], safe=':')}"


def with_digest(address: str, digest: str) -> str:
    """Where a page asks whether it has changed."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'seen': digest})}"
