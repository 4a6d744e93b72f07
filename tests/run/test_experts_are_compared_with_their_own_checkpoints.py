"""An expert that a run makes less of than its own checkpoint is told before the run begins.

Whatever the cause: its checkpoint is opened plainly, with its own words, and asked a few prompts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.api import evolving
from cycleqd.cli.ending import run_command
from cycleqd.errors import RunFailed
from cycleqd.evaluation.engines import reference, settings
from cycleqd.manifest.reader import load_manifest
from cycleqd.run.admission import admit
from cycleqd.store.memory import MemoryStore
from tests.checkpoints import family
from tests.run.test_a_run_is_continued_from_any_folder import SKILLS, write_manifest
from tests.weights.damage import edit_config

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.runtime

ENGINE = {"engine": "transformers"}
TEMPLATE = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
APART = "after the prompts of every task its own checkpoint, opened plainly, expects other tokens"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tasks and experts that differ much from their base; ``python`` is to be looked at."""
    family(tmp_path / "models", experts=SKILLS, size=0.3)
    for skill in SKILLS:
        for split in ("search", "test"):
            prompts = [f"The cat {skill[0]} sat {split[0]} {n} " + "the cat " * 9 for n in range(4)]
            rows = [{"id": f"{n}", "prompt": p, "answer": "a"} for n, p in enumerate(prompts)]
            lines = "".join(f"{json.dumps(row)}\n" for row in rows)
            (tmp_path / f"{skill}.{split}.jsonl").write_text(lines)
    write_manifest(tmp_path, 1)
    edit(tmp_path / "run.json", lambda run: run["spec"].update(evaluation=ENGINE))
    edit_config(tmp_path / "models/sql", attention_dropout=0.1)  # so it is compared
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def chat(place: Path, *tasks: int) -> None:
    """Tasks with the base's chat template, which the expert ``python`` does not have."""
    (place / "models/base/chat_template.jinja").write_text(TEMPLATE)
    (place / "models/sql/chat_template.jinja").write_text(TEMPLATE)
    (place / "models/python/chat_template.jinja").write_text(f"b u t {TEMPLATE} s a y")
    for task in tasks:
        edit(
            place / "run.json", lambda run, task=task: run["spec"]["tasks"][task].update(chat=True)
        )


def admitted(place: Path) -> list[str]:
    """What is said while a run is admitted."""
    said: list[str] = []
    manifest = load_manifest(place / "run.json")
    admit(MemoryStore(), manifest, checkpoints=place / "c", say=said.append, check_experts=True)
    return said


def told(place: Path) -> list[str]:
    """What is said of experts that are apart from their own checkpoints, or not compared."""
    return [line for line in admitted(place) if APART in line or "not compared" in line]


def test_good_experts_are_not_told(place: Path) -> None:
    said = admitted(place)
    assert said[-1] == "opening experts as their own folders have them, to compare: sql"


def test_another_chat_template_is_told_where_every_task_uses_it(place: Path) -> None:
    chat(place, 0)
    assert told(place) == []
    chat(place, 1)
    (line,) = told(place)
    assert line.startswith(f"expert python: {APART}")
    assert "; its chat template writes prompts in other tokens" in line


def test_another_reading_of_letters_is_told(place: Path) -> None:
    def lower(document: dict[str, Any]) -> None:
        document["normalizer"] = {"type": "Replace", "pattern": {"String": "the"}, "content": "s"}

    edit(place / "models/python/tokenizer.json", lower)
    (line,) = told(place)
    assert line.startswith(f"expert python: {APART}")
    assert "; its tokenizer writes prompts in other tokens" in line


def test_a_setting_that_nothing_compares_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "check_settings", lambda *_, **__: None)
    edit_config(place / "models/python", rope_scaling={"rope_type": "linear", "factor": 9.0})
    (line,) = told(place)
    assert line.startswith(f"expert python: {APART}")
    assert "models/python/config.json (unlike the base's in rope_scaling) is what" in line


def test_a_checkpoint_that_does_not_open_by_itself_is_told(place: Path) -> None:
    stale = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    edit_config(place / "models/python", quantization_config=stale)
    (line,) = told(place)
    assert line.startswith("expert python is not compared with its own checkpoint: ")


def test_only_what_may_differ_is_opened(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = place / "meminfo"
    memory.write_text("MemTotal: 99 kB\nMemAvailable: 98 kB\n")
    monkeypatch.setattr(reference, "_MEMORY", memory)
    (line,) = told(place)
    assert line.startswith("experts are not compared with their own checkpoints: that takes 0 MB")
    (place / "models/sql/config.json").write_bytes((place / "models/base/config.json").read_bytes())
    edit_config(place / "models/python", transformers_version="4.1", use_cache=False)
    assert told(place) == []


def test_the_command_says_it_unless_told_not_to(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stopped(evolving.LocalRunner):
        def run(self, *observers: object) -> None:  # type: ignore[override]
            raise RunFailed("admitted")

    monkeypatch.setattr(evolving, "LocalRunner", Stopped)
    chat(place, 0, 1)
    found = {}
    for option in ("--check", "--no-check"):
        store = str(place / option.strip("-"))
        assert run_command(["run", "run.json", "--store", store, option]) == RunFailed.exit_code
        written = " ".join(capsys.readouterr().err.split())
        assert "admitted" in written
        found[option] = f"expert python: {APART}" in written
    assert found == {"--check": True, "--no-check": False}
