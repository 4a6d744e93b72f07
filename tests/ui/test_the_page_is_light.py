"""The command serves every page where nothing but the extra ``ui`` is installed: no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.ui.prefix import folder

HEAVY = ("torch", "transformers", "vllm", "matplotlib", "mlflow", "kubernetes", "pyarrow")

WITHOUT = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from cycleqd.cli import main
main()
"""
PAGES = (
    "/",
    "/runs/done",
    "/runs/half",
    "/runs/team:grown/archives/sql?x=2&y=0",
    "/runs/done/members/c000003",
    "/compare?run=done&run=half",
    "/api/runs",
    "/api/runs/team:grown",
    "/static/style.css",
)


@pytest.mark.timeout(120)
def test_pages_are_served_without_torch_and_drawing(tmp_path: Path) -> None:
    folder(tmp_path)
    command = [sys.executable, "-c", WITHOUT, "ui", str(tmp_path), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        told = process.stderr.readline()
        assert told.startswith("http://"), told + process.stderr.read()
        url = told.split()[0].rstrip("/")
        for page in PAGES:
            with urlopen(url + page, timeout=60) as answer:
                assert answer.status == 200
                assert answer.read()
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()
