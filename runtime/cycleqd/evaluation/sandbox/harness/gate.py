"""Where each process and thread that a program starts is asked for.

The kernel's limit on processes counts those of a user in all containers of a machine, of which one
sees only its own, so in a container it is either too tight or none. There the kernel asks the
harness instead, before it starts one (seccomp's user notification, Linux 5.5 and later), and what
would be one too many fails with EAGAIN, as it does by that limit. A fork bomb thus never gets more
of the machine than an honest program, which looking every now and then could not promise.
"""

from __future__ import annotations

# Not `socket`: whatever that imports, too, each program's fork would copy.
import _socket
import ctypes
import errno
import os
import select
import struct
from contextlib import suppress
from fcntl import ioctl

from cycleqd.evaluation.sandbox.harness import kernel, killing, seccomp

_SET_FILTER = 1
_LISTEN, _KILLABLE = 1 << 3, 1 << 5
# struct seccomp_notif: identity, process, flags, and 64 bytes of the call; seccomp_notif_resp:
# identity, value, error, flags.
_QUESTION, _ANSWER = struct.Struct("=QII64x"), struct.Struct("=QqiI")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_HANDLES, _HANDLE = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS), struct.Struct("@i")


def ask(line: int) -> None:
    """In a program's process: have every further process and thread of it asked for.

    Without effect where something else already answers for this process, such as a container's own
    supervisor: its processes are looked at all the same.

    Args:
        line: the socket of `Gate.theirs`, over which the questions are handed to the harness.
    """
    steps = seccomp.asking()
    loaded = seccomp.Instructions(len(steps) // 8, steps)
    # A question that has been read is not broken off by a signal, from Linux 5.19 on.
    for flags in (_LISTEN | _KILLABLE, _LISTEN):
        with suppress(OSError):
            number = kernel.number_of("seccomp")
            questions = kernel.syscall(number, _SET_FILTER, flags, ctypes.byref(loaded))
            connection = _socket.socket(fileno=os.dup(line))
            connection.sendmsg([b"?"], [(*_HANDLES, _HANDLE.pack(questions))])
            connection.close()
            os.close(questions)
            return


class Gate:
    """The harness's end: answers while the program runs; to be closed when all of it has ended.

    Args:
        most: how many processes and threads the program may have at once.

    Attributes:
        theirs: a descriptor for `ask`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known = 1
        ours, theirs = _socket.socketpair()
        # First the line, then the descriptor that came through it.
        self._source = ours.detach()
        self._open = False
        self.theirs = theirs.detach()

    @property
    def sources(self) -> list[int]:
        """What to wait for."""
        return [] if self._source < 0 else [self._source]

    def serve(self) -> None:
        """Answer one question; call it when a source is ready."""
        if not self._open:
            self._receive()
            return
        waiting = select.poll()
        waiting.register(self._source, select.POLLIN)
        if not any(event & select.POLLIN for _, event in waiting.poll(0)):
            self.close()  # nobody is left who could ask
            return
        question = bytearray(_QUESTION.size)
        with suppress(OSError):  # who asked was killed meanwhile
            ioctl(self._source, _RECEIVE, question)
            identity = _QUESTION.unpack(question)[0]
            free = self._free()
            error, flags = (0, _CONTINUE) if free else (-errno.EAGAIN, 0)
            ioctl(self._source, _SEND, _ANSWER.pack(identity, 0, error, flags))

    def close(self) -> None:
        """Answer no more; may be called twice."""
        if self._source >= 0:
            os.close(self._source)
            self._source = -1

    def _receive(self) -> None:
        line = _socket.socket(fileno=self._source)
        self._source = -1
        _, parts, _, _ = line.recvmsg(1, _socket.CMSG_SPACE(_HANDLE.size))
        line.close()
        for level, kind, content in parts:
            if (level, kind) == _HANDLES and len(content) == _HANDLE.size:
                self._source, self._open = _HANDLE.unpack(content)[0], True

    def _free(self) -> bool:
        """Whether there is room for one more; counts anew where it seems that there is none."""
        if self._known >= self._most:
            self._known = killing.tasks(killing.descendants(os.getpid()))
        if self._known >= self._most:
            return False
        self._known += 1
        return True
