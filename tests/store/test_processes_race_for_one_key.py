"""Of several processes that create one key at once, exactly one wins, and its content stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONTENDER = Path(__file__).with_name("contender.py")
SHARED = ["folder", *(pytest.param(name, marks=pytest.mark.s3) for name in ("versitygw", "minio"))]
NAMES = ("a", "b", "c", "d")
KEYS = [f"race/{number:03d}.json" for number in range(25)]


@pytest.mark.parametrize("backend", SHARED, indirect=True)
def test_one_process_wins_each_key(backend):
    endpoint = backend.settings.endpoint if backend.settings else "-"
    contenders = {
        name: subprocess.Popen(
            [sys.executable, str(CONTENDER), backend.uri, endpoint, name, *KEYS],
            env={**os.environ, **backend.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in NAMES
    }
    try:
        for process in contenders.values():
            assert process.stdout.readline() == "ready\n"
        for process in contenders.values():
            process.stdin.write("go\n")
            process.stdin.flush()
        wins = {
            name: json.loads(process.communicate(timeout=120)[0])
            for name, process in contenders.items()
        }
    finally:
        for process in contenders.values():
            process.kill()
            process.wait(10)
    assert sorted(key for keys in wins.values() for key in keys) == KEYS
    store = backend.make()
    for name, keys in wins.items():
        for key in keys:
            assert store.read(key) == (name * 4000).encode()
    assert list(store.list("race/")) == KEYS
