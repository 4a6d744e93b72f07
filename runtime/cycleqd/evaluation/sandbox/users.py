"""A user id for each slot, where the worker is root.

Killing by user id, and limits that count by user id, are only right if nobody else runs under it.
A slot therefore claims its id by binding an abstract Unix socket of that name, which the kernel
releases when the process ends, however it ends.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_HIGH = 1_879_000_000
_DYNAMIC = 61_184  # systemd's range for dynamic users, for containers that map few ids
_SLOTS = 4_096


class SlotUser:
    """A claimed user id.

    Attributes:
        uid: the user id, also used as group id; None where the process is not root.
    """

    def __init__(self) -> None:
        self.uid: int | None = None
        self._claim: socket.socket | None = None
        if os.geteuid() != 0:
            return
        first = _HIGH if _mapped(_HIGH + _SLOTS) else _DYNAMIC
        # Containers on one machine do not see each other's claims: spread their first choices.
        offset = int.from_bytes(os.urandom(2), "big")
        for attempt in range(_SLOTS):
            uid = first + (offset + attempt) % _SLOTS
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0cycleqd-sandbox-{uid}")
            except OSError:
                claim.close()
                continue
            self.uid, self._claim = uid, claim
            return

    def release(self) -> None:
        """Give the id back; may be called twice."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None


def _mapped(uid: int) -> bool:
    """Whether the id exists in this process's user namespace."""
    for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines():
        first, _, count = (int(part) for part in line.split())
        if first <= uid < first + count:
            return True
    return False
