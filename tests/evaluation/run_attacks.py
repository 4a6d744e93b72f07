"""Run all attacks as whoever runs this script; prints one JSON object.

Standard library and cycleqd only, so that any Python of the machine can run it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from attacks import (  # type: ignore[import-not-found]  # found by the path above
    named,
    traces,
)
from cycleqd.evaluation.sandbox import PythonProgram, Sandbox, ShellProgram, SqlProgram
from cycleqd.evaluation.sandbox import harness_process as module


def on_a_file() -> list[SqlProgram]:
    """Programs that read and change a database file of this user's."""
    file = Path(tempfile.mkdtemp()) / "numbers.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript("CREATE TABLE numbers (n); INSERT INTO numbers VALUES (7);")
    connection.close()
    file.chmod(0o600)
    code = ("SELECT n FROM numbers", "DELETE FROM numbers; SELECT 1")
    return [SqlProgram("", text, file=str(file)) for text in code]


def cutting(path: str) -> list[ShellProgram | PythonProgram]:
    """Programs that cut off a file of this user's."""
    code = (
        "import os\n"
        f"path = {path!r}\n"
        "for cut in (lambda: os.truncate(path, 0), lambda: os.open(path, os.O_TRUNC),\n"
        "            lambda: open(path, 'w')):\n"
        "    try: cut()\n"
        "    except OSError: pass\n"
    )
    return [PythonProgram("", code, ""), ShellProgram({"cut.py": code}, "python3 cut.py")]


def on_an_older_kernel(version: int) -> None:
    """Let harnesses take the kernel's Landlock for one of an earlier version."""
    module._START = module._START.replace(
        "server.start()",
        "from cycleqd.evaluation.sandbox.harness import landlock;"
        f" landlock.abi = lambda: {version}; server.start()",
    )


def main() -> None:
    if len(sys.argv) > 2:
        on_an_older_kernel(int(sys.argv[2]))
    attacks = named()
    programs = [attack.program(os.getpid()) for attack in attacks.values()]
    innocent = PythonProgram("", "def f(): return 1", "assert f() == 1")
    with Sandbox(namespaces=sys.argv[1] == "namespaces", slots=2) as box:
        confinement = box.confinement
        reports = box.run([program for each in programs for program in (each, innocent)])
        (shut,) = box.run([ShellProgram({}, "echo text > x; chmod 000 x . ..", ("x",))])
        programs = on_a_file()
        reading, writing = box.run(programs)
        shutil.rmtree(Path(str(programs[0].file)).parent)
        precious = Path(tempfile.gettempdir()) / "precious"
        precious.write_text("text")
        box.run(cutting(str(precious)))
        kept = precious.read_text()
        precious.unlink()
    wrong = [
        f"{name}: {report.status} {report.detail} {report.stdout[:200]}"
        for (name, attack), report in zip(attacks.items(), reports[::2], strict=True)
        if report.status not in attack.allowed or "LOOT" in report.stdout
    ]
    wrong += [
        f"harmless program after {name}: {report}"
        for name, report in zip(attacks, reports[1::2], strict=True)
        if report.status != "passed"
    ]
    if kept != "text":
        wrong.append("a file of the worker's was cut off")
    if shut.files != {"x": "text\n"}:
        wrong.append(f"what a program has shut is not read back: {shut}")
    if (reading.rows, writing.status) != (((7,),), "failed"):
        wrong.append(f"a database in a file: {reading} {writing}")
    found = {
        "user": os.getuid(),
        "confinement": confinement,
        "statuses": dict(zip(attacks, [report.status for report in reports[::2]], strict=True)),
        "wrong": wrong,
        "traces": traces(),
        "left": [path.name for path in Path(tempfile.gettempdir()).iterdir()],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
