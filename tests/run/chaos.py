"""Kills coordinators and workers of a real run at random instants until it is complete.

As a script it prints the evidence::

    python -m tests.run.chaos manifests/examples/tiny.yaml --kills 25 --workers 3 \
        --store out/chaos --reference out/tiny
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cycleqd.store import ObjectStore, open_store
from cycleqd.store.access import settings_of

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "cycleqd.cli"]


@dataclass
class Chaos:
    """What was done to a run.

    Attributes:
        kills: SIGKILLs by role.
        starts: how often the command was given.
        seconds: until the run was complete.
    """

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    seconds: float = 0.0


def start(manifest: Path, store: str, workers: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *COMMAND,
            "run",
            str(manifest),
            "--store",
            store,
            "--workers",
            str(workers),
            "--share-gpus",
            "--no-report",
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def run_with_kills(
    manifest: Path,
    store: str,
    *,
    workers: int,
    kills: int,
    seed: int,
    longest_pause: float = 5.0,
    limit_seconds: float = 1500.0,
) -> Chaos:
    """Run until complete, killing a random process of the run at random instants.

    Raises:
        AssertionError: the command failed by itself, or the time limit was reached.
    """
    rng = random.Random(seed)
    chaos = Chaos()
    begin = time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    try:
        while True:
            if process is None:
                process = start(manifest, store, workers)
                chaos.starts += 1
            left = limit_seconds - (time.monotonic() - begin)
            assert left > 0, f"not complete after {limit_seconds} s: {chaos}"
            remaining = kills - chaos.kills.total()
            try:
                pause = rng.uniform(0.05, longest_pause) if remaining > 0 else left
                code = process.wait(pause)
            except subprocess.TimeoutExpired:
                chaos.kills[_kill_one(process, rng)] += 1
                if process.poll() == -signal.SIGKILL:
                    assert process.stderr is not None
                    process.stderr.close()
                    process = None
                continue
            stderr = process.communicate()[1].decode()
            assert code == 0, f"exit {code}: {stderr[-2000:]}"
            chaos.seconds = time.monotonic() - begin
            return chaos
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait(30)


def _kill_one(process: subprocess.Popen[bytes], rng: random.Random) -> str:
    """SIGKILL the coordinator or one of its workers; returns the role."""
    root = psutil.Process(process.pid)
    victims = [root, *root.children()]
    victim = rng.choice(victims)
    victim.kill()
    if victim.pid == process.pid:
        process.wait(30)
        return "coordinator"
    return "worker"


def contents(store: ObjectStore) -> dict[str, bytes]:
    """Everything that must not depend on kills.

    That is all but results, whose telemetry tells the time, and what a killed probe of the store
    could not delete: its name is random, and the next probe after an hour removes it.
    """
    return {
        key: store.read(key)
        for key in store.list("")
        if "/results/" not in key and not key.startswith(("report/", "probe/"))
    }


def differences(want: Mapping[str, bytes], found: Mapping[str, bytes]) -> list[str]:
    """A line for each object that differs, with the place; comparing the bytes shows megabytes."""
    lines = []
    for key in sorted(want.keys() | found.keys()):
        if key not in found or key not in want:
            lines.append(f"{key}: {'is missing' if key in want else 'nobody expects it'}")
        elif want[key] != found[key]:
            one, other = want[key], found[key]
            pairs = enumerate(zip(one, other, strict=False))
            place = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
            around = slice(max(0, place - 60), place + 60)
            lines.append(f"{key}: differs at byte {place}: {one[around]!r} {other[around]!r}")
    return lines


def assert_same(want: ObjectStore, found: ObjectStore) -> None:
    """Two runs left the same.

    Raises:
        AssertionError: with what differs, and what the workers of both say of it.
    """
    different = differences(contents(want), contents(found))
    if different:
        outcomes = [dict(_outcomes(store)) for store in (want, found)]
        different += [
            f"{key}: {outcomes[0][key]} {outcomes[1].get(key)}"
            for key in sorted(outcomes[0])
            if outcomes[0][key] != outcomes[1].get(key)
        ]
        raise AssertionError("\n".join(different))


def _outcomes(store: ObjectStore) -> Iterator[tuple[str, object]]:
    """By key of a result: what it says of the items."""
    for key in store.list(""):
        if "/results/" in key:
            yield key, json.loads(store.read(key)).get("outcomes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--store", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest-pause", type=float, default=5.0)
    arguments = parser.parse_args()
    chaos = run_with_kills(
        arguments.manifest,
        arguments.store,
        workers=arguments.workers,
        kills=arguments.kills,
        seed=arguments.seed,
        longest_pause=arguments.longest_pause,
    )
    want = contents(open_store(arguments.reference, settings_of()))
    found = contents(open_store(arguments.store, settings_of()))
    archives = [key for key in want if key.endswith("archive.json")]
    different = differences(want, found)
    print(
        f"{arguments.store}: {arguments.workers} workers, {dict(chaos.kills)} killed, "
        f"{chaos.starts} starts, {chaos.seconds:.0f} s; {len(archives)} archives and "
        f"{len(want) - len(archives)} other objects compared, {len(different)} differ"
    )
    for line in different[:10]:
        print(f"  {line}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
