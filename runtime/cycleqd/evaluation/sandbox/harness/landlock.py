"""File access by allow list, without privileges: Linux 5.13 and later where it is switched on.

Where the sandbox may not make namespaces of its own, Landlock keeps an item inside the system's
folders (read only) and its private folder. From ABI 6 on (Linux 6.12) it also keeps signals inside.
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH110, PTH112

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from cycleqd.evaluation.sandbox.harness import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2


def abi() -> int:
    """The version of Landlock, 0 where the kernel has none."""
    try:
        return kernel.syscall(_CREATE, ctypes.c_void_p(None), 0, _VERSION_FLAG)
    except OSError:
        return 0


def _handled(version: int) -> int:
    rights = (1 << 13) - 1
    if version >= 2:
        rights |= 1 << 13
    if version >= 3:
        rights |= _TRUNCATE
    if version >= 5:
        rights |= _IOCTL_DEV
    return rights


def ruleset(version: int, *, readable: Iterable[str], devices: Iterable[str], private: str) -> int:
    """A file descriptor of rules; missing paths are skipped.

    Args:
        version: what `abi` returned, at least 1.
        readable: files and folders that may be read and executed.
        devices: files that may be read and written.
        private: the one folder with every right.

    Raises:
        OSError: the call failed.
    """
    handled = _handled(version)
    attribute = struct.pack("=Q", handled)
    if version >= 4:
        attribute += struct.pack("=Q", 3)  # TCP bind and connect, both refused
    if version >= 6:
        attribute += struct.pack("=Q", _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS)
    rules = kernel.syscall(_CREATE, ctypes.c_char_p(attribute), len(attribute), 0)
    os.set_inheritable(rules, False)
    granted = [(path, _READ) for path in readable]
    granted += [(path, _READ_FILE | _WRITE_FILE) for path in devices]
    granted.append((private, handled))
    for path, rights in granted:
        if not os.path.exists(path):
            continue
        wanted = rights & handled
        if not os.path.isdir(path):
            wanted &= _FILE_RIGHTS
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = struct.pack("=Qi", wanted, parent)
            kernel.syscall(_ADD, rules, _PATH_BENEATH, ctypes.c_char_p(rule), 0)
        finally:
            os.close(parent)
    return rules


def restrict(rules: int) -> None:
    """Put this process and its descendants under the rules, for good.

    Raises:
        OSError: the call failed.
    """
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.syscall(_RESTRICT, rules, 0)
