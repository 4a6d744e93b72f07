"""TensorBoard reads in event files what a run's store says, once, whoever was killed on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.summary_pb2 import Summary

from cycleqd.cli.ending import run_command
from cycleqd.errors import InputError
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.tracking.event_files import EventFolder
from cycleqd.tracking.follower import Follower
from cycleqd.tracking.tensorboard_sink import TensorboardSink
from cycleqd.tracking.translation import COMMITTED
from tests.run import synthetic

SKILLS = ("sql", "python")
KINDS = ("scalars", "tensors", "images")


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds each time."""
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\3\0\0\0\2"
    monkeypatch.setattr(
        Follower,
        "_write_report",
        lambda self, folder: [(folder / f"{n}.png").write_bytes(png) for n in ("a", "b")],
    )


def begun(folder: Path, **more: Any) -> RunStore:
    small = {"skills": SKILLS, "generations": 2, "candidatesPerGeneration": 2, "tolerance": 0.02}
    return synthetic.begin(open_store(str(folder)), synthetic.manifest(**{**small, **more}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    run = begun(tmp_path_factory.mktemp("run") / "store")
    synthetic.do_everything(run)
    return run


def look(run: RunStore, folder: Path) -> bool:
    with closing(EventFolder(folder, "--tensorboard")) as events:
        return Follower(run, TensorboardSink(events, run), lambda text: None).look()


def opened(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance=dict.fromkeys(KINDS, 0)).Reload()


def read(folder: Path) -> Counter[Any]:
    """Everything that TensorBoard finds: tag, place and value, with how often it is there."""
    found = opened(folder)
    start = min(event.wall_time for event in found.Tensors("cycleqd.run"))
    return Counter(
        (tag, str(replace(event, wall_time=round((event.wall_time - start) * 1000))))
        for kind in KINDS
        for tag in found.Tags()[kind]
        for event in getattr(found, kind.capitalize())(tag)
    )


def test_its_numbers_are_those_of_status(
    finished: RunStore, no_report: None, tmp_path: Path, status: Callable[[RunStore], Any]
) -> None:
    look(finished, tmp_path)
    told, found = status(finished), opened(tmp_path)
    for name, key in (("best", "best"), ("coverage", "coverage"), ("qdScore", "qd_score")):
        for task, value in told[name].items():
            last = found.Scalars(f"{key}/{task}")[-1]
            assert (last.step, last.value) == (told["evaluations"], float(np.float32(value)))
    marks = found.Scalars(COMMITTED)
    assert [mark.value for mark in marks] == [*range(told["generation"] + 1)]
    summary = finished.summary(told["generation"])
    assert summary is not None
    for row in summary.rows:
        (mean,) = found.Scalars(f"held_out_mean/{row.name.replace(' ', '-')}")
        assert mean.value == float(np.float32(row.mean))
    (parameters,) = found.Tensors("parameters")
    assert b"| evolution.generations | 2 |" in parameters.tensor_proto.string_val[0]
    (models,) = found.Tensors("models")
    assert summary.published is not None
    assert summary.published.candidate.encode() in models.tensor_proto.string_val[0]


def test_a_writer_that_is_killed_again_and_again(
    finished: RunStore, no_report: None, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    look(finished, whole)
    kills, values = 0, sum(read(whole).values())
    while True:
        look(finished, killed)
        assert kills <= values
        last = max(killed.iterdir())
        records = [event.SerializeToString() for event in LegacyEventFileLoader(str(last)).Load()]
        if len(records) <= 5:
            break
        # What a killed writer leaves: its first records, and some bytes of the next one.
        kept = 1 + kills % 5
        partial = kills * 7 % (16 + len(records[kept]))
        size = sum(16 + len(record) for record in records[:kept])
        with last.open("r+b") as file:
            file.truncate(size + partial)
        kills += 1
    assert kills > values / 3
    assert read(killed) == read(whole)
    assert max(read(whole).values()) == 1


def test_a_finished_run_is_whole_at_once_and_a_repetition_changes_nothing(
    no_report: None, tmp_path: Path
) -> None:
    run = begun(tmp_path / "store", generations=4)
    followed, attached = tmp_path / "followed", tmp_path / "attached"
    assert not look(run, followed)
    synthetic.do_everything(run)
    assert look(run, followed)
    assert look(run, attached)
    assert read(followed) == read(attached)
    before = read_bytes(attached)
    assert look(run, attached)
    assert read_bytes(attached) == before


def test_a_run_that_goes_on(no_report: None, tmp_path: Path) -> None:
    run = begun(tmp_path / "store", tolerance=None)
    synthetic.do_everything(run)
    look(run, tmp_path / "events")
    before = read(tmp_path / "events")
    grown = synthetic.manifest(skills=(*SKILLS, "shell"), generations=4, candidatesPerGeneration=2)
    synthetic.grow(run, grown)
    synthetic.do_everything(run)
    look(run, tmp_path / "events")
    after = read(tmp_path / "events")
    assert before < after
    assert max(after.values()) == 1
    (told,) = opened(tmp_path / "events").Tensors("cycleqd.revision.1")
    assert b"expert shell joined, task shell joined" in told.tensor_proto.string_val[0]
    assert len(opened(tmp_path / "events").Images("report/a")) == 2


def test_the_command_is_killed_and_repeated(
    finished: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "events"
    words = ["track", finished.objects.uri, "--tensorboard", str(folder), "--follow"]
    began = subprocess.Popen([sys.executable, "-m", "cycleqd.cli", *words])
    deadline = time.monotonic() + 120
    while not [*folder.glob("*")] and time.monotonic() < deadline:
        time.sleep(0.001)
    began.send_signal(signal.SIGKILL)
    began.wait()
    assert run_command(words) == 0
    assert "is logged up to generation 2, complete" in capsys.readouterr().out
    found = opened(folder)
    assert max(read(folder).values()) == 1
    assert len(found.Scalars(COMMITTED)) == 3
    (picture,) = found.Images("report/archive-sql")
    assert picture.encoded_image_string.startswith(b"\x89PNG")
    assert picture.width > 100


def test_a_folder_is_of_one_run_and_one_writer(
    finished: RunStore, no_report: None, tmp_path: Path
) -> None:
    look(finished, tmp_path / "events")
    other = begun(tmp_path / "other", candidatesPerGeneration=6)
    synthetic.do_everything(other)
    with pytest.raises(InputError, match="has another run of the id synthetic-0: "):
        look(other, tmp_path / "events")
    with (
        closing(EventFolder(tmp_path / "events", "--tensorboard")),
        pytest.raises(InputError, match="another process tracks a run in"),
    ):
        look(finished, tmp_path / "events")
    with closing(EventFolder(tmp_path / "foreign", "--tensorboard")) as events:
        events.write(Summary.Value(tag="loss", simple_value=1), 1, 0)
    before = read_bytes(tmp_path / "foreign")
    with pytest.raises(InputError, match=r"holds event files of something else.*another folder"):
        look(finished, tmp_path / "foreign")
    assert read_bytes(tmp_path / "foreign") == before


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
