"""A checkpoint's URI becomes a local folder, or a message that says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cycleqd.checkpoints import source
from cycleqd.errors import CheckpointError
from cycleqd.store import MemoryStore, ObjectStore
from cycleqd.weights.checkpoint import Checkpoint
from tests.checkpoints import family

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime


def test_local_paths_are_used_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = family(tmp_path, experts=())
    monkeypatch.chdir(tmp_path)
    assert source.resolve("base", tmp_path / "cache").resolve() == folders["base"]
    with pytest.raises(CheckpointError, match="nowhere: no such folder; paths start from"):
        source.resolve("nowhere", tmp_path)
    with pytest.raises(CheckpointError, match="/nowhere: no such folder; correct the path"):
        source.resolve("/nowhere", tmp_path)
    with pytest.raises(CheckpointError, match="unknown kind of URI"):
        source.resolve("gs://bucket/model", tmp_path)


def test_a_tilde_is_a_name_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `cycleqd validate` says; expanded here, a pod would read what nobody was told of."""
    family(tmp_path, experts=())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "base")
    with pytest.raises(CheckpointError, match="'~' is not expanded: write the whole path"):
        source.resolve("~/base", tmp_path)


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("base", "{here}/base"),
        ("./base", "{here}/base"),
        ("../base", "{here}/../base"),
        ("/models/base", None),
        ("hf://org/base", None),
        ("s3://bucket/base", None),
    ],
)
def test_only_relative_paths_have_a_location(
    uri: str, location: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = location and location.format(here=tmp_path)
    assert source.location_of(uri) == expected


def test_a_folder_that_no_document_can_name_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert source.location_of("base") is None


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("/dev/null", "is a device, not a folder"),
        (__file__, "is a file, not a folder"),
        ("a" * 300, "cannot be read: File name too long"),
        ("model\0", r"model.x00': cannot be read: embedded null byte"),
    ],
)
def test_what_is_no_folder_is_named(uri: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        source.resolve(uri, tmp_path)


def test_the_hub_is_served_from_its_cache_when_offline(tmp_path: Path) -> None:
    commit = "a" * 40
    folder = tmp_path / "hub" / "models--org--tiny"
    snapshot = folder / "snapshots" / commit
    family(tmp_path / "made", experts=())["base"].rename(tmp_path / "model")
    snapshot.parent.mkdir(parents=True)
    (tmp_path / "model").rename(snapshot)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    program = (
        "import sys; from pathlib import Path; from cycleqd.errors import CheckpointError\n"
        "from cycleqd.checkpoints.source import resolve\n"
        "for uri in sys.argv[1:]:\n"
        "    try: print(resolve(uri, Path('.')))\n"
        "    except CheckpointError as error: print(error)\n"
    )
    uris = ["hf://org/tiny", f"hf://org/tiny@{commit}", "hf://org/other", "hf://a/b/c"]
    done = subprocess.run(
        [sys.executable, "-c", program, *uris],
        env={"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "PATH": ""},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    first, second, other, wrong = done.stdout.splitlines()
    assert first == second == str(snapshot)
    assert "hf://org/other: not in the local cache" in other
    assert "HF_HUB_OFFLINE" in other
    assert "hf://a/b/c: no such model" in wrong


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    store = MemoryStore()
    monkeypatch.setattr(source, "open_store", lambda uri, s3: store)
    return store


def _upload(store: MemoryStore, folder: Path) -> None:
    for path in folder.iterdir():
        store.delete(path.name)
        store.create_file(path.name, path)


def test_s3_is_downloaded_once_and_again_when_it_changes(
    tmp_path: Path, bucket: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = family(tmp_path)
    bucket.create("training.log", b"not needed")
    _upload(bucket, folders["sql"])
    first = source.resolve("s3://models/sql", tmp_path / "cache")
    assert Checkpoint.open(first).digest() == Checkpoint.open(folders["sql"]).digest()
    assert not (first / "training.log").exists()

    monkeypatch.setattr(MemoryStore, "download", lambda *_: pytest.fail("downloaded twice"))
    assert source.resolve("s3://models/sql", tmp_path / "cache") == first
    monkeypatch.undo()

    # Another model of the same sizes under the same URI.
    monkeypatch.setattr(source, "open_store", lambda uri, s3: bucket)
    _upload(bucket, folders["python"])
    second = source.resolve("s3://models/sql", tmp_path / "cache")
    assert Checkpoint.open(second).digest() == Checkpoint.open(folders["python"]).digest()


def test_adapters_are_downloaded_like_checkpoints(tmp_path: Path, bucket: MemoryStore) -> None:
    from cycleqd.weights.experts import open_expert
    from tests.weights.peft_adapters import llama, trained

    base = Checkpoint.open(llama(tmp_path))
    adapter = trained(base.folder, tmp_path / "adapter", target_modules=["q_proj"])
    bucket.create("README.md", b"not needed")
    _upload(bucket, adapter)
    found = source.resolve("s3://models/adapter", tmp_path / "cache")
    assert sorted(path.name for path in found.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert open_expert(found, base).digest() == open_expert(adapter, base).digest()


def test_a_broken_download_leaves_nothing(
    tmp_path: Path, bucket: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _upload(bucket, family(tmp_path)["sql"])
    plain = source.download_foreign

    def fail_late(store: ObjectStore, key: str, path: Path) -> None:
        if key == "tokenizer.json":
            raise ConnectionError(key)
        plain(store, key, path)

    monkeypatch.setattr(source, "download_foreign", fail_late)
    with pytest.raises(ConnectionError):
        source.resolve("s3://models/sql", tmp_path / "cache")
    assert list((tmp_path / "cache" / "checkpoints").iterdir()) == []


def test_a_prefix_above_the_checkpoint_is_explained(tmp_path: Path, bucket: MemoryStore) -> None:
    bucket.create("checkpoint-10/config.json", b"{}")
    with pytest.raises(CheckpointError, match="name s3://models/sql/checkpoint-10"):
        source.resolve("s3://models/sql", tmp_path)
    bucket.create("model.gguf", b"")
    with pytest.raises(CheckpointError, match=r"s3://models/sql: holds a GGUF file \(model\.gguf"):
        source.resolve("s3://models/sql", tmp_path)


def test_an_empty_prefix_is_explained(tmp_path: Path, bucket: MemoryStore) -> None:
    with pytest.raises(CheckpointError, match=r"s3://models/none: no config\.json below"):
        source.resolve("s3://models/none", tmp_path)
