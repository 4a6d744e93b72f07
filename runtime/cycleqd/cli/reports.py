"""Where a run's report goes, and the hint where its libraries are missing."""

from __future__ import annotations

from pathlib import Path

from cycleqd.errors import InputError
from cycleqd.run.store import RunStore
from cycleqd.store.localfile import store_error


def write_report(runs: RunStore, out: Path | None = None) -> Path:
    """Write the report of a run; returns the page's path.

    Args:
        runs: the run.
        out: folder to fill; ``STORE/report`` of a folder, ``out/report/RUN`` of S3 when absent.

    Raises:
        InputError: the libraries of the extra ``report`` are not installed.
        StoreError: the folder cannot be written.
    """
    try:
        from cycleqd.report.from_store import write_run_report  # noqa: PLC0415 - matplotlib
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed; reports need the extra: "
            "pip install 'cycleqd-operator[report]'"
        ) from error
    uri = runs.objects.uri
    if out is None:
        out = Path("out/report") / runs.run.run_id if "://" in uri else Path(uri) / "report"
    try:
        return write_run_report(runs, out).html
    except OSError as error:
        cannot = store_error(f"cannot write the report to {out}", error)
        raise type(cannot)(f"{cannot} (`cycleqd report STORE --out FOLDER`)") from error
