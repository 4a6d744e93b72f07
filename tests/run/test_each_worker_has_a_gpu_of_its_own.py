"""Each local worker is shown one GPU, its own unless the user lets workers share."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cycleqd.api import evolving as command
from cycleqd.cli import app
from cycleqd.errors import CycleQDError, InputError
from cycleqd.records import keys
from cycleqd.roles.gpu_detection import nvidia_gpus
from cycleqd.roles.gpus import VISIBLE_DEVICES, assign, check_memory, listed, visible
from cycleqd.roles.local import LocalRunner
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from tests.run.synthetic import SKILLS, begin, canonical_text, manifest

TWO = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-7f57f032-34ab-a064-c37c-7a4f75601cc5)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-8c7c9c30-f12f-20bf-e14e-d3c4c965af32)
"""
SPLIT = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-7f57f032-34ab-a064-c37c-7a4f75601cc5)
  MIG 2g.20gb     Device  0: (UUID: MIG-377e0049-554c-540b-93c6-d0976f8426cb)
  MIG 1g.10gb     Device  1: (UUID: MIG-f39aa248-6f1b-5769-b119-8d650bb34b27)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-8c7c9c30-f12f-20bf-e14e-d3c4c965af32)
"""
INSTANCES = (
    "MIG-377e0049-554c-540b-93c6-d0976f8426cb",
    "MIG-f39aa248-6f1b-5769-b119-8d650bb34b27",
    "GPU-8c7c9c30-f12f-20bf-e14e-d3c4c965af32",
)


@pytest.mark.parametrize(
    ("listing", "devices"),
    [
        (TWO, ("0", "1")),
        (SPLIT, INSTANCES),
        ("No devices found.\n", ()),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", ()),
        ("", ()),
    ],
)
def test_what_the_tool_lists(listing: str, devices: tuple[str, ...]) -> None:
    assert listed(listing) == devices


@pytest.mark.parametrize(
    ("chosen", "devices"),
    [
        (None, ("0", "1", "2", "3")),
        ("2,0", ("2", "0")),
        (" 1 , 3 ", ("1", "3")),
        ("1,1", ("1",)),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("1,-1,2", ("1",)),
        ("3,4,0", ("3",)),
        ("GPU-8c7c9c30,GPU-7f57f032", ("GPU-8c7c9c30", "GPU-7f57f032")),
        ("MIG-377e0049-554c", ("MIG-377e0049-554c",)),
        ("MIG-GPU-8932f937/1/2", ("MIG-GPU-8932f937/1/2",)),
    ],
)
def test_the_user_s_list_is_read_as_cuda_reads_it(
    chosen: str | None, devices: tuple[str, ...]
) -> None:
    assert visible(("0", "1", "2", "3"), chosen) == devices


def test_a_list_on_a_machine_without_gpus_means_nothing() -> None:
    assert visible((), "0,1") == ()


@pytest.mark.parametrize(
    ("workers", "gpus", "share", "assigned"),
    [
        (2, ("0", "1"), False, ("0", "1")),
        (2, ("3", "1", "2"), False, ("3", "1")),
        (3, INSTANCES, False, INSTANCES),
        (5, ("0", "1"), True, ("0", "1", "0", "1", "0")),
        (2, ("0", "1", "2"), True, ("0", "1")),
        (64, (), False, ()),
    ],
)
def test_who_gets_which(
    workers: int, gpus: tuple[str, ...], share: bool, assigned: tuple[str, ...]
) -> None:
    assert assign(workers, gpus, field="--workers", share=share) == assigned


@pytest.mark.parametrize("field", ["--workers", "spec.workers.replicas"])
def test_too_many_workers_are_refused(field: str) -> None:
    with pytest.raises(InputError) as caught:
        assign(3, ("0", "2"), field=field, share=False)
    message = str(caught.value)
    assert message.startswith(f"{field}: 3 workers need a GPU each, and there are 2 (0, 2); ")
    assert {"--workers 2", "--share-gpus"} <= set(re.findall(r"--[a-z-]+(?: \d)?", message))
    assert VISIBLE_DEVICES in message


@pytest.mark.parametrize(
    ("assigned", "utilization"),
    [((), 0.8), (("0", "1"), 1.0), (("0", "0"), 0.5), (("0",) * 10, 0.1), (("0", "1", "0"), 0.4)],
)
def test_engines_that_fit_beside_one_another(assigned: tuple[str, ...], utilization: float) -> None:
    check_memory(assigned, utilization)


@pytest.mark.parametrize(
    ("assigned", "utilization", "remedy"),
    [
        (("0", "0"), 0.8, "--workers 1, or begin a run with a value below 1/2"),
        (("0", "1", "0", "1", "0"), 0.4, "--workers 4, or begin a run with a value below 1/3"),
        (("0",) * 11, 0.1, "--workers 10"),
    ],
)
def test_engines_that_do_not(assigned: tuple[str, ...], utilization: float, remedy: str) -> None:
    with pytest.raises(InputError, match=r"^spec\.evaluation\.gpuMemoryUtilization: ") as caught:
        check_memory(assigned, utilization)
    assert remedy in str(caught.value)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake `nvidia-smi`, first on PATH, that lists two GPUs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "nvidia-smi"
    _answer(tool, f"[ \"$*\" = -L ] || exit 9\ncat <<'END'\n{TWO}END")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv(VISIBLE_DEVICES, raising=False)
    return tool


def _answer(tool: Path, script: str) -> None:
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


@pytest.fixture
def driver_list(tmp_path: Path) -> Path:
    """The driver's list of three GPUs."""
    for address in ("0000:07:00.0", "0000:0B:00.0", "0000:48:00.0"):
        (tmp_path / "gpus" / address).mkdir(parents=True)
    return tmp_path / "gpus"


