"""Reports that a run's store holds: the newest one, and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.errors import ObjectNotFound
from cycleqd.records import keys
from cycleqd.store.keys import is_key

if TYPE_CHECKING:
    from cycleqd.store.base import ObjectStore

PAGE = "report.html"
LARGEST = 64 << 20
TYPES = {"html": "text/html; charset=utf-8", "png": "image/png", "svg": "image/svg+xml"}


def newest_report(store: ObjectStore) -> str | None:
    """Key of the newest report's page: a coordinator's by its generation, else a command's."""
    names = store.children(keys.REPORTS)
    numbers = [n for name in names if (n := keys.number(name)) is not None]
    if numbers:
        return keys.report(max(numbers), PAGE)
    return f"{keys.REPORTS}{PAGE}" if PAGE in names else None


def report_file(store: ObjectStore, path: str) -> tuple[bytes, str] | None:
    """A file of a report and its type; None where there is no such file.

    What `cycleqd report` wrote has no checksum, so this reads it as it is.

    Args:
        store: of the run.
        path: below the run's reports.
    """
    key = f"{keys.REPORTS}{path}"
    kind = TYPES.get(path.rpartition(".")[2])
    if kind is None or not is_key(key) or path.count("/") > 1:
        return None
    try:
        return store.read_range(key, 0, LARGEST), kind
    except ObjectNotFound:
        return None
