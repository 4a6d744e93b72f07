"""Admission stores items in the form that workers read, named by the digest in ``run.json``."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest

from cycleqd.errors import VerificationError
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evaluation.tasks.form import Unusable
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import ItemsRecord, Split
from cycleqd.run.admission import _read_items, _store_items
from cycleqd.run.admitted_checkpoints import Sought
from cycleqd.run.databases import StoredDatabases, _RemoteDatabases
from cycleqd.run.refusals import Refusals
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore

from .synthetic import fresh, manifest


def spec_of(folder: Path, name: str) -> Spec:
    """A spec with one task of type exact, whose items are files of this name."""
    spec = manifest().spec
    task = spec.tasks[0]
    items = {split: str(folder / f"{split}-{name}") for split in ("search", "test")}
    task = task.model_copy(update={"items": task.items.model_copy(update=items)})
    return spec.model_copy(update={"tasks": (task,)})


def admit_items(store: MemoryStore, spec: Spec) -> dict[str, dict[Split, ItemsRecord]]:
    refusals = Refusals()
    with ExitStack() as kept:
        tasks = [task.name for task in spec.tasks]
        read = _read_items(Sought(spec, (), tasks, "transformers"), None, refusals, kept)
        refusals.raise_any()
        return _store_items(store, read, begun=False)


def test_any_format_becomes_the_same_stored_lines(tmp_path: Path) -> None:
    rows = {s: [{"id": 1, "prompt": s, "answer": "x"}] for s in ("search", "test")}
    for split, items in rows.items():
        (tmp_path / f"{split}-a.json.gz").write_bytes(gzip.compress(json.dumps(items).encode()))
        (tmp_path / f"{split}-b.csv").write_text(f"answer,prompt,id\nx,{split},1\n")
    told = []
    for name in ("a.json.gz", "b.csv"):
        store = MemoryStore()
        records = admit_items(store, spec_of(tmp_path, name))["sql"]
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
    admit_items(store, spec_of(tmp_path, "a.jsonl"))
    key = keys.items("sql", "test")
    assert store.read(key) == (line % "test").encode()
    path = tmp_path / "worker.jsonl"
    store.download(key, path)
    assert read_items(path, skill_of("exact")).items[0].text("prompt") == "test"


def garden(folder: Path) -> Path:
    """A database that has a question in both splits."""
    path = folder / "database/garden/garden.sqlite"
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE plants (n); INSERT INTO plants VALUES (3);")
    connection.close()
    row = {"db_id": "garden", "query": "SELECT n FROM plants"}
    for split in ("search", "test"):
        (folder / f"{split}-a.json").write_text(json.dumps([{**row, "question": split}]))
    return path


def test_databases_are_stored_once_and_verified(tmp_path: Path) -> None:
    path = garden(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    store = MemoryStore()
    spec = spec_of(tmp_path, "a.json")
    task = spec.tasks[0].model_copy(update={"type": "sql"})
    admit_items(store, spec.model_copy(update={"tasks": (task,)}))
    assert list(store.list("databases/")) == [keys.database(digest)]
    # A worker has the store alone.
    path.unlink()
    stored = tmp_path / "worker.jsonl"
    store.download(keys.items("sql", "search"), stored)
    databases = StoredDatabases(store)
    (item,) = read_items(stored, skill_of("sql"), databases=databases).items
    local = item.files["database"]
    assert hashlib.sha256(local.read_bytes()).hexdigest() == digest
    databases.close()
    assert not local.exists()


def test_damage_to_a_database_is_found() -> None:
    run = fresh(generations=1)
    verifier = Verifier(run, None, lambda _stage: None)
    run.objects.create(keys.database(hashlib.sha256(b"whole").hexdigest()), b"whole")
    verifier._items()
    run.objects.create(keys.database("0" * 64), b"damaged")
    with pytest.raises(VerificationError, match="not that of its name"):
        verifier._items()


def test_databases_on_a_foreign_store(tmp_path: Path) -> None:
    path = garden(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    local = tmp_path / "local"
    local.mkdir()
    folders = [str(tmp_path / "none"), str(tmp_path / "database")]
    databases = _RemoteDatabases(folders, None, local)
    assert databases.named("garden") == digest
    assert databases.stored(digest).read_bytes() == path.read_bytes()
    with pytest.raises(Unusable, match=r"no database 'zoo': no object .*none/zoo/zoo\.sqlite"):
        databases.named("zoo")
