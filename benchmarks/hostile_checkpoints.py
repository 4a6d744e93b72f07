"""Hostile checkpoints before the door: what each is told, how long that takes, how much memory.

    python -m benchmarks.hostile_checkpoints [--only WORD] [--limit 300]

Every case is a run whose base or expert is hostile, made of the cases that the tests know
(`tests.weights.wrong`, `tests.weights.programs`). `cycleqd run` admits it, in a process of its own
that ends where the first generation would begin; whoever is asked there answers "y". Seconds are
of computing, for others may use the machine too; memory is what the process or a child of it takes
beyond what it was born with, the libraries imported. Prints a table, and what would be flaws:
faults, code of a checkpoint that ran, too much time or memory.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.checkpoints import family
from tests.run.hostile_checkpoints import CASES, Case, lay_out
from tests.weights.programs import MARK

from cycleqd.contract.variables import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable

LONG, LARGE = 10.0, 500.0
"""Seconds and megabytes beyond the honest expert's that are too much."""


@dataclass(frozen=True)
class Outcome:
    """How an admission ended.

    Attributes:
        status: its exit status, or ``killed``.
        message: its last line.
        seconds: of computing it took, its children included.
        megabytes: at its peak, beyond those at its start.
        ran: whether code of the checkpoint ran.
    """

    status: str
    message: str
    seconds: float
    megabytes: float
    ran: bool

    @property
    def faulty(self) -> bool:
        """Whether it ended as no command should."""
        words = ("Traceback", "a fault in cycleqd", "not enough memory")
        return self.status not in ("0", "78") or any(word in self.message for word in words)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--limit", type=float, default=300, help="seconds until one is killed")
    given = parser.parse_args()
    _import_all()
    found: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder, "good")
        family(good / "models", experts=("good", "hostile"))
        for case in CASES:
            if case.honest or given.only in case.name:
                found[case.name] = outcome = _tried(case, good, Path(folder, "case"), given.limit)
                print(_line(case.name, outcome), flush=True)
    _summarise(found)


def _tried(case: Case, good: Path, place: Path, limit: float) -> Outcome:
    shutil.copytree(good, place)
    try:
        _in_child(lambda: lay_out(case, place))
        return _admitted(place, limit)
    finally:
        shutil.rmtree(place)


def _in_child(act: Callable[[], object]) -> None:
    """Act where it leaves no memory behind."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit("a case could not be made")


def _admitted(place: Path, limit: float) -> Outcome:
    log = place / "log"
    child = os.fork()
    if child == 0:
        _admit(place, log)
    end = time.monotonic() + limit
    start = peak = _peak(child)
    status = None
    while status is None:
        peak = max(peak, _peak(child))
        done, code, usage = os.wait4(child, os.WNOHANG)
        if done:
            status = str(os.waitstatus_to_exitcode(code))
        elif time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
            status = "killed"
        else:
            time.sleep(0.005)
    seconds = usage.ru_utime + usage.ru_stime
    with suppress(ProcessLookupError):  # what it left behind
        os.killpg(child, signal.SIGKILL)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line]
    message = lines[-1].replace(f"{place}/", "") if lines else ""
    return Outcome(status, message, seconds, peak - start, (place / "models" / MARK).exists())


def _admit(place: Path, log: Path) -> None:
    """Be the command; does not return."""
    from cycleqd.api.evolving import Prepared
    from cycleqd.cli.ending import run_command

    def admitted(*_: object, **__: object) -> None:
        os.write(2, b"admitted\n")
        os._exit(0)

    os.setpgid(0, 0)
    written = os.open(log, os.O_WRONLY | os.O_CREAT)
    read, answers = os.pipe()
    os.write(answers, b"y\n" * 100)
    os.close(answers)
    for standard, file in ((0, read), (1, written), (2, written)):
        os.dup2(file, standard)
    Prepared.evolve = admitted  # type: ignore[method-assign]
    os.chdir(place)
    os.environ[CACHE] = str(place / "cache")
    os._exit(run_command(["run", "run.json", "--store", "store", "--workers", "1"]))


def _peak(process: int) -> float:
    """Megabytes that a process, or one of its children, ever had."""
    found = 0.0
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                found = int(line.split()[1]) / 1024
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            found = max(found, _peak(int(child)))
    return found


def _import_all() -> None:
    """Import what an admission needs, so that no case is told apart by that."""
    for module in ("cycleqd.cli", "cycleqd.evaluation.prompts_fit", "cycleqd.weights.check"):
        importlib.import_module(module)
    # Libraries that import their parts when these are asked for.
    for name in ("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer", "LlamaForCausalLM"):
        getattr(importlib.import_module("transformers"), name)


def _line(name: str, outcome: Outcome) -> str:
    message = outcome.message.encode("unicode_escape").decode()
    message = message if len(message) <= 150 else f"{message[:147]}..."
    ran = " RAN ITS CODE" if outcome.ran else ""
    return (
        f"{name:50.50} {outcome.status:>6} {outcome.seconds:6.2f} s {outcome.megabytes:6.0f} MiB  "
        f"{message}{ran}"
    )


def _summarise(found: dict[str, Outcome]) -> None:
    honest = [found[case.name] for case in CASES if case.honest]
    seconds = max(outcome.seconds for outcome in honest)
    megabytes = max(outcome.megabytes for outcome in honest)
    hostile = {case.name: found[case.name] for case in CASES if case.name in found}
    for case in CASES:
        if case.honest:
            del hostile[case.name]
    counts = {
        "refused": [n for n, o in hostile.items() if o.status == "78"],
        "admitted": [n for n, o in hostile.items() if o.status == "0"],
        "faults": [n for n, o in hostile.items() if o.faulty],
        "ran code of the checkpoint": [n for n, o in hostile.items() if o.ran],
        f"{LONG:.0f} s slower than the honest": [
            n for n, o in hostile.items() if o.seconds > seconds + LONG
        ],
        f"{LARGE:.0f} MiB above the honest": [
            n for n, o in hostile.items() if o.megabytes > megabytes + LARGE
        ],
    }
    print(f"\n{len(hostile)} hostile checkpoints; honest: {seconds:.2f} s, {megabytes:.0f} MiB")
    for what, names in counts.items():
        named = "" if what == "refused" else f"  {', '.join(names)}"
        print(f"{len(names):4} {what}{named}")
    if any(o.faulty or o.ran for o in hostile.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
