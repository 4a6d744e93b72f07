"""A table that is too wide for its terminal goes into several, each with the names of its rows."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cycleqd.cli.console import DataTable

WORDS = st.text("abcdefgh", min_size=1, max_size=14)


def printed(parts: list[DataTable], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def table_of(names: list[str], cells: list[list[str]]) -> DataTable:
    table = DataTable(title="Numbers")
    table.add_column("row")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for number, row in enumerate(cells):
        table.add_row(f"r{number} of", *row, style="bold" if number == 0 else None)
    return table


@given(st.data(), st.lists(WORDS, min_size=1, max_size=20), st.integers(24, 130))
def test_every_text_is_shown_whole(data: st.DataObject, names: list[str], width: int) -> None:
    cells = [[data.draw(WORDS) for _ in names] for _ in range(2)]
    table = table_of(names, cells)
    text = printed(table.parts(Console(width=width)), width)
    assert "…" not in text
    shown = [word for word in text.replace("│", " ").replace("┃", " ").split() if word.isalpha()]
    for word in [*names, *cells[0], *cells[1]]:
        assert word in shown
    assert max(map(len, text.splitlines())) <= width


def test_a_table_that_fits_stays_one() -> None:
    table = table_of(["sql", "python"], [["0.1", "0.2"]])
    assert table.parts(Console(width=120)) == [table]


def test_each_part_names_its_rows_and_only_the_first_has_the_title() -> None:
    names = [f"task-{number}" for number in range(12)]
    parts = table_of(names, [["0.123"] * 12, ["0.456"] * 12]).parts(Console(width=60))
    assert len(parts) == 3
    assert [part.title for part in parts] == ["Numbers", None, None]
    for part in parts:
        assert str(part.columns[0].header) == "row"
        assert [row.style for row in part.rows] == ["bold", None]
    assert [str(column.header) for part in parts for column in part.columns[1:]] == names
