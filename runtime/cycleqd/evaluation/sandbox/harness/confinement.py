"""How the harness walls itself off, once, before the first program.

Two ways, tried in this order:

- **namespaces** (root with CAP_SYS_ADMIN, or unprivileged user namespaces): the harness becomes
  process 1 of its own process, network, mount and IPC namespaces. Its root is a small file system
  that holds the system's programs and Python's standard library, read only, and nothing else: no
  home folders, no mounted secrets, no other process. Killing everything is one system call.
- **plain** (restricted pods): programs run under a user of their own where the harness is root,
  and behind Landlock where the kernel has it. Without either, they could read what the worker can
  read, and the harness refuses to run.

In both, every program also gets resource limits, no new privileges and the system call filter.
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH101, PTH102, PTH103, PTH110, PTH112, PTH114, PTH115, PTH116, PTH118, PTH120, PTH123, PTH211

from __future__ import annotations

import os
import secrets
import select
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cycleqd.evaluation.sandbox.harness import kernel, landlock

NAMESPACES_FAILED = 75

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_CONFIGURATION = ("/etc/ld.so.cache", "/etc/alternatives")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_STANDARD_LIBRARY = os.path.dirname(os.__file__)


class Unconfinable(Exception):
    """This machine cannot contain programs; the message says what to change."""


@dataclass(frozen=True)
class Confinement:
    """What stands between programs and the machine.

    Attributes:
        namespaces: whether the harness lives in namespaces of its own.
        user: user and group of programs, None where they share the harness's.
        rules: file descriptor of the Landlock rules, None without.
        signals_contained: whether a program cannot signal processes that are not its own.
        place: the folder under which programs get theirs.
        owned: descriptors of the place and of the folders above it that programs, sharing their
            owner, can change the mode of, each with the mode that it had.
        worker: the process that programs run for, None where somebody else sees to its end.
        files: files of the machine that programs may read: where they find them, by path outside.
        neighbours: how many programs may run beside this one, in other slots.
        truncation_contained: whether a program cannot cut off files that are not its own.
    """

    namespaces: bool
    user: int | None
    rules: int | None
    signals_contained: bool
    place: str
    owned: tuple[tuple[int, int], ...] = ()
    worker: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    neighbours: int = 0
    truncation_contained: bool = True

    @property
    def shared(self) -> bool:
        """Whether programs run as the worker's own user, beside its processes."""
        return self.user is None and not self.namespaces

    @property
    def counted(self) -> bool:
        """Whether the harness has to count a program's processes.

        In a container the kernel would count those of other containers too, which cannot be seen
        from here.
        """
        return self.shared and not kernel.sees_all_processes()

    @property
    def way(self) -> str:
        """How the harness gets to the place.

        Without namespaces it stands there: a program beside this one, of the same user, may shut
        the folders above both.
        """
        return self.place if self.namespaces else "."

    @property
    def orphaned(self) -> bool:
        """Whether the worker is gone, so that nobody waits for the program any more."""
        return self.worker is not None and os.getppid() != self.worker


def plain(
    base: str, user: int | None, files: Mapping[str, str], neighbours: int = 0
) -> Confinement:
    """Confinement without namespaces.

    Args:
        base: an empty folder of the harness's own.
        user: the user for programs, None to share this one.
        files: files that programs may read, by the path that they ask for.
        neighbours: how many programs may run beside this one, in other slots.

    Raises:
        Unconfinable: programs could read the worker's files, or not reach their own.
    """
    version = landlock.abi()
    base = os.path.realpath(base)
    if user is not None and (shut := _shut_to_others(base)) is not None:
        raise Unconfinable(
            f"programs have a user of their own here, who cannot get through {shut}; let everybody"
            f" search it (chmod o+x {shut}), or set TMPDIR to a folder where they may, such as /tmp"
        )
    if os.geteuid() == 0 and user is None:
        raise Unconfinable(
            "root without the capabilities SETUID, SETGID, CHOWN and KILL cannot give programs a"
            " user of their own; grant them or run as another user"
        )
    if user is None and version == 0:
        raise Unconfinable(
            "this kernel offers neither user namespaces nor Landlock to an unprivileged user, so"
            " programs could read this user's files; run as root, allow unprivileged user"
            " namespaces, or boot Linux 5.13+ with lsm=landlock"
        )
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    return _in_fresh_place(base, user, os.getppid(), files, neighbours)


