"""A shell program: its process becomes the shell."""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH119

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from cycleqd.evaluation.sandbox.programs import Ended, Report, ShellProgram

if TYPE_CHECKING:
    from cycleqd.evaluation.sandbox.harness.child import Ends

_SHELLS = ("/bin/bash", "/usr/bin/bash", "/bin/sh")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(program: ShellProgram, ends: Ends, folder: str, temporary: str) -> NoReturn:
    """Run the code by bash (sh where there is none) with a fixed, clean environment."""
    os.close(ends.report)
    os.close(ends.secret)
    shell = next((path for path in _SHELLS if os.access(path, os.X_OK)), None)
    if shell is None:
        os._exit(127)
    environment = {
        "PATH": _PATH,
        "HOME": folder,
        "PWD": folder,
        "TMPDIR": temporary,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "USER": "sandbox",
        "SHELL": shell,
    }
    options = ["--noprofile", "--norc"] if shell.endswith("bash") else []
    arguments = [os.path.basename(shell), *options, "-c", program.code]
    os.execve(shell, arguments, environment)  # noqa: S606  # running a shell is its purpose


def report(_program: ShellProgram, ended: Ended) -> Report:
    """What it printed and left; whatever its exit code is."""
    printed = ended.printed.decode("utf-8", "replace")
    return Report("passed", f"exit code {ended.code}", printed, ended.files)
