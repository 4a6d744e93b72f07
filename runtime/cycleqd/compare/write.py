"""A comparison as files, each written whole: a reader never sees half of one."""

from __future__ import annotations

from pathlib import Path

from cycleqd.compare.comparing import Comparison
from cycleqd.compare.csv_table import csv_of
from cycleqd.compare.markdown import markdown_of
from cycleqd.errors import InputError
from cycleqd.report.theme import LIGHT
from cycleqd.store.localfile import atomic_file, write_all


def check_drawing() -> None:
    """Find out before anything is run whether the picture can be drawn at its end.

    Raises:
        InputError: the libraries of the extra ``report`` are not installed.
    """
    try:
        import cycleqd.compare.picture  # noqa: F401, PLC0415 - matplotlib
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed; comparisons are drawn with the extra: "
            "pip install 'cycleqd-operator[report]'"
        ) from error


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``compare.json``, ``compare.md``, ``compare.csv`` and ``compare.png``.

    Equal comparisons give equal bytes; earlier files are replaced.

    Args:
        comparison: what to write.
        folder: where to.

    Returns:
        The files.

    Raises:
        StoreError: one cannot be written.
    """
    from cycleqd.compare.picture import draw_progress  # noqa: PLC0415 - matplotlib

    contents = {
        "compare.json": comparison.document.to_bytes(),
        "compare.md": markdown_of(comparison.document).encode(),
        "compare.csv": csv_of(comparison.document).encode(),
        "compare.png": draw_progress(comparison.curves, LIGHT),
    }
    for name, content in contents.items():
        with atomic_file(folder / name) as descriptor:
            write_all(descriptor, content)
    return [folder / name for name in contents]