def renewed(confinement: Confinement) -> Confinement:
    """A plain confinement in a fresh folder, out of reach of what could not be removed.

    Raises:
        Unconfinable: there is none to be had.
    """
    for handle in (confinement.rules, *(handle for handle, _ in confinement.owned)):
        if handle is not None:
            os.close(handle)
    try:
        # For root without Landlock: nobody gets through to what is left.
        os.chmod(confinement.place, 0)
        base = os.path.dirname(confinement.place)
        return _in_fresh_place(
            base,
            confinement.user,
            confinement.worker,
            confinement.files,
            confinement.neighbours,
        )
    except OSError as error:
        raise Unconfinable(
            f"no fresh folder for programs: {error}; check the space left in TMPDIR"
        ) from error


def _in_fresh_place(
    base: str, user: int | None, worker: int | None, files: Mapping[str, str], neighbours: int
) -> Confinement:
    version = landlock.abi()
    place = os.path.join(base, f"box-{secrets.token_hex(4)}")
    os.mkdir(place, 0o755)
    os.chdir(place)
    rules = None
    if version:
        accounts = ("/etc/passwd", "/etc/group")
        readable = (*_SYSTEM, *_CONFIGURATION, *accounts, _STANDARD_LIBRARY, *files.values())
        rules = landlock.ruleset(version, readable=readable, devices=_DEVICES, private=place)
    # Landlock has no say in modes, so a program may take its owner's rights to these.
    owned = _owned(place) if user is None else ()
    return Confinement(
        namespaces=False,
        user=user,
        rules=rules,
        signals_contained=user is not None or version >= 6,
        place=place,
        owned=owned,
        worker=worker,
        files=files,
        neighbours=neighbours,
        truncation_contained=user is not None or version >= 3,
    )


def _shut_to_others(path: str) -> str | None:
    """The outermost of a folder and those above it that others may not search."""
    above = os.path.dirname(path)
    if above != path and (shut := _shut_to_others(above)) is not None:
        return shut
    return None if os.stat(path).st_mode & stat.S_IXOTH else path


def _owned(path: str) -> tuple[tuple[int, int], ...]:
    """A folder and those above it that belong to this user, outermost first, with their modes."""
    found: list[tuple[int, int]] = []
    while True:
        handle = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        status = os.fstat(handle)
        if status.st_uid == os.geteuid():
            found.insert(0, (handle, stat.S_IMODE(status.st_mode)))
        else:
            os.close(handle)
        if path == "/":
            return tuple(found)
        path = os.path.dirname(path)


def in_namespaces(
    base: str, user: int | None, files: Mapping[str, str], serve: Callable[[Confinement], None]
) -> bool:
    """Run ``serve`` in namespaces of its own, as process 1, and wait for it.

    Everything happens in descendants, so that the caller can go on without namespaces.

    Args:
        base: an empty folder of the harness's own.
        user: the user for programs, None to share this one.
        files: files that programs may read, by the path that they ask for.
        serve: called with the confinement.

    Returns:
        False when namespaces are not to be had here (``serve`` was not called).
    """
    parent = os.getppid()
    child = os.fork()
    if child == 0:
        os._exit(_enter(base, user, files, serve))
    # A dead worker must not leave the harness behind, even if something holds its pipe open.
    with os.fdopen(os.pidfd_open(child), "rb", buffering=0) as handle:
        while not select.select([handle], [], [], 2.0)[0]:
            if os.getppid() != parent:
                os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, NAMESPACES_FAILED}:
        os._exit(1)
    return code == 0


