"""The same items come out of JSON Lines, JSON, CSV, Parquet and gzip, as the same bytes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cycleqd.errors import DatasetError, InputError
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evaluation.tasks.reading import Dataset

ROWS: list[dict[str, Any]] = [
    {"id": 7, "prompt": 'two\nlines, "quoted"', "answer": "x", "note": "ignored"},
    {"id": 8, "prompt": "é", "answer": "it's", "note": None},
]
CANONICAL = (
    b'{"answer":"x","id":"7","prompt":"two\\nlines, \\"quoted\\""}\n'
    b'{"answer":"it\'s","id":"8","prompt":"\\u00e9"}\n'
)


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def array(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, ensure_ascii=False).encode()


def indented(rows: list[dict[str, Any]]) -> bytes:
    return b"\xef\xbb\xbf\n" + json.dumps(rows, indent=2).encode() + b"\n"


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    path = Path("rows.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {n: json.dumps(v) if isinstance(v, list) else v for n, v in row.items()}
            )
    return path.read_bytes()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), "rows.parquet")
    return Path("rows.parquet").read_bytes()


def zipped(write: Callable[[list[dict[str, Any]]], bytes]) -> Callable[[list[Any]], bytes]:
    return lambda rows: gzip.compress(write(rows))


WRITERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "items.jsonl": json_lines,
    "items.txt": json_lines,
    "items.jsonl.gz": zipped(json_lines),
    "items.json": array,
    "items.indented.json": indented,
    "items.json.gz": zipped(array),
    "items.csv": as_csv,
    "items.CSV.gz": zipped(as_csv),
    "items.parquet": parquet,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(name: str, data: bytes, kind: str = "exact", **options: Any) -> Dataset:
    Path(name).write_bytes(data)
    return read_items(Path(name), skill_of(kind), **options)


@pytest.mark.parametrize("name", WRITERS)
def test_items_and_bytes(name: str) -> None:
    found = read(name, WRITERS[name](ROWS))
    assert found.content == CANONICAL
    assert found.digest == hashlib.sha256(CANONICAL).hexdigest()
    assert [item.text("id") for item in found.items] == ["7", "8"]
    again = read("stored.jsonl", found.content)
    assert (again.content, again.items) == (found.content, found.items)


def test_json_lines_of_a_type_s_own_fields_stay_as_they_are() -> None:
    data = b'\n{"prompt": "p",  "id": "a", "answer": "x", "note": 1}\r\n\n'
    assert read("own.jsonl", data).content == data
    assert read("own.jsonl.gz", gzip.compress(data, mtime=5)).content == data


def test_what_is_told_of_a_file() -> None:
    assert read("a.jsonl", json_lines(ROWS)).format == "JSON Lines"
    assert read("a.json.gz", gzip.compress(array(ROWS))).format == "JSON, compressed by gzip"
    assert len(read("a.json", array(ROWS), limit=1).items) == 1


def test_cells_of_csv_that_hold_more_than_text() -> None:
    data = b"""\
id,prompt,files,stdout,files_after
1,p,"{""a"": ""b""}",,
2,p,{},"[1]","{""c"": \"""\"}"
"""
    first, second = read("a.csv", data, "shell").items
    assert first.fields == {"id": "1", "prompt": "p", "files": {"a": "b"}, "stdout": ""}
    assert second.fields["files_after"] == {"c": ""}
    assert second.fields["stdout"] == "[1]"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b'[\n{"id": 1, "prompt": "p"}\n]', "a.json:2: item 1: answer: is missing"),
        ("a.json", b"[1]", "a.json:1: item 1: must be an object such as"),
        ("a.json", b'[{"id": 1}', "a.json: is not JSON (Expecting ',' delimiter: line 1 column 11"),
        ("a.json", b"[] x", "a.json: is not JSON (Extra data: line 1 column 3"),
        ("a.json", b'["\xff"]', "a.json: is not JSON ('utf-8' codec can't decode"),
        ("a.json", b"[]", "a.json: holds no item"),
        ("a.json", b"", "a.json: holds no item"),
        ("a.json", b'{"data":\n[{"id": 1}]}', "a.json: is one JSON object; write an array of item"),
        ("a.csv", b"", "a.csv: holds no item"),
        (
            "a.csv",
            b'id,prompt,answer\n1,"a\nb",x\n2,p\n',
            "a.csv:4: has 2 cells, and the",
        ),
        ("a.csv", b"id,prompt,id\n", "a.csv:1: id: two columns have this name; rename one"),
        ("a.csv", b"id,prompt,answer\n1,,x\n", "a.csv:2: prompt: must be a text that is not empty"),
        ("a.csv", b"id,prompt\n\xff,a\n", "a.csv: is not CSV in UTF-8 ('utf-8' codec"),
        ("a.csv", b'id,prompt\n1,"a', "a.csv: is not CSV in UTF-8 (unexpected end of data)"),
        ("a.csv", b"id,prompt,answer\n1,p\0,a\n", "a.csv:2: prompt: holds a NUL character"),
        (
            "a.gz",
            gzip.compress(b"[]", mtime=0)[:-3],
            "a.gz: is no whole gzip file (Compressed file ended",
        ),
        ("a.gz", b"\x1f\x8b\x00\x00", "a.gz: is no whole gzip file"),
        (
            "a.json",
            b'[{"id": 1, "prompt": "p", "answer": "x"},\n {"id": 2, "prompt": "p", "answer": ""}]',
            "a.json:2: item 2: answer: must be a text, or a list",
        ),
        (
            "a.json",
            b'[{"id":1,"prompt":"p","answer":"x"},\n{"id": "1", "prompt": "q", "answer": "y"}]',
            "a.json:2: item 2: id: '1' is that of a.json:1: item 1",
        ),
    ],
)
def test_faults_name_the_place(name: str, data: bytes, message: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read(name, data)
    assert str(caught.value).startswith(message)


def test_damaged_parquet() -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(DatasetError, match=r"a\.parquet: is no whole Parquet file \(.*copy it aga"):
        read("a.parquet", parquet(ROWS)[:-9])


def test_fields_that_parquet_lacks() -> None:
    pytest.importorskip("pyarrow")
    rows = [{"id": 8, "prompt": "p", "answer": "x"}, {"id": 9, "prompt": None, "answer": "x"}]
    with pytest.raises(DatasetError, match=r"^a\.parquet: row 2: prompt: is missing"):
        read("a.parquet", parquet(rows))


def test_parquet_without_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"install cycleqd-operator\[parquet\]"):
        read("a.parquet", b"PAR1")
