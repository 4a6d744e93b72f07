"""A folder in which a run of the transformers engine could begin, and attempts to begin it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.errors import InputError
from cycleqd.manifest.reader import load_manifest
from cycleqd.run.admission import admit
from cycleqd.store.memory import MemoryStore
from tests.run.test_a_run_is_continued_from_any_folder import lay_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cycleqd.run.store import RunStore

TEMPLATE = "{% for message in messages %}{{ message['content'] }} {% endfor %}"


def laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with checkpoints, items and ``run.json``, engine transformers."""
    folder = tmp_path / "place"
    folder.mkdir()
    lay_out(folder)
    edit(folder, lambda spec: spec.update(evaluation={"engine": "transformers"}))
    monkeypatch.chdir(folder)
    return folder


def edit(place: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((place / "run.json").read_text())
    change(document["spec"])
    (place / "run.json").write_text(json.dumps(document))


def items(place: Path, name: str, prompts: list[str]) -> None:
    rows = [{"id": f"{n}", "prompt": p, "answer": "a"} for n, p in enumerate(prompts)]
    (place / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def begin(place: Path, objects: MemoryStore, said: list[str] | None = None) -> RunStore:
    say = (lambda line: None) if said is None else said.append
    manifest = load_manifest(place / "run.json")
    return admit(objects, manifest, checkpoints=place / "scratch", say=say)


def refused(place: Path, kind: type[InputError] = InputError) -> list[str]:
    """Lines of the refusal; nothing is in the store."""
    objects = MemoryStore()
    with pytest.raises(kind) as caught:
        begin(place, objects)
    assert caught.value.exit_code == 78
    assert [key for key in objects.list() if not key.startswith("probe")] == []
    return str(caught.value).splitlines()
