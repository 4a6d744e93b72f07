"""vLLM answers for swapped experts and merges of the architectures that documents say it serves.

A process of its own starts the engines, since vLLM changes the process it runs in. Starting them is
slow, so one of each kind is tried; `CYCLEQD_TEST_EVERY_ARCHITECTURE=1` has all tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm")
pytest.importorskip("torch")

from tests.architectures import for_vllm
from tiny_models import plainly, save_merged, save_tiny

pytestmark = [pytest.mark.vllm, pytest.mark.runtime, pytest.mark.timeout(1800)]

HERE = Path(__file__).parent


def test_swapped_experts_and_merges_answer_as_they_do_by_themselves(tmp_path: Path) -> None:
    expected = {}
    for architecture in for_vllm():
        folder = tmp_path / architecture
        folder.mkdir()
        base = save_tiny(folder / "base", architecture, seed=1)
        experts = [
            save_tiny(folder / name, architecture, seed=seed)
            for seed, name in enumerate(("expert", "other"), 2)
        ]
        merged, _ = save_merged(folder / "merged", base, experts)
        expected[architecture] = [plainly(path) for path in (base, experts[0], merged)]
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "vllm_architectures.py"),
            *(str(tmp_path / a) for a in expected),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[1] / "runtime")},
        check=False,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = {}
    for line in done.stdout.splitlines():
        found |= json.loads(line)
    assert found == expected