def _enter(
    base: str, user: int | None, files: Mapping[str, str], serve: Callable[[Confinement], None]
) -> int:
    """In a child: leave the machine's namespaces; the exit code to end with."""
    flags = (
        kernel.CLONE_NEWNS
        | kernel.CLONE_NEWPID
        | kernel.CLONE_NEWNET
        | kernel.CLONE_NEWIPC
        | kernel.CLONE_NEWUTS
    )
    root = os.path.join(base, "root")
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
        if user is None:
            uid, gid = os.getuid(), os.getgid()
            kernel.unshare(flags | kernel.CLONE_NEWUSER)
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{uid} {uid} 1")
            _write("/proc/self/gid_map", f"{gid} {gid} 1")
        else:
            kernel.unshare(flags)
        _build_root(root, os.getuid() if user is None else user)
        inside = _bind_files(root, files)
        kernel.mount("none", root, "", kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID)
    except OSError:
        return NAMESPACES_FAILED
    child = os.fork()
    if child == 0:
        os._exit(
            _first_process(root, Confinement(True, user, None, True, "/box", files=inside), serve)
        )
    _, status = os.waitpid(child, 0)
    return max(0, os.waitstatus_to_exitcode(status)) if os.WIFEXITED(status) else 1


def _first_process(
    root: str, confinement: Confinement, serve: Callable[[Confinement], None]
) -> int:
    """In process 1 of the new namespace: enter the root and serve."""
    quiet = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
        try:
            kernel.mount("proc", f"{root}/proc", "proc", quiet)
        except OSError:
            # Refused in containers whose own /proc is masked: programs then see an empty one.
            print("no /proc in the sandbox", file=sys.stderr)
        kernel.enter_root(root)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    except OSError:
        return NAMESPACES_FAILED
    serve(confinement)
    return 0


def _build_root(root: str, user: int) -> None:
    """Mount what programs may see under ``root``; the system's parts read only."""
    os.mkdir(root)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    settings = "size=1m,nr_inodes=4096,mode=0755"
    # Without NODEV on the root: the devices bound below must work.
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID, settings)
    for path in (*_SYSTEM, *_CONFIGURATION, _STANDARD_LIBRARY):
        inside = root + path
        if os.path.lexists(inside) or not os.path.exists(path):
            continue
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        if os.path.islink(path):
            os.symlink(os.readlink(path), inside)
        else:
            _bind_guarded(path, inside)
    for folder in ("dev", "proc", "box"):
        os.mkdir(f"{root}/{folder}")
    for path in _DEVICES:
        _bind(path, root + path)
    links = {"tmp": "/box/tmp", "dev/shm": "/box/tmp", "dev/fd": "/proc/self/fd"}
    links |= {f"dev/{name}": f"/proc/self/fd/{i}" for i, name in enumerate(_STREAMS)}
    for name, target in links.items():
        os.symlink(target, f"{root}/{name}")
    _write(
        f"{root}/etc/passwd", f"root:x:0:0::/:/bin/sh\nsandbox:x:{user}:{user}::/box/home:/bin/sh\n"
    )
    _write(f"{root}/etc/group", f"root:x:0:\nsandbox:x:{user}:\n")


def _bind_files(root: str, files: Mapping[str, str]) -> dict[str, str]:
    """Mount files under ``root``, read only; where they are then, by the path they are asked by."""
    inside = {path: f"/files/{number}" for number, path in enumerate(files)}
    for path, place in inside.items():
        _bind_guarded(files[path], root + place)
    return inside


_STREAMS = ("stdin", "stdout", "stderr")


def _bind_guarded(path: str, inside: str) -> None:
    _bind(path, inside)
    guarded = kernel.MS_NOSUID | kernel.MS_NODEV
    locked = os.statvfs(inside).f_flag & (guarded | kernel.MS_NOEXEC)
    again = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
    kernel.mount("none", inside, "", again | guarded | locked)


def _bind(path: str, inside: str) -> None:
    if os.path.isdir(path):
        os.makedirs(inside, exist_ok=True)
    else:
        _write(inside, "")
    kernel.mount(path, inside, "", kernel.MS_BIND | kernel.MS_REC)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