def test_the_tool_is_asked(tool: Path, driver_list: Path) -> None:
    assert nvidia_gpus(driver_list=driver_list) == ("0", "1")


def test_a_broken_gpu_does_not_hide_the_others(tool: Path, driver_list: Path) -> None:
    _answer(tool, f"cat <<'END'\n{TWO}Unable to determine the device handle\nEND\nexit 15")
    assert nvidia_gpus(driver_list=driver_list) == ("0", "1")


@pytest.mark.parametrize("script", ["exec sleep 60", None])
def test_the_driver_is_asked_where_the_tool_does_not_answer(
    tool: Path, driver_list: Path, script: str | None
) -> None:
    if script is None:
        tool.write_bytes(b"\x7fELF of another machine")
    else:
        _answer(tool, script)
    assert nvidia_gpus(limit_seconds=0.5, driver_list=driver_list) == ("0", "1", "2")


def test_without_tool_and_driver_there_are_none(
    tmp_path: Path, driver_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus(driver_list=driver_list) == ("0", "1", "2")
    assert nvidia_gpus(driver_list=tmp_path / "none") == ()


@pytest.mark.parametrize("gpus", [("1", "MIG-377e0049", "0"), ()])
def test_workers_are_shown_their_own_at_every_start(
    tmp_path: Path, gpus: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE_DEVICES, "7")
    store = tmp_path / "store"
    crash = ("c000005", str(int(signal.SIGSEGV)))

    def start(index: int, count: int) -> Sequence[str]:
        worker = [sys.executable, "-m", "tests.run.synthetic_worker", str(store)]
        tell = f'echo "shown ${VISIBLE_DEVICES}" >&2; exec "$@"'
        return ["sh", "-c", tell, "sh", *worker, str(index), str(count), *crash]

    run = begin(open_store(str(store)), manifest())
    logs = tmp_path / "logs"
    LocalRunner(run, start, workers=3, log_folder=logs, gpus=gpus, poll_seconds=0.02).run()
    starts = 0
    for index in range(3):
        log = (logs / f"worker-{index}.log").read_text()
        shown = re.findall(r"^shown (.*)$", log, re.MULTILINE)
        assert set(shown) == {gpus[index] if gpus else "7"}
        starts += len(shown)
    assert starts > 3, "one of them crashed"


class Started(Exception):
    """The workers would have been started now."""


@pytest.fixture
def begun(tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """A folder with a run that has begun; the GPUs that its workers would get are noted."""
    monkeypatch.chdir(tmp_path)
    for model in ("base", *SKILLS):
        (tmp_path / "models" / model).mkdir(parents=True)
        (tmp_path / "models" / model / "config.json").touch()
    for name in (f"{skill}.{split}.jsonl" for skill in SKILLS for split in ("search", "test")):
        (tmp_path / name).write_text("{}\n")  # as the run has them
    (tmp_path / "run.json").write_text(canonical_text(manifest()))
    begin(open_store("store"), manifest())
    noted: list[Sequence[str]] = []

    def runner(*_: Any, gpus: Sequence[str], **__: Any) -> None:
        noted.append(gpus)
        raise Started

    monkeypatch.setattr(command, "LocalRunner", runner)
    return noted


def _run(*arguments: str, store: str = "store") -> BaseException | None:
    return CliRunner().invoke(app, ["run", "run.json", "--store", store, *arguments]).exception


def test_the_command_hands_them_out(
    begun: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(_run("--workers", "2"), Started)
    assert isinstance(_run("--workers", "3", "--share-gpus"), Started)
    monkeypatch.setenv(VISIBLE_DEVICES, "1")
    assert isinstance(_run(), Started)
    monkeypatch.setenv(VISIBLE_DEVICES, "")
    assert isinstance(_run("--workers", "3"), Started)
    assert begun == [("0", "1"), ("0", "1", "0"), ("1",), ()]


def test_the_command_refuses_what_does_not_fit(begun: list[Sequence[str]], tmp_path: Path) -> None:
    refused = _run("--workers", "3", store="new")
    assert isinstance(refused, InputError)
    assert str(refused).startswith("--workers: 3 workers need a GPU each, and there are 2")
    many = canonical_text(manifest()).replace('"replicas": 1', '"replicas": 5')
    (tmp_path / "run.json").write_text(many)
    assert str(_run()).startswith("spec.workers.replicas: 5 workers need a GPU each")
    assert not (tmp_path / "new").exists(), "nothing was begun"
    assert begun == []


def test_engines_that_do_not_fit_are_refused_before_a_run_begins(
    begun: list[Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = RunStore(open_store("store")).document
    with_vllm = open_store("vllm")
    with_vllm.create(keys.RUN, written.model_copy(update={"engine": "vllm"}).to_bytes())
    refused = _run("--workers", "4", "--share-gpus", store="vllm")
    assert isinstance(refused, CycleQDError)
    assert str(refused).startswith("spec.evaluation.gpuMemoryUtilization: 0.8 for each of 2")
    monkeypatch.setattr(command, "choose_engine", lambda _: "vllm")
    assert str(_run("--workers", "4", "--share-gpus", store="new")) == str(refused)
    assert not (tmp_path / "new").exists(), "nothing was begun"
    assert begun == []
    assert isinstance(_run("--workers", "2", store="vllm"), Started)
