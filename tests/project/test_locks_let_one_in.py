"""A lock lets one process in at a time, ends its waiting, and goes with a killed process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from devcluster.base.locks import held

from .repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, time
from pathlib import Path
from devcluster.base.locks import held
with held(Path(sys.argv[1]), 5):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_waits_and_a_kill_lets_it_in(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(TimeoutError, match="over 1 s"), held(path, 1):
                pass
        finally:
            holder.kill()
    with held(path, 20):
        assert path.exists()
