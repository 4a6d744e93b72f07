"""The two streams: results on standard output, progress and errors on standard error.

Names, paths and messages come from stores, manifests and file systems of other people. Everything
that a command prints passes through here, where it is data: never markup, and with every character
that a terminal would obey (escape sequences, line breaks, changes of direction) or cannot show
written as an escape.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

from cycleqd.store.localfile import store_error

PIPED_WIDTH = 120
"""Columns where the output is no terminal and ``COLUMNS`` is not set."""

CLOSED_PIPE = 141
"""What a shell shows for a process that SIGPIPE ended."""

LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Leave it to the functions below; rich itself would exit with 1."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _console(*, stderr: bool) -> Console:
    console = _Console(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = _Console(stderr=stderr, width=PIPED_WIDTH)
    return console


_output = _console(stderr=False)
errors = _console(stderr=True)
"""For live displays, which own the terminal while they run."""


def visible(text: str) -> str:
    """A text in which every character shows, and does nothing else, on one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def data(text: str, style: str = "") -> Text:
    """A foreign text as a part of what is shown, a cell of a table for instance."""
    return Text(visible(text), style)


class DataTable(Table):
    """A table whose strings are data."""

    def add_column(self, header: RenderableType = "", *args: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
        """See `rich.table.Table.add_column`."""
        super().add_column(_as_data(header), *args, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:  # noqa: ANN401 - passed on
        """See `rich.table.Table.add_row`."""
        super().add_row(*(None if cell is None else _as_data(cell) for cell in cells), **options)

    def parts(self, console: Console) -> list[DataTable]:
        """The table, or where it is too wide for a console, several with some columns each.

        All have the first column, which tells what a row is; nothing is cut in the middle.
        """
        widths = [_width(column, console) + _PADDING for column in self.columns]
        if sum(widths) + 1 <= console.width or len(widths) < 2:
            return [self]
        groups: list[list[int]] = []
        left = 0
        for number, width in enumerate(widths[1:], 1):
            left -= width
            if left < 0:
                groups.append([0])
                left = console.width - 1 - widths[0] - width
            groups[-1].append(number)
        return [self._part(group, first=group is groups[0]) for group in groups]

    def _part(self, group: list[int], *, first: bool) -> DataTable:
        """A table with some of the columns; only the first one has the title."""
        part = DataTable(title=self.title if first else None, title_justify=self.title_justify)
        columns = [self.columns[number] for number in group]
        for column in columns:
            part.add_column(column.header, justify=column.justify, no_wrap=column.no_wrap)
        rows = zip(*(column.cells for column in columns), strict=True)
        for row, cells in zip(self.rows, rows, strict=True):
            part.add_row(*cells, style=row.style)
        return part


_PADDING = 3
"""Columns of the terminal that a column of a table takes beside its text."""


def _width(column: Column, console: Console) -> int:
    """How wide a column must be for none of its texts to be cut."""
    unbounded = console.options.update(width=_UNBOUNDED)
    texts = [column.header, *column.cells]
    sizes = [console.measure(text, options=unbounded) for text in texts]
    return max(size.maximum if column.no_wrap else size.minimum for size in sizes)


_UNBOUNDED = 100_000
"""Wider than any table."""


def _as_data(cell: RenderableType) -> RenderableType:
    return data(cell) if isinstance(cell, str) else cell


def print_result(text: str) -> None:
    """A line on standard output."""
    with _written():
        _output.print(data(text), highlight=False, soft_wrap=True)


def print_table(table: DataTable) -> None:
    """A table on standard output, in several parts where it is too wide for one."""
    with _written():
        for part in table.parts(_output):
            _output.print(part)


def print_note(text: str) -> None:
    """A line on standard error: progress, a warning, an error."""
    with suppress(OSError):  # where even that cannot be written, the exit status has to do
        errors.print(data(text), highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Machine-readable output, whole lines, no colours; in ASCII, so escapes are JSON's own."""
    with _written():
        _output.out(json.dumps(value, indent=2, sort_keys=True, allow_nan=False), highlight=False)


@contextmanager
def whole_output() -> Iterator[None]:
    """A block whose output has left this process when it ends.

    Raises:
        StoreError: it could not be written, to a full disk for instance.
    """
    for stream in (sys.stdout, sys.stderr):
        # A locale without some letter must not end a command that wanted to show it.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    yield
    if sys.stdout is not None and not sys.stdout.closed:
        with _written():
            sys.stdout.flush()


@contextmanager
def _written() -> Iterator[None]:
    """A block that writes to standard output, which may fail like any file."""
    try:
        yield
    except OSError as error:
        _discard_output()  # the interpreter would try again at its end, and print a traceback
        if error.errno == errno.EPIPE:
            # The reader has gone, as in `cycleqd list STORE | head -1`: no fault, nothing to say.
            raise SystemExit(CLOSED_PIPE) from error
        raise store_error("cannot write standard output", error) from error


def _discard_output() -> None:
    """From here on standard output goes nowhere, what is still buffered included."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)


class LogFormatter(logging.Formatter):
    """Log lines for a terminal: what they quote is data too."""

    def format(self, record: logging.LogRecord) -> str:
        """The record, each of its lines visible."""
        return "\n".join(visible(line) for line in super().format(record).split("\n"))


def log_to_stderr(level: int, line: str = LOG_FORMAT) -> None:
    """Send the log of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter(line))
    logging.basicConfig(level=level, handlers=[handler], force=True)
