"""Reading a file of items to rows, in the formats that datasets are published in.

JSON Lines, a JSON array, CSV with a heading, Parquet; the first three also compressed by gzip. What
a file is follows from its content, except CSV, which is known by its name. Nothing here knows what
an item is: a row has names and values, and a place that problems are told by.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cycleqd.errors import DatasetError, InputError
from cycleqd.evaluation.tasks.items import shown

Format = Literal["JSON Lines", "JSON", "CSV", "Parquet"]

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACE = " \t\r\n"
_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes:
        place: how problems name it, ``items.jsonl:3``.
        fields: its values by name.
    """

    place: str
    fields: Mapping[str, Any]


@dataclass
class Rows:
    """The rows of a file.

    Attributes:
        format: what the file is.
        compressed: whether gzip is around it.
        lines: JSON Lines as they stand in the file, None for other formats.
        found: in the file's order, rows, and what is wrong with those that cannot be read.
    """

    format: Format
    compressed: bool = False
    lines: bytes | None = None
    found: list[Row | str] = field(default_factory=list)

    @property
    def described(self) -> str:
        """The format in words."""
        return f"{self.format}, compressed by gzip" if self.compressed else self.format


def read_rows(path: Path, name: str) -> Rows:
    """Read a file.

    Args:
        path: the file.
        name: what problems call it.

    Raises:
        DatasetError: it cannot be read at all.
        InputError: it is Parquet, and what reads that is not installed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{name}: cannot be read: {error.strerror}; name a file of items"
        ) from error
    if data.startswith(_PARQUET):
        return _parquet(data, name)
    compressed = data.startswith(_GZIP)
    if compressed:
        data = _decompressed(data, name)
    if Path(name.removesuffix(".gz")).suffix.lower() == ".csv":
        rows = _csv(data, name)
    elif data.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"["):
        rows = _array(data, name)
    else:
        rows = _json_lines(data, name)
    rows.compressed = compressed
    return rows


def _decompressed(data: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{name}: is no whole gzip file ({error}); copy it again") from error


def _json_lines(data: bytes, name: str) -> Rows:
    rows = Rows("JSON Lines", lines=data)
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            if not rows.found and _is_json(data):
                rows.found.append(
                    f"{name}: is one JSON object; write an array of items, or one item a line"
                )
                return rows
            rows.found.append(f"{place}: is not JSON ({error}); write one JSON object a line")
            continue
        _add(rows, place, document)
    return rows


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _array(data: bytes, name: str) -> Rows:
    rows = Rows("JSON")
    try:
        text = data.decode("utf-8-sig")
        for number, (line, document) in enumerate(_elements(text), start=1):
            _add(rows, f"{name}:{line}: item {number}", document)
    except (ValueError, RecursionError) as error:
        rows.found = [
            f"{name}: is not JSON ({error}); write one array of objects, or one object a line"
        ]
    return rows


def _elements(text: str) -> Iterator[tuple[int, Any]]:
    """The elements of a JSON array, each with the line where it begins.

    Raises:
        ValueError: (json.JSONDecodeError) the text is no array.
    """
    decoder = json.JSONDecoder()
    place = _skipped(text, text.index("[") + 1)
    line, counted = 1, 0
    while text[place : place + 1] != "]":
        line += text.count("\n", counted, place)
        counted = place
        document, place = decoder.raw_decode(text, place)
        yield line, document
        place = _skipped(text, place)
        if text[place : place + 1] == ",":
            place = _skipped(text, place + 1)
        elif text[place : place + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
    if _skipped(text, place + 1) < len(text):
        raise json.JSONDecodeError("Extra data", text, place + 1)


def _skipped(text: str, place: int) -> int:
    while place < len(text) and text[place] in _SPACE:
        place += 1
    return place


def _csv(data: bytes, name: str) -> Rows:
    rows = Rows("CSV")
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        heading = next(reader, [])
        if len(set(heading)) < len(heading):
            twice = next(column for column in heading if heading.count(column) > 1)
            rows.found.append(f"{name}:1: {twice}: two columns have this name; rename one")
            return rows
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(heading):
                rows.found.append(Row(f"{name}:{line}", dict(zip(heading, cells, strict=True))))
            elif cells:
                rows.found.append(
                    f"{name}:{line}: has {len(cells)} cells, and the heading {len(heading)}; put "
                    "texts that hold commas or line breaks in double quotes"
                )
            line = reader.line_num + 1
    except (csv.Error, ValueError) as error:
        rows.found.append(f"{name}: is not CSV in UTF-8 ({error}); save it as such")
    finally:
        csv.field_size_limit(before)
    return rows


def _parquet(data: bytes, name: str) -> Rows:
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and large
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise InputError(
            f"{name}: is Parquet, which pyarrow reads; install cycleqd-operator[parquet], or give "
            "the items as JSON Lines"
        ) from error
    try:
        table = parquet.read_table(pa.BufferReader(data)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{name}: is no whole Parquet file ({error}); copy it again") from error
    rows = Rows("Parquet")
    for number, values in enumerate(table, start=1):
        # Every row has every column: a null says that this one does not have the field.
        present = {column: value for column, value in values.items() if value is not None}
        rows.found.append(Row(f"{name}: row {number}", present))
    return rows


def _add(rows: Rows, place: str, document: object) -> None:
    if isinstance(document, dict):
        rows.found.append(Row(place, document))
    else:
        rows.found.append(f"{place}: must be an object such as {{...}}, not {shown(document)}")
