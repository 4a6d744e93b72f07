"""Admission stores items in the form that workers read, named by the digest in ``run.json``."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.run.admission import _admit_items
from cycleqd.store import MemoryStore

from .synthetic import manifest


def spec_of(folder: Path, name: str) -> Spec:
    """A spec with one task of type exact, whose items are files of this name."""
    spec = manifest().spec
    task = spec.tasks[0]
    items = {split: str(folder / f"{split}-{name}") for split in ("search", "test")}
    task = task.model_copy(update={"items": task.items.model_copy(update=items)})
    return spec.model_copy(update={"tasks": (task,)})


def test_any_format_becomes_the_same_stored_lines(tmp_path: Path) -> None:
    rows = {s: [{"id": 1, "prompt": s, "answer": "x"}] for s in ("search", "test")}
    for split, items in rows.items():
        (tmp_path / f"{split}-a.json.gz").write_bytes(gzip.compress(json.dumps(items).encode()))
        (tmp_path / f"{split}-b.csv").write_text(f"answer,prompt,id\nx,{split},1\n")
    told = []
    for name in ("a.json.gz", "b.csv"):
        store = MemoryStore()
        records = _admit_items(store, spec_of(tmp_path, name), None)["sql"]
        stored = store.read(keys.items("sql", "search"))
        assert records["search"].digest == hashlib.sha256(stored).hexdigest()
        told.append((stored, records["test"].digest))
    assert told[0] == told[1]
    assert told[0][0] == b'{"answer":"x","id":"1","prompt":"search"}\n'


def test_json_lines_are_stored_byte_for_byte(tmp_path: Path) -> None:
    line = '{"prompt":  "%s", "id": "a", "answer": "x", "more": 1}\n\n'
    for split in ("search", "test"):
        (tmp_path / f"{split}-a.jsonl").write_text(line % split)
    store = MemoryStore()
    _admit_items(store, spec_of(tmp_path, "a.jsonl"), None)
    key = keys.items("sql", "test")
    assert store.read(key) == (line % "test").encode()
    path = tmp_path / "worker.jsonl"
    store.download(key, path)
    assert read_items(path, skill_of("exact")).items[0].text("prompt") == "test"
