"""Server processes: started with a log, waited for, stopped politely and then surely, or killed.

By default a server dies with the process that started it, however that ends, so tests leave nothing
behind. A server of `make cluster` outlives its command instead: its pid file says which process it
is (pid and start time, as pids are used again), and a later command attaches to it and stops it.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LAUNCHER = Path(__file__).with_name("die_with_parent.py")
START_SECONDS = 180.0
STOP_SECONDS = 10.0
# Below the range that outgoing connections use, so that a server that is down for a while finds its
# port free again.
PORTS = range(15_000, 32_000)


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as listener:
            try:
                listener.bind((address, port))
            except OSError:
                continue
            return port


class ServerProcess:
    """A running server in a process group of its own.

    Start it from a thread that lives as long as it shall: the kernel takes the end of the starting
    thread for the parent's.

    Attributes:
        command: program and arguments.
        env: its whole environment.
        log: file that its output is appended to.
        pid_file: given, the server outlives this process and can be found again by `attach`.
        process: the child, or what `attach` found.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        env: Mapping[str, str],
        log: Path,
        *,
        cwd: Path | None = None,
        pid_file: Path | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.env = dict(env)
        self.log = log
        self.cwd = cwd
        self.pid_file = pid_file
        self.process: psutil.Process = self._start()

    def _start(self) -> psutil.Process:
        launcher = [sys.executable, "-S", str(LAUNCHER), str(os.getpid())]
        with self.log.open("ab") as output:
            started = psutil.Popen(
                self.command if self.pid_file else [*launcher, *self.command],
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self.pid_file:
            self.pid_file.write_text(f"{started.pid} {started.create_time()}")
        return started

    def restart(self) -> None:
        """Start it again with the same command; it must have ended."""
        if self.running:
            raise RuntimeError(f"{self.command[0]} still runs")
        self.process = self._start()

    @property
    def running(self) -> bool:
        """Whether the process exists and is no zombie."""
        return is_running(self.process)

    def wait_until(self, ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait until `ready` holds.

        Raises:
            RuntimeError: the server ended or took too long; the message ends with its log.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise RuntimeError(f"{self.command[0]} ended early:\n{self.tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.command[0]} not ready in {seconds} s:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the whole group: politely, and surely after `seconds`."""
        end_group(self.process, seconds)
        if self.pid_file:
            self.pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the whole group at once, as a crash would."""
        end_group(self.process, 0)


def is_running(process: psutil.Process) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_group(process: psutil.Process, seconds: float) -> None:
    """End the process group that a process leads: SIGTERM, and SIGKILL after `seconds`."""
    signals = (signal.SIGTERM, signal.SIGKILL) if seconds > 0 else (signal.SIGKILL,)
    for number in signals:
        if not is_running(process):
            break
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        limit = seconds if number == signal.SIGTERM else STOP_SECONDS
        try:
            process.wait(limit)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            continue
    # What the leader left behind in its group goes too.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def attach(pid_file: Path) -> psutil.Process | None:
    """The process that a pid file names, or None when it is gone."""
    try:
        pid, started = pid_file.read_text().split()
        process = psutil.Process(int(pid))
        return process if abs(process.create_time() - float(started)) < 0.1 else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None


def end_by_pid_file(pid_file: Path, seconds: float = STOP_SECONDS) -> None:
    """Stop the server that a pid file names, if it still runs, and remove the file."""
    process = attach(pid_file)
    if process is not None:
        end_group(process, seconds)
    pid_file.unlink(missing_ok=True)
