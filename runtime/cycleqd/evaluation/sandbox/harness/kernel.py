"""Linux system calls that Python does not offer, through ctypes.

Numbers differ by machine; x86-64 and aarch64 are supported, others raise `OSError` (ENOSYS), which
the caller turns into "containment is impossible here".
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH115

from __future__ import annotations

import ctypes
import errno
import os
import platform

MACHINE = platform.machine()

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_RELATIME = 1 << 21
MNT_DETACH = 2

_NUMBERS = {
    "x86_64": {"capset": 126, "pivot_root": 155, "seccomp": 317},
    "aarch64": {"capset": 91, "pivot_root": 41, "seccomp": 277},
}
# PROC_PID_INIT_INO of linux/proc_ns.h; other namespaces get other numbers.
_FIRST_PROCESS_NAMESPACE = f"pid:[{0xEFFFFFFC}]"
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def sees_all_processes() -> bool:
    """Whether this process is in the machine's first process namespace, not in a container."""
    return os.readlink("/proc/self/ns/pid") == _FIRST_PROCESS_NAMESPACE


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """A raw system call; integers go as 64 bit, pointers as they are.

    Raises:
        OSError: the call failed.
    """
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *wide), f"system call {number}")


def prctl(option: int, value: int, argument: object = 0) -> None:
    """``prctl(option, value, argument, 0, 0)``.

    Raises:
        OSError: the call failed.
    """
    wide = ctypes.c_ulong(argument) if isinstance(argument, int) else argument
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(value), wide, zero, zero), f"prctl {option}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by ``flags``.

    Raises:
        OSError: not permitted here.
    """
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Attach a file system.

    Raises:
        OSError: the call failed.
    """
    parts = [text.encode() for text in (source, target, kind)]
    result = _libc.mount(*parts, ctypes.c_ulong(flags), data.encode() or None)
    _check(result, f"mount {target}")


def unmount(target: str) -> None:
    """Detach a file system at once; the kernel frees it when nothing uses it any more.

    Raises:
        OSError: the call failed.
    """
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def enter_root(folder: str) -> None:
    """Make ``folder`` (a mount point) the root and let go of the old one.

    Raises:
        OSError: the call failed.
    """
    os.chdir(folder)
    number = number_of("pivot_root")
    syscall(number, ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    unmount(".")
    os.chdir("/")


def number_of(name: str) -> int:
    """The number of a system call on this machine.

    Raises:
        OSError: this machine is not supported.
    """
    if MACHINE not in _NUMBERS:
        raise OSError(errno.ENOSYS, f"no system call table for {MACHINE}")
    return _NUMBERS[MACHINE][name]


def drop_capabilities() -> None:
    """Give up every capability of this process for good (with no-new-privileges set).

    Raises:
        OSError: the call failed.
    """
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    empty = (ctypes.c_uint32 * 6)()
    syscall(number_of("capset"), ctypes.byref(header), ctypes.byref(empty))
