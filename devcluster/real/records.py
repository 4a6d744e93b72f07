"""Server processes that outlive the command that started them, written down to be found again.

For each there is a JSON file with all that starting it takes, so that a later command, or a test,
can end it, kill it as a crash would, and start the very same again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.base.processes import ServerProcess, attach, end_group, is_running
from devcluster.real.layout import home

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STOP_SECONDS = 10.0
# Python warns about a child that is forgotten while it runs, which these do on purpose, and about
# one whose end it has not seen.
_started: list[ServerProcess] = []


@dataclass(frozen=True)
class Record:
    """One server of the cluster.

    Attributes:
        name: of the server, and of its files.
        command: program and arguments.
        env: its whole environment.
        log: where it writes.
    """

    name: str
    command: tuple[str, ...]
    env: dict[str, str]
    log: str

    @property
    def pid_file(self) -> Path:
        """Says which process it is."""
        return _folder() / f"{self.name}.pid"

    @property
    def pid(self) -> int | None:
        """Its process, None where it does not run."""
        process = attach(self.pid_file)
        return process.pid if process is not None and is_running(process) else None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.pid is None:
            Path(self.log).parent.mkdir(parents=True, exist_ok=True)
            server = ServerProcess(self.command, self.env, Path(self.log), pid_file=self.pid_file)
            _started.append(server)

    def end(self, seconds: float = STOP_SECONDS) -> None:
        """End it and its process group: politely, and surely after `seconds`; 0 is a crash."""
        process = attach(self.pid_file)
        if process is not None:
            own = next((s.process for s in _started if s.process == process), process)
            end_group(own, seconds)
        self.pid_file.unlink(missing_ok=True)

    def tail(self) -> str:
        """The end of its log."""
        log = Path(self.log)
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""


def write(name: str, command: Sequence[str | Path], env: Mapping[str, str], log: Path) -> Record:
    """Write a server down; it is not started."""
    record = Record(name, tuple(str(part) for part in command), dict(env), str(log))
    _folder().mkdir(parents=True, exist_ok=True)
    file = _folder() / f"{name}.json"
    file.touch(0o600)
    file.write_text(json.dumps(asdict(record)))
    return record


def adopt(name: str, server: ServerProcess) -> Record:
    """Write down a server that runs already and has a pid file of its own."""
    record = write(name, server.command, server.env, server.log)
    assert server.pid_file is not None
    record.pid_file.write_text(server.pid_file.read_text())
    return record


def read(name: str) -> Record:
    """Read what was written down.

    Raises:
        FileNotFoundError: the cluster has no such server.
    """
    document = json.loads((_folder() / f"{name}.json").read_text())
    return Record(document["name"], tuple(document["command"]), document["env"], document["log"])


def names() -> list[str]:
    """All servers that were written down, the oldest first."""
    files = sorted(_folder().glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    return [file.stem for file in files]


def _folder() -> Path:
    return home() / "servers"
