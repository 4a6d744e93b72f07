"""What each attack on the sandbox gets, by what contains it.

    python -m benchmarks.attacks [--pod NAMESPACE/NAME]

Makes the attacks that the tests know (`tests.evaluation.attacks`) as root and as an unprivileged
user, with and without namespaces, and with `--pod` in a running worker's pod of the cluster that
`KUBECONFIG` names. Prints a table of how each ended: `passed` where it was refused and went on,
`failed`, `timeout` and `limit` where it was ended. A `!` marks one that reached something or
harmed the next program. Run it as root.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from devcluster.base.cluster import Cluster
from tests.evaluation.other_users import python_of
from tests.nodes.pod_attacks import attack_in

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "tests" / "evaluation" / "run_attacks.py"
SECONDS = 900
NOBODY = 65534
WIDTH = 54

Found = dict[str, Any]


def main() -> None:
    """Make the attacks and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pod", metavar="NAMESPACE/NAME", help="of a worker that runs")
    given = parser.parse_args()
    columns = {
        "root, namespaces": _here("namespaces", 0),
        "root, plain": _here("plain", 0),
        "user, namespaces": _here("namespaces", NOBODY),
        "user, plain": _here("plain", NOBODY),
    }
    if given.pod:
        namespace, _, name = given.pod.partition("/")
        columns["pod"] = attack_in(Cluster(Path(os.environ["KUBECONFIG"])), namespace, name)
    _tell(columns)


def _here(mode: str, user: int) -> Found:
    """Make the attacks on this machine.

    Args:
        mode: ``namespaces`` or ``plain``.
        user: number of the user who is the worker.
    """
    folder = Path(tempfile.mkdtemp(prefix="cycleqd-attacks-"))
    os.chown(folder, user, user)
    folder.chmod(0o755)  # programs have another user than root
    python = python_of(user) if user else [sys.executable]
    try:
        done = subprocess.run(
            [*python, str(PROGRAM), mode],
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(ROOT / "runtime"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": str(folder),
                "ANY_SECRET": "must not be seen",
            },
            stdout=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    finally:
        shutil.rmtree(folder)
    found: Found = json.loads(done.stdout)
    if found["confinement"] != mode:
        raise SystemExit(f"this machine gives {found['confinement']} where {mode} was asked for")
    return found


def _tell(columns: dict[str, Found]) -> None:
    head = "".join(f"{column:18}" for column in columns)
    print(f"{'':{WIDTH}}{head}".rstrip())
    for name in next(iter(columns.values()))["statuses"]:
        cells = [
            found["statuses"][name] + ("!" if any(name in each for each in found["wrong"]) else "")
            for found in columns.values()
        ]
        line = "".join(f"{cell:18}" for cell in cells)
        print(f"{name:{WIDTH}}{line}".rstrip())
    print()
    for column, found in columns.items():
        flaws = [*found["wrong"], *found["traces"]]
        print(f"{column}: {len(found['statuses'])} attacks; flaws: {', '.join(flaws) or 'none'}")


if __name__ == "__main__":
    main()
