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
    PYTHON_ATTACKS,
    SHELL_ATTACKS,
    traces,
)

from cycleqd.evaluation.sandbox import PythonProgram, Sandbox, ShellProgram, SqlProgram


def on_a_file() -> list[SqlProgram]:
    """Programs that read and change a database file of this user's."""
    file = Path(tempfile.mkdtemp()) / "numbers.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript("CREATE TABLE numbers (n); INSERT INTO numbers VALUES (7);")
    connection.close()
    file.chmod(0o600)
    code = ("SELECT n FROM numbers", "DELETE FROM numbers; SELECT 1")
    return [SqlProgram("", text, file=str(file)) for text in code]


def main() -> None:
    names = [*PYTHON_ATTACKS, *SHELL_ATTACKS]
    attacks = [*PYTHON_ATTACKS.values(), *SHELL_ATTACKS.values()]
    programs = [attack.program(os.getpid()) for attack in attacks]
    innocent = PythonProgram("", "def f(): return 1", "assert f() == 1")
    with Sandbox(namespaces=sys.argv[1] == "namespaces", slots=2) as box:
        confinement = box.confinement
        reports = box.run([program for each in programs for program in (each, innocent)])
        (shut,) = box.run([ShellProgram({}, "echo text > x; chmod 000 x . ..", ("x",))])
        programs = on_a_file()
        reading, writing = box.run(programs)
        shutil.rmtree(Path(str(programs[0].file)).parent)
    wrong = [
        f"{name}: {report.status} {report.detail} {report.stdout[:200]}"
        for name, attack, report in zip(names, attacks, reports[::2], strict=True)
        if report.status not in attack.allowed or "LOOT" in report.stdout
    ]
    wrong += [
        f"harmless program after {name}: {report}"
        for name, report in zip(names, reports[1::2], strict=True)
        if report.status != "passed"
    ]
    if shut.files != {"x": "text\n"}:
        wrong.append(f"what a program has shut is not read back: {shut}")
    if (reading.rows, writing.status) != (((7,),), "failed"):
        wrong.append(f"a database in a file: {reading} {writing}")
    found = {
        "user": os.getuid(),
        "confinement": confinement,
        "wrong": wrong,
        "traces": traces(),
        "left": [path.name for path in Path(tempfile.gettempdir()).iterdir()],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
