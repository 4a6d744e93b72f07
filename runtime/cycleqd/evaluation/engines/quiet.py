"""Keeping a library's chatter out of the terminal, and at hand should it fail."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

_TAIL_BYTES = 4_000


@dataclass(frozen=True)
class Noise:
    """What was written meanwhile.

    Attributes:
        file: holds it.
    """

    file: IO[bytes]

    def tail(self) -> str:
        """The end of it."""
        size = self.file.seek(0, os.SEEK_END)
        self.file.seek(max(0, size - _TAIL_BYTES))
        return self.file.read().decode("utf-8", "replace")


@contextmanager
def quiet_streams() -> Iterator[Noise]:
    """Send file descriptors 1 and 2 to a temporary file: C++ code writes there directly too."""
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = os.dup(1), os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield Noise(file)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, original in zip((1, 2), kept, strict=True):
                os.dup2(original, number)
                os.close(original)
