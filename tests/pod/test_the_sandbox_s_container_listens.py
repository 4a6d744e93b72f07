"""``cycleqd pod sandbox`` listens at its socket until SIGTERM, and says why where it cannot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cycleqd.evaluation.sandbox import Container, PythonProgram, Sandbox

pytestmark = pytest.mark.timeout(120)

COMMAND = [sys.executable, "-m", "cycleqd.cli", "pod", "sandbox"]


def test_programs_run_there_until_sigterm() -> None:
    with tempfile.TemporaryDirectory(prefix="cycleqd-") as folder:
        path = Path(folder) / "s"
        environment = {"PATH": os.environ["PATH"], "TMPDIR": folder, "CYCLEQD_SANDBOX": str(path)}
        with subprocess.Popen(COMMAND, env=environment) as process:
            try:
                with Sandbox(container=Container(path, Path(folder))) as box:
                    (report,) = box.run([PythonProgram("", "x = 1", "assert x == 1")])
                    assert (box.confinement, report.status) == ("container", "passed")
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(30) == 128 + signal.SIGTERM
            finally:
                process.kill()
        assert [found.name for found in Path(folder).iterdir()] == ["s"]


def test_a_place_where_nobody_can_listen_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none" / "s"
    log = tmp_path / "log"
    environment = {"CYCLEQD_SANDBOX": str(path), "CYCLEQD_TERMINATION_LOG": str(log)}
    done = subprocess.run(
        COMMAND,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 65, done.stderr
    assert "cannot listen there" in json.loads(log.read_text())["message"]


def test_it_is_up_without_the_libraries_of_a_worker() -> None:
    code = (
        "import sys; import cycleqd.pod.sandbox;"
        " print({'torch', 'numpy', 'boto3'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "set()\n", done.stderr
