"""The event files of one run in a folder: what they say, and a way to add to it.

A value is named by its tag and its generation, and the generation is told by the time of its event:
no wall time but that of the folder's first value plus a millisecond for each generation. So the
files themselves say what is there. Who begins again begins another file, since one whose writer was
killed may end within a record, after which nobody reads on. Files are made when there is something
to write, and their names sort in that order, in which TensorBoard reads them.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.errors import InputError

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

EXTRA = "pip install 'cycleqd-operator[tensorboard]'"

VERSION = "brain.Event:2"
"""What every event file begins with."""

Logged = float | str | None
"""A value that is there: a number, a text, or something else."""


class EventFolder:
    """The event files of one run; nobody else writes to them until `close`.

    Args:
        folder: where they are, made where it is missing.
        field: where the user wrote that.

    Raises:
        InputError: the package `tensorboard` is not installed, the folder cannot be written to, or
            another process does.
    """

    def __init__(self, folder: Path, field: str) -> None:
        check_installed(field)
        self.folder = folder
        self.field = field
        self._file: RecordWriter | None = None
        self._values: dict[str, dict[int, Logged]] = {}
        with self._told():
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with self._told():
                self._hold()
                self._files = sorted(folder.glob("*tfevents*"))
                self._start = self._read()
        except InputError:
            os.close(self._lock)
            raise

    def values(self, tag: str) -> Mapping[int, Logged]:
        """What is there under a tag, by generation."""
        return self._values.get(tag, {})

    @property
    def tags(self) -> frozenset[str]:
        """Under which something is there."""
        return frozenset(self._values)

    def write(self, value: Summary.Value, step: int, generation: int) -> None:
        """Add a value, which is sure to be there only after `flush`.

        Args:
            value: with its tag.
            step: evaluations so far.
            generation: the committed generation that it is of.

        Raises:
            InputError: it cannot be written.
        """
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

        event = Event(
            wall_time=self._start + generation / 1000, step=step, summary=Summary(value=[value])
        )
        with self._told():
            if self._file is None:
                self._file = self._new_file()
            self._file.write(event.SerializeToString())
        self._values.setdefault(value.tag, {})[generation] = _logged(value)

    def flush(self) -> None:
        """Have all that was written in the file, whatever becomes of this process.

        Raises:
            InputError: it cannot be written.
        """
        if self._file is not None:
            with self._told():
                self._file.flush()

    def close(self) -> None:
        """Let others write."""
        try:
            if self._file is not None:
                with self._told():
                    self._file.close()
        finally:
            os.close(self._lock)

    def _hold(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{self.field}: another process tracks a run in {self.folder}; end that one or "
                "name another folder"
            ) from None

    def _read(self) -> float:
        """Fill in what is there; the time of generation 0."""
        start: float | None = None
        for event in self._events():
            for value in event.summary.value:
                start = event.wall_time if start is None else start
                generation = round((event.wall_time - start) * 1000)
                self._values.setdefault(value.tag, {})[generation] = _logged(value)
        return float(int(time.time())) if start is None else start

    def _events(self) -> Iterator[Event]:
        from tensorboard.backend.event_processing.event_file_loader import (  # noqa: PLC0415
            LegacyEventFileLoader,
        )

        for file in self._files:
            yield from LegacyEventFileLoader(str(file)).Load()

    def _new_file(self) -> RecordWriter:
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

        name = f"events.out.tfevents.{int(self._start):010d}.cycleqd.{len(self._files):06d}"
        path = self.folder / name
        file = RecordWriter(path.open("xb"))
        self._files.append(path)
        file.write(Event(wall_time=self._start, file_version=VERSION).SerializeToString())
        return file

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self.field}: cannot write in {self.folder} ({error.strerror}); make it possible "
                "and repeat the command"
            ) from error


def check_installed(field: str) -> None:
    """See that event files can be read and written here.

    Raises:
        InputError: they cannot.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError(
            f"{field}: tensorboard is not installed; tracking in event files needs the extra: "
            f"{EXTRA}"
        )


def _logged(value: Summary.Value) -> Logged:
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind == "tensor" and value.tensor.string_val:
        return bytes(value.tensor.string_val[0]).decode()
    return None
