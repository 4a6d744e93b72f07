"""Reading a manifest, with every strategy and type of task, loads no numpy and no torch.

The contracts of imports cannot see it: the registry names these files as texts.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from cycleqd.manifest.registry import STRATEGIES, TASK_TYPES

HEAVY = ("boto3", "jinja2", "numpy", "safetensors", "torch", "transformers")
READ = f"""
import sys
import cycleqd.manifest.reader
from cycleqd.manifest.registry import STRATEGIES, TASK_TYPES
print(*STRATEGIES.names, *TASK_TYPES.names)
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""


@pytest.mark.parametrize("module", ["cycleqd.manifest.reader", "cycleqd_operator.main"])
def test_heavy_libraries_stay_out(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ.replace("cycleqd.manifest.reader", module)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    known, heavy = done.stdout.split("\n")[:2]
    assert known.split() == [*STRATEGIES.names, *TASK_TYPES.names]
    assert heavy == ""
