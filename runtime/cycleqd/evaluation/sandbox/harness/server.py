"""The harness's loop: wall off, prove it, then one line in, one line out, until its input ends."""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH116, PTH120, PTH123

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import resource
import select
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress

from cycleqd.evaluation.sandbox.harness import confinement as walls
from cycleqd.evaluation.sandbox.harness import folders, item, kernel
from cycleqd.evaluation.sandbox.harness.child import OPEN_FILES
from cycleqd.evaluation.sandbox.programs import (
    LENGTH_DIGITS,
    Limits,
    Program,
    PythonProgram,
    Report,
    decode_program,
    encode,
)

# Copied into every child by fork, so that programs need not search and read them each time. Each
# costs all of them a little, so these are the usual ones.
_WARM = (
    "_socket abc array base64 binascii bisect calendar cmath collections collections.abc contextlib"
    " copy csv dataclasses datetime decimal difflib encodings.idna enum fractions functools"
    " hashlib heapq html io itertools json keyword locale math numbers operator os.path pprint"
    " queue random re sqlite3 statistics string struct sys textwrap threading time types"
    " typing unicodedata uuid zlib"
)
# And these, where programs cannot read the standard library: it lies in another user's home.
_WARM_WHERE_UNREADABLE = (
    "bz2 concurrent.futures email.message importlib.metadata importlib.resources ipaddress logging"
    " lzma pathlib quopri secrets selectors shutil socket subprocess tempfile traceback"
    " urllib.parse zipfile"
)
_OPEN_FILES = 4096
_LONGEST_REQUEST = 64 << 20
# Of the kernel's scale of whom to end first, which goes to 1000: half the memory there is.
_EARLIER, _LAST = 500, 1000
_NETWORK_PROBE = """
import _socket
try:
    _socket.socket()
except PermissionError:
    refused = True
"""


def main(
    base: str, user: int | None, files: Mapping[str, str], neighbours: int, *, namespaces: bool
) -> None:
    """Serve requests from standard input to standard output.

    Args:
        base: an empty folder of the harness's own.
        user: the user for programs, None to share this one.
        files: files that programs may read, by the path that they ask for.
        neighbours: how many programs may run beside one of its own, in other slots.
        namespaces: try namespaces first.
    """
    # The descriptors of a program's folders wait to be looked into: as many as it may have files.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= most < OPEN_FILES:
        reason = f"a program may open {OPEN_FILES} files, and a process only {most} here"
        _say({"unavailable": f"{reason}; allow more with `ulimit -n 4096`"})
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _OPEN_FILES), most))
    _go_before_the_worker()
    _warm_up(_WARM)
    if namespaces and walls.in_namespaces(base, user, files, _serve):
        return
    if user is not None and not _everybody_finds(os.__file__):
        _warm_up(_WARM_WHERE_UNREADABLE)
    try:
        plain = walls.plain(base, user, files, neighbours)
    except (walls.Unconfinable, OSError) as error:
        _say({"unavailable": str(error)})
        return
    _serve(plain)


def _warm_up(modules: str) -> None:
    """Import modules, and keep them out of the way of the garbage collection in children."""
    for name in modules.split():
        # A slim Python may lack one of them; a program that needs it then fails by itself.
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _everybody_finds(path: str) -> bool:
    """Whether all folders above a file let everybody through."""
    while path != "/":
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
    return True


def _go_before_the_worker() -> None:
    """Let the kernel end programs before the worker where the memory of both runs out."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "r+", encoding="ascii") as file:
        own = int(file.read())
        file.seek(0)
        file.write(str(min(_LAST, own + _EARLIER)))


def _serve(confinement: walls.Confinement) -> None:
    try:
        confinement = _prove(confinement)
    except walls.Unconfinable as error:
        _say({"unavailable": str(error)})
        return
    _say({"ready": "namespaces" if confinement.namespaces else "plain"})
    with os.fdopen(os.dup(0), "rb", buffering=0) as requests:
        # Programs inherit no way to the worker: the streams themselves are replaced in each child.
        while True:
            length = int(_exactly(requests, LENGTH_DIGITS, confinement) or b"0", 16)
            if not 0 < length <= _LONGEST_REQUEST:
                return
            read = _exactly(requests, length, confinement)
            if not read:
                return
            program = decode_program(read)
            # What is withheld is for the judge alone: answers' processes are forked from this one.
            if not program.withheld and not _exactly(requests, 1, confinement):
                return
            try:
                report, confinement = _judge(program, confinement, requests.fileno())
            except walls.Unconfinable as error:
                _say({"unavailable": str(error)})
                return
            _send(encode(report))


def _exactly(requests: io.FileIO, count: int, confinement: walls.Confinement) -> bytes:
    """So many bytes of the requests and none more; none where they end, or nobody waits."""
    data = b""
    while len(data) < count:
        ready = select.select([requests], [], [], 2.0)[0]
        part = requests.read(count - len(data)) if ready else None
        if part == b"" or confinement.orphaned:
            return b""
        data += part or b""
    return data


def _judge(
    program: Program, confinement: walls.Confinement, request: int | None = None
) -> tuple[Report, walls.Confinement]:
    """Run a program and remove what it left.

    Args:
        program: without what is withheld from this process.
        confinement: what it runs in.
        request: descriptor from where a judge reads that, None where the program has it.

    Returns:
        Its report, and the confinement for the next one: in another folder where something is left.

    Raises:
        Unconfinable: a process could not be contained.
    """
    try:
        report = item.run(program, confinement, request)
    finally:
        removed = folders.remove(confinement)
    return report, confinement if removed else walls.renewed(confinement)


def _prove(confinement: walls.Confinement) -> walls.Confinement:
    """Check that a program is contained and has no network; the confinement for the next one.

    Raises:
        Unconfinable: it is not.
    """
    try:
        report, confinement = _judge(
            PythonProgram("", _NETWORK_PROBE, "assert refused", Limits()), confinement
        )
    except OSError as error:
        raise walls.Unconfinable(str(error)) from error
    if report.status != "passed":
        raise walls.Unconfinable(
            f"a probe of the sandbox ended as {report.status} ({report.detail}); the kernel must"
            f" allow seccomp filters (machine {kernel.MACHINE})"
        )
    return confinement


def _say(message: dict[str, str]) -> None:
    _send(json.dumps(message).encode("ascii") + b"\n")


def _send(line: bytes) -> None:
    while line:
        line = line[os.write(1, line) :]


def start() -> None:
    """Entry point: ``base user neighbours namespaces modules files`` from the command line.

    The user is empty for none. The modules are those of the programs to come, each with the folder
    where it is found, as JSON; the last argument is a file that says in the same way which files
    they may read. Once the walls are up, no others can be reached.
    """
    base, user, neighbours, namespaces, modules, listing = sys.argv[1:7]
    with open(listing, encoding="ascii") as file:
        files = json.load(file)
    for name, folder in json.loads(modules).items():
        sys.path.insert(0, folder)
        try:
            importlib.import_module(name)
        except ImportError as error:
            _say({"unavailable": f"{name}: {error}; the sandbox has the standard library only"})
            return
        finally:
            sys.path.remove(folder)
    number = int(user) if user else None
    main(base, number, files, int(neighbours), namespaces=namespaces == "yes")
