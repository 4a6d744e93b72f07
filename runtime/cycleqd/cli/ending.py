"""How a command ends: a sentence on standard error and an exit status, whatever happened."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import typer

from cycleqd.cli.app import app
from cycleqd.cli.console import log_to_stderr, print_note, whole_output
from cycleqd.errors import CycleQDError, DatasetError, InputError, ManifestError, StoreError
from cycleqd.store.localfile import remedy_of, store_error

TRACEBACK = "CYCLEQD_TRACEBACK"
"""Variable that, set to anything, shows where in the code an error arose."""


@runtime_checkable
class _WrongUsage(Protocol):
    """What typer raises for arguments that do not fit; it does not export the class."""

    exit_code: int

    def format_message(self) -> str: ...


def main() -> None:
    """Entry point of the ``cycleqd`` command."""
    log_to_stderr(logging.WARNING)
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit status, and has said why where that is not 0."""
    try:
        with whole_output():
            return app(arguments, standalone_mode=False) or 0
    except typer.Abort:
        print_note("stopped")
        return 130
    except Exception as error:  # noqa: BLE001 - the last one to tell
        if os.environ.get(TRACEBACK):
            for line in traceback.format_exc().splitlines():
                print_note(line)
        return _told(error)


def _told(error: Exception) -> int:
    """Say in a sentence what ended the command; returns the exit status."""
    if isinstance(error, _WrongUsage):
        return _told_usage(error)
    if isinstance(error, OSError):
        error = _of_machine(error)
    if isinstance(error, InputError) and (problems := _problems(error)):
        for problem in problems:
            print_note(problem)
        return error.exit_code
    if isinstance(error, DatasetError):
        for problem in error.problems:
            print_note(f"error: {problem}")
        return error.exit_code
    if isinstance(error, CycleQDError):
        print_note(f"error: {_with_remedy(error)}")
        return error.exit_code
    if isinstance(error, MemoryError):
        print_note("error: not enough memory for this; is a file far larger than it should be?")
        return StoreError.exit_code
    print_note(
        f"error: a fault in cycleqd, {type(error).__name__}: {error}; please report it with what "
        f"{TRACEBACK}=1 prints before this line"
    )
    return CycleQDError.exit_code


def _problems(error: InputError) -> Sequence[str]:
    """Problems of which each begins with the manifest's field; none where there is no field."""
    if isinstance(error, ManifestError):
        return error.problems
    lines = str(error).splitlines()
    return lines if all(line.startswith("spec.") for line in lines) else ()


def _with_remedy(error: CycleQDError) -> str:
    """The message, with what helps against the trouble of the machine that caused it, if any."""
    message = str(error)
    remedy = remedy_of(error.__cause__) if isinstance(error.__cause__, OSError) else None
    return message if remedy is None or remedy in message else f"{message}; {remedy}"


def _of_machine(error: OSError) -> StoreError:
    places = [
        os.fsdecode(p) for p in (error.filename, error.filename2) if isinstance(p, str | bytes)
    ]
    return store_error(" and ".join(places) or "this machine", error)


def _told_usage(error: _WrongUsage) -> int:
    message = error.format_message().removesuffix(".")
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ != "NoArgsIsHelpError":
        print_note(" ".join(context.get_usage().split()))
        message += f"; `{context.command_path} --help` says more"
    if message:
        print_note(f"error: {message}")
    return error.exit_code
