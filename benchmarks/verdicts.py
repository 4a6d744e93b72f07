"""Verdicts per second of the sandbox, and their processor time, by type of program.

    python benchmarks/verdicts.py [--items 200] [--repeats 3] [--slots 1] [--plain]

Prints one JSON object; the best of the repeats counts, for others may use the machine too. The
processor time is that of this process and of all below it, in milliseconds for each verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from cycleqd.evaluation.sandbox import Program, PythonProgram, Sandbox, ShellProgram, SqlProgram
from cycleqd.evaluation.sandbox.harness.killing import descendants

PROGRAMS: dict[str, Program] = {
    "python": PythonProgram(
        "import math",
        "def f(x):\n    return math.floor(x) + 1\n",
        "assert f(1.5) == 2\nassert f(-1.5) == -1\nassert f(0) == 1\n",
    ),
    "sql": SqlProgram(
        "CREATE TABLE t (n, name); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');",
        "SELECT name, n FROM t WHERE n > 1 ORDER BY n",
    ),
    "shell": ShellProgram({"a.txt": "1\n2\n3\n"}, "grep -c . a.txt > out; cat out", ("out",)),
}


def processor_seconds() -> float:
    """What this process and all below it, ended or not, have used."""
    ticks = 0
    for process in {os.getpid(), *descendants(os.getpid())}:
        try:
            line = Path(f"/proc/{process}/stat").read_text("ascii", "replace")
        except OSError:
            continue  # it ended meanwhile, and counts for its parent
        ticks += sum(map(int, line.rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def best(box: Sandbox, programs: Sequence[Program], repeats: int) -> dict[str, float]:
    """Verdicts per second, and milliseconds of processor time, of the best of some repeats."""
    rates, costs = [], []
    for _ in range(repeats):
        start, used = time.monotonic(), processor_seconds()
        reports = box.run(programs)
        rates.append(len(reports) / (time.monotonic() - start))
        costs.append((processor_seconds() - used) / len(reports) * 1000)
        if any(report.status != "passed" for report in reports):
            raise SystemExit("a program did not pass")
    return {"per_second": round(max(rates), 1), "processor_ms": round(min(costs), 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="without namespaces")
    given = parser.parse_args()
    with Sandbox(slots=given.slots, namespaces=not given.plain) as box:
        found: dict[str, object] = {"confinement": box.confinement, "slots": given.slots}
        for name, program in PROGRAMS.items():
            found[name] = best(box, [program] * given.items, given.repeats)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
