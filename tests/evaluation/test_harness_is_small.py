"""A harness holds nothing of the worker's: each program's processes would copy it by fork."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cycleqd

pytestmark = pytest.mark.timeout(120)

CODE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import cycleqd.evaluation.sandbox.harness.server
import cycleqd.evaluation.sandbox.harness.python_item
print(json.dumps(sorted(sys.modules)))
"""
OF_THE_WORKER = {
    "concurrent.futures",
    "cycleqd.evaluation.sandbox.container",
    "cycleqd.evaluation.sandbox.sandbox",
    "cycleqd.scratch.folder",
    "cycleqd.version",
    "email",
    "importlib.metadata",
    "logging",
    "socket",
    "subprocess",
    "tempfile",
    "zipfile",
}


def test_it_imports_nothing_that_only_a_worker_needs() -> None:
    source = Path(cycleqd.__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CODE, str(source)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert OF_THE_WORKER.isdisjoint(json.loads(ran.stdout))
