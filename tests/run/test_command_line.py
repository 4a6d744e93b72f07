"""The command line's promises: exit statuses, machine-readable output, help with examples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cycleqd.store import open_store
from tests.run.synthetic import begin, do_everything, manifest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "validate",
    "schema",
    "items check",
    "demo-experts",
    "fit-base",
    "run",
    "compare",
    "status",
    "history",
    "report",
    "list",
    "show",
    "export",
    "materialize",
    "push",
    "track",
    "verify",
)


def cycleqd(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cycleqd.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("store")
    do_everything(begin(open_store(str(folder)), manifest()))
    return str(folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    done = cycleqd(*command.split(), "--help")
    assert done.returncode == 0
    assert f"Example: cycleqd {command}" in done.stdout


def test_valid_manifests_pass() -> None:
    for name in ("tiny", "quickstart"):
        done = cycleqd("validate", f"manifests/examples/{name}.yaml")
        assert done.returncode == 0, done.stderr


def test_problems_are_lines_that_begin_with_the_path(tmp_path: Path) -> None:
    text = (ROOT / "manifests/examples/tiny.yaml").read_text()
    bad = tmp_path / "bad.yaml"
    bad.write_text(text.replace("name: python\n", "name: Python!\n").replace("seed: 1", "seed: -1"))
    done = cycleqd("validate", str(bad))
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["spec.seed", "spec.tasks[1].name"]


def test_status_has_the_promised_fields(store: str) -> None:
    document = json.loads(cycleqd("status", store, "--json").stdout)
    assert set(document) == {
        "runId",
        "revision",
        "generation",
        "generations",
        "evaluations",
        "failed",
        "stopped",
        "complete",
        "goalReached",
        "revisiting",
        "coverage",
        "qdScore",
        "best",
    }
    assert document["complete"] is True
    assert document["generation"] == document["generations"] == 6
    assert document["evaluations"] == 27
    assert set(document["best"]) == {"sql", "python", "shell"}


def test_list_names_every_member(store: str) -> None:
    rows = json.loads(cycleqd("list", store, "--json").stdout)
    archive = json.loads((Path(store) / "generations/000006/archive.json").read_text())
    assert len(rows) == sum(len(a["members"]) for a in archive["archives"].values())
    assert all(set(row) == {"task", "candidate", "cell", "scores"} for row in rows)


def test_show_tells_the_parents(store: str) -> None:
    document = json.loads(cycleqd("show", store, "c000004", "--json").stdout)
    assert len(document["parents"]) == 2
    assert document["generation"] == 2
    assert set(document["meanScale"]) == {"sql", "python", "shell"}


def test_a_wrong_member_is_explained(store: str) -> None:
    done = cycleqd("show", store, "c999999")
    assert done.returncode == 78
    assert "no such candidate" in done.stderr


def test_a_store_without_a_run_is_explained(tmp_path: Path) -> None:
    done = cycleqd("status", str(tmp_path))
    assert done.returncode == 78
    assert "holds no run" in done.stderr


def test_verify_passes_and_fails(store: str, tmp_path: Path) -> None:
    assert cycleqd("verify", store, "--no-weights").returncode == 0
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", store, str(copy)], check=True)
    (copy / "generations/000004/archive.json").write_text("{}")
    done = cycleqd("verify", str(copy), "--no-weights")
    assert done.returncode in {1, 74}
    assert "generations/000004/archive.json" in done.stderr


def test_an_unreachable_store_has_its_own_status(tmp_path: Path) -> None:
    done = cycleqd(
        "--s3-endpoint",
        "http://127.0.0.1:9",
        "status",
        "s3://bucket/run",
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret-value",
        HOME=str(tmp_path),
    )
    assert done.returncode == 75, done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "secret-value" not in done.stderr + done.stdout


def test_reading_commands_import_no_torch(store: str) -> None:
    script = (
        "import sys; sys.argv = ['cycleqd', 'status', sys.argv[1]]\n"
        "from cycleqd.cli import app\n"
        "app(standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, store], check=True, timeout=60, cwd=ROOT)
