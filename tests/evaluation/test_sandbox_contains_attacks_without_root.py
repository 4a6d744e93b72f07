"""An unprivileged worker contains the same attacks: by user namespaces, and by Landlock alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from devcluster.base.locks import held
from other_users import python_of
from tests.sharing import shared_folder

pytestmark = pytest.mark.timeout(500)

WAIT_SECONDS = 250
HERE = Path(__file__).parent


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder of the unprivileged user's own: its programs can shut it."""
    folder = Path(tempfile.mkdtemp(prefix="cycleqd-attacks-"))
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One at a time: the kernel counts the processes of a user together, and attacks multiply."""
    with held(shared_folder(tmp_path_factory) / "attacks.lock", WAIT_SECONDS):
        yield


# Version 1 is that of Linux 5.13, 2 of 5.19, 5 of 6.10: those before 6.12 have no say in signals.
@pytest.mark.parametrize("mode", ["namespaces", "plain", "plain 1", "plain 5"])
def test_attacks_get_nothing(mode: str, temporary: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(HERE.parents[1] / "runtime"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(temporary),
        "AWS_SECRET_ACCESS_KEY": "must not be seen",
    }
    done = subprocess.run(
        [*python_of(), str(HERE / "run_attacks.py"), *mode.split()],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    if "SandboxUnavailable" in done.stderr:
        # Refusing is right where the kernel has neither; the message must say what to change.
        assert "lsm=landlock" in done.stderr
        pytest.skip("this machine contains nothing without root")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["user"] != 0
    assert found["wrong"] == []
    assert found["traces"] == []
    assert found["left"] == []
    if not mode.startswith(found["confinement"]):
        pytest.skip(f"this machine gives {found['confinement']} only")
