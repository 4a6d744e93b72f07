"""A system call filter that works without privileges, also in restricted pods.

The filter lets everything through but a list: the network (``socket`` of every family; pairs made
by ``socketpair`` stay, but for datagrams), looking into or steering other processes, new
namespaces, kernel keys, BPF, io_uring (which would open sockets behind a filter's back), shared
memory that outlives its process, notices of what others do with files, and the calls of an
administrator. Refused calls fail with EPERM, so that a program sees an ordinary
``PermissionError``. ``clone3`` fails with ENOSYS, because its flags lie in memory that a filter
cannot read; the C library then uses ``clone``.

Deny rather than allow: generated code may be any program, and an allow list would make verdicts
depend on the version of the C library.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from functools import cache

from cycleqd.evaluation.sandbox.harness import kernel

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (x86-64, aarch64); None where the machine has no such call.
_ALWAYS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "io_uring_setup": (425, 425),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "fanotify_init": (300, 262),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
}
_SIGNALS: dict[str, tuple[int | None, int | None]] = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}
# Before Landlock had a say in it (Linux 6.2), cutting off a file of the worker's needed no right.
_TRUNCATE = (76, 45)
_OPENING = (((2, None), 1), ((257, 56), 2))  # and which argument holds the flags
_OPENAT2 = 437
_OPEN_MODE, _CUT_READING = os.O_ACCMODE | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC
# One end of such a pair can send to any socket that has a name.
_SOCKETPAIR, _DATAGRAMS = (53, 199), (2, 3)
# The kernel sends signals of input and output to whom these name.
_FCNTL, _SET_OWNER = (72, 25), (8, 10, 15)
_IOCTL, _SET_DEVICE_OWNER = (16, 29), (0x8901, 0x8902)
_PROCESSES: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
}
_CLONE = (56, 220)
_PRLIMIT = (302, 261)
_CLONE3 = 435
_X32_BIT = 0x40000000
_CLONE_THREAD = 0x00010000
_NEW_NAMESPACES = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWCGROUP
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
)

# Classic BPF: load a word, jump if equal / greater or equal / any bit set, mask, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_MASK = 0x54
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENT0_AT = 0, 4, 16
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_ABSENT = 0x00050000 | errno.ENOSYS
_ASK = 0x7FC00000
_MODE_FILTER = 2


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


@cache
def program(
    *,
    deny_processes: bool,
    deny_signals: bool,
    deny_truncation: bool = False,
    machine: str = kernel.MACHINE,
) -> bytes:
    """The filter as classic BPF instructions.

    Args:
        deny_processes: refuse new processes and programs too; threads stay.
        deny_signals: refuse signals to any process, for items that share a user with others.
        deny_truncation: refuse to cut off a file by its name, or while opening it to read.
        machine: ``x86_64`` or ``aarch64``.

    Raises:
        OSError: this machine is not supported.
    """
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no system call filter for {machine}")
    column = list(_ARCHITECTURES).index(machine)
    refused = dict(_ALWAYS)
    if deny_processes:
        refused |= _PROCESSES
    if deny_signals:
        refused |= _SIGNALS
    steps = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [_step(_AT_LEAST, _X32_BIT, 0, 1), _step(_RETURN, _REFUSE)]
    for number in filter(None, (numbers[column] for numbers in refused.values())):
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _REFUSE)]
    steps += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _ABSENT)]
    steps += _refused_values(_SOCKETPAIR[column], 1, _DATAGRAMS, mask=0xF)
    if deny_signals:
        steps += _refused_values(_FCNTL[column], 1, _SET_OWNER)
        steps += _refused_values(_IOCTL[column], 1, _SET_DEVICE_OWNER)
    if deny_truncation:
        steps += _no_truncation(column)
    # prlimit of another process would let an item steer its parent's limits.
    steps += [
        _step(_EQUAL, _PRLIMIT[column], 0, 4),
        _step(_LOAD, _ARGUMENT0_AT),
        _step(_EQUAL, 0, 1, 0),
        _step(_RETURN, _REFUSE),
        _step(_RETURN, _ALLOW),
    ]
    clone = [
        _step(_LOAD, _ARGUMENT0_AT),
        _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        _step(_RETURN, _REFUSE),
    ]
    if deny_processes:
        clone += [_step(_ANY_BIT, _CLONE_THREAD, 1, 0), _step(_RETURN, _REFUSE)]
    clone.append(_step(_RETURN, _ALLOW))
    steps += [_step(_EQUAL, _CLONE[column], 0, len(clone)), *clone, _step(_RETURN, _ALLOW)]
    return b"".join(steps)


def _no_truncation(column: int) -> list[bytes]:
    steps = [_step(_EQUAL, _TRUNCATE[column], 0, 1), _step(_RETURN, _REFUSE)]
    steps += [_step(_EQUAL, _OPENAT2, 0, 1), _step(_RETURN, _ABSENT)]
    for numbers, flags in _OPENING:
        number = numbers[column]
        if number is not None:
            steps += _refused_values(number, flags, (_CUT_READING,), mask=_OPEN_MODE)
    return steps


def _refused_values(
    number: int, argument: int, values: Iterable[int], mask: int = 0xFFFFFFFF
) -> list[bytes]:
    """Steps that refuse one call with some values of an argument's low half, and allow it else."""
    block = [_step(_LOAD, _ARGUMENT0_AT + 8 * argument), _step(_MASK, mask)]
    for value in values:
        block += [_step(_EQUAL, value, 0, 1), _step(_RETURN, _REFUSE)]
    block.append(_step(_RETURN, _ALLOW))
    return [_step(_EQUAL, number, 0, len(block)), *block]


def asking(machine: str = kernel.MACHINE) -> bytes:
    """A filter that has somebody asked before a process or thread is started.

    It stands beside `program`, whose refusals count for more.

    Args:
        machine: ``x86_64`` or ``aarch64``.
    """
    column = list(_ARCHITECTURES).index(machine)
    steps = [_step(_LOAD, _NUMBER_AT)]
    for numbers in (_CLONE, _PROCESSES["fork"], _PROCESSES["vfork"]):
        number = numbers[column]
        if number is not None:
            steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ASK)]
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


class Instructions(ctypes.Structure):
    """A filter as the kernel takes it (``struct sock_fprog``)."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def install(instructions: bytes) -> None:
    """Put this process and its descendants behind the filter, for good.

    Raises:
        OSError: the kernel has no seccomp or refuses it.
    """
    loaded = Instructions(len(instructions) // 8, instructions)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(loaded))
