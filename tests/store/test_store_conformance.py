"""All back ends behave alike: one suite over memory, a prefixed store, a folder and S3 servers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from cycleqd.errors import ObjectNotFound, StoreError
from cycleqd.store import ObjectStore, open_store

BIG = 40 * 1024 * 1024 + 12345


@pytest.fixture(scope="module")
def big_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("big") / "model.safetensors"
    path.write_bytes(os.urandom(1 << 20) * (BIG >> 20) + os.urandom(BIG & ((1 << 20) - 1)))
    return path


def test_is_an_object_store(store):
    assert isinstance(store, ObjectStore)
    assert store.uri
    store.probe()
    assert list(store.list()) == []  # a probe cleans up after itself


@pytest.mark.parametrize("data", [b"", b"{}", os.urandom(70_000)])
def test_reads_what_was_created(store, data):
    assert store.create("run.json", data) is True
    assert store.read("run.json") == data
    assert store.size("run.json") == len(data)
    assert store.exists("run.json")


def test_objects_say_when_they_were_written(store):
    before = datetime.now(UTC) - timedelta(minutes=1)
    store.create("run.json", b"{}")
    written = store.written("run.json")
    assert before < written < before + timedelta(minutes=2)
    with pytest.raises(ObjectNotFound, match="a/b"):
        store.written("a/b")


def test_the_first_create_wins_and_keeps_its_content(store):
    assert store.create("a/plan.json", b"first") is True
    assert store.create("a/plan.json", b"second") is False
    assert store.read("a/plan.json") == b"first"


def test_an_object_is_seen_by_another_client(backend):
    first, second = backend.make(), backend.make()
    first.create("a/b", b"shared")
    assert second.read("a/b") == b"shared"
    assert second.create("a/b", b"again") is False


def test_missing_objects(store):
    assert not store.exists("a/b")
    for call in (store.read, store.size, lambda key: store.read_range(key, 0, 1)):
        with pytest.raises(ObjectNotFound, match="a/b"):
            call("a/b")
    store.delete("a/b")
    assert list(store.list()) == []
    assert store.children("") == []
    assert store.children("a/") == []


def test_download_of_a_missing_object_leaves_nothing(store, tmp_path):
    with pytest.raises(ObjectNotFound):
        store.download("a/b", tmp_path / "local" / "file")
    local = tmp_path / "local"
    assert not local.exists() or list(local.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 3000])
def test_small_files_go_in_and_out(store, tmp_path, size):
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    source.write_bytes(os.urandom(size))
    assert store.create_file("f/x.bin", source) is True
    assert store.create_file("f/x.bin", source) is False
    store.download("f/x.bin", target)
    assert target.read_bytes() == source.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_large_files_go_in_and_out(store, big_file, tmp_path):
    expected = big_file.read_bytes()
    assert store.create_file("model.safetensors", big_file) is True
    assert store.create_file("model.safetensors", big_file) is False
    assert store.create("model.safetensors", b"late") is False
    store.download("model.safetensors", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == expected
    assert store.read("model.safetensors") == expected
    assert store.size("model.safetensors") == BIG


def test_ranges(store):
    data = bytes(range(256)) * 8
    store.create("x", data)
    for start, length in [(0, 8), (100, 1), (2040, 100), (0, 5000), (2048, 5), (9999, 3), (7, 0)]:
        assert store.read_range("x", start, length) == data[start : start + length]


def test_lists_in_byte_order_by_any_prefix(store):
    keys = ["a-b", "a.b", "a/b", "a/c/d", "a0", "aB", "b/1", "b/10", "b/2", "z"]
    for key in reversed(keys):
        store.create(key, key.encode())
    assert list(store.list()) == sorted(keys)
    assert list(store.list("a/")) == ["a/b", "a/c/d"]
    assert list(store.list("a")) == sorted(k for k in keys if k.startswith("a"))
    assert list(store.list("b/1")) == ["b/1", "b/10"]
    assert list(store.list("nothing/")) == []


def test_children_are_names_directly_below(store):
    for key in ["run.json", "g/000001/plan.json", "g/000000/plan.json", "g/000000/r/1", "g/note"]:
        store.create(key, b"x")
    assert store.children("") == ["g", "run.json"]
    assert store.children("g/") == ["000000", "000001", "note"]
    assert store.children("g") == store.children("g/")
    assert store.children("g/000000/") == ["plan.json", "r"]
    assert store.children("g/00") == []
    assert store.children("g/", "000000") == ["000001", "note"]
    assert store.children("g/", "000000x") == ["000001", "note"]
    assert store.children("g", "note") == []
    assert store.children("", "f") == ["g", "run.json"]


def test_lists_more_than_one_page(store):
    keys = [f"many/{index:05d}.json" for index in range(1050)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda key: store.create(key, b"x"), keys))
    assert list(store.list("many/")) == keys
    assert store.children("many/") == [key.removeprefix("many/") for key in keys]
    assert store.children("many/", "00020.json") == [f"{n:05d}.json" for n in range(21, 1050)]


def test_deleted_objects_leave_no_trace_and_can_come_again(store):
    store.create("c/one/model/w", b"1")
    store.create("c/two/model/w", b"2")
    store.delete("c/one/model/w")
    assert not store.exists("c/one/model/w")
    assert store.children("c/") == ["two"]
    assert list(store.list()) == ["c/two/model/w"]
    assert store.create("c/one/model/w", b"3") is True
    assert store.read("c/one/model/w") == b"3"


def test_threads_share_a_store_and_one_of_them_wins(store):
    for number in range(5):
        key = f"race/{number}"
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda i, key=key: store.create(key, b"%d" % i), range(8)))
        assert sum(won) == 1
        assert store.read(key) == b"%d" % won.index(True)


@pytest.mark.parametrize(
    "key",
    ["", "/", "/a", "a/", "a//b", "..", "a/../b", "a/./b", ".hidden", "a/.sha256/b", "a b", "a\nb",
     "a\\b", "ä", "c:d", "x" * 200, "/".join(["x" * 100] * 8)],
)  # fmt: skip
def test_keys_that_are_refused(store, key):
    calls = [
        store.read,
        store.exists,
        store.size,
        store.delete,
        lambda key: store.create(key, b""),
        lambda key: store.read_range(key, 0, 1),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="is no key"):
            call(key)


@pytest.mark.parametrize("prefix", ["/", "../", "a/../b/", "a//"])
def test_prefixes_that_are_refused(store, prefix):
    with pytest.raises(StoreError, match="is no key"):
        list(store.list(prefix))
    with pytest.raises(StoreError, match="is no key"):
        store.children(prefix)


def test_the_uri_opens_the_same_store(backend):
    if backend.uri:  # memory has none
        made = backend.make()
        made.create("a/b", b"1")
        opened = open_store(backend.uri, backend.settings)
        assert opened.uri == made.uri == backend.uri
        assert opened.read("a/b") == b"1"
        outer, _, name = backend.uri.rpartition("/")
        assert open_store(outer, backend.settings).read(f"{name}/a/b") == b"1"
