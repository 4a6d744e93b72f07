"""Verdicts per second of the sandbox, by type of program.

    python benchmarks/verdicts.py [--items 200] [--repeats 3] [--slots 1] [--plain]

Prints one JSON object; the best of the repeats counts, for others may use the machine too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

from cycleqd.evaluation.sandbox import Program, PythonProgram, Sandbox, ShellProgram, SqlProgram

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


def best(box: Sandbox, programs: Sequence[Program], repeats: int) -> float:
    """Verdicts per second of the quickest of some repeats."""
    rates = []
    for _ in range(repeats):
        start = time.monotonic()
        reports = box.run(programs)
        rates.append(len(reports) / (time.monotonic() - start))
        if any(report.status != "passed" for report in reports):
            raise SystemExit("a program did not pass")
    return round(max(rates), 1)


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
