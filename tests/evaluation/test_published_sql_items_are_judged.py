"""Spider and BIRD rows score as in their own evaluations, and databases stay as they are."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.published import BIRD, GARDEN, SPIDER, garden, judged, read

from cycleqd.errors import DatasetError
from cycleqd.evaluation.sandbox import Limits, Sandbox, ShellProgram, SqlProgram
from cycleqd.evaluation.tasks import skill_of
from cycleqd.evaluation.tasks.databases import DatabaseFiles
from cycleqd.evaluation.tasks.reading import Dataset, read_items

pytestmark = pytest.mark.timeout(120)

LAYOUTS = (
    "database/garden/garden.sqlite",
    "dev_databases/garden/garden.sqlite",
    "garden/garden.sqlite",
    "databases/garden.sqlite",
)


def sql(rows: list[dict[str, Any]], folder: Path, databases: str | None = None) -> Dataset:
    files = DatabaseFiles.beside(folder / "rows.json", databases)
    return read(rows, "sql", folder, databases=files)


def test_spider(sandbox: Sandbox, tmp_path: Path) -> None:
    garden(tmp_path)
    found = sql([SPIDER], tmp_path)
    assert found.forms == {"Spider": 1}
    answers = {
        str(found.solutions[0]): True,
        "select height, name from plants where height > 100 order by 1 desc": True,
        "```sql\nSELECT name, height FROM tall ORDER BY height DESC;\n```": True,
        "SELECT name, height FROM tall ORDER BY height": False,
        "SELECT name, bed FROM tall ORDER BY height DESC": False,
        "SELECT name FROM tall ORDER BY height DESC": False,
        "SELECT name, height FROM plants ORDER BY height DESC": False,
        "no SQL": False,
        "": False,
    }
    assert judged(found, "sql", list(answers), sandbox) == list(answers.values())


def test_bird(sandbox: Sandbox, tmp_path: Path) -> None:
    garden(tmp_path, "dev_databases/garden/garden.sqlite")
    found = sql([BIRD], tmp_path)
    answers = {
        str(found.solutions[0]): True,
        "SELECT DISTINCT bed FROM tall ORDER BY bed DESC": True,
        "SELECT bed FROM plants": False,
        "SELECT bed, bed FROM tall": False,
        "SELECT bed FROM tall WHERE bed = 1": False,
    }
    assert judged(found, "sql", list(answers), sandbox) == list(answers.values())
    assert [item.text("id") for item in found.items] == ["5"]


def test_what_the_model_sees(tmp_path: Path) -> None:
    garden(tmp_path)
    spider, bird = sql([SPIDER, {**BIRD, "question_id": "b"}], tmp_path).items
    schema = (
        "CREATE TABLE plants (name TEXT, height REAL, bed INTEGER, planted DATE);\n\n"
        "CREATE VIEW tall AS SELECT * FROM plants WHERE height > 100;\n\n"
        "-- Using valid SQLite, answer the following question for the tables above.\n"
    )
    assert spider.text("prompt") == (
        f"{schema}-- Name and height of plants above one metre, tallest first.\n"
    )
    assert bird.text("prompt") == (
        f"{schema}-- External knowledge: tall means height > 100\n-- Which beds have tall plants?\n"
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_databases_are_found_and_part_of_the_digest(layout: str, tmp_path: Path) -> None:
    path = garden(tmp_path, layout)
    first = sql([SPIDER], tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert first.files == {digest: path}
    assert first.items[0].fields["database"] == {"name": "garden", "sha256": digest}
    assert sql([SPIDER], tmp_path).digest == first.digest
    connection = sqlite3.connect(path)
    connection.execute("UPDATE plants SET height = 901 WHERE name = 'oak'")
    connection.commit()
    connection.close()
    assert sql([SPIDER], tmp_path).digest != first.digest


def test_databases_elsewhere(tmp_path: Path) -> None:
    garden(tmp_path, "far/away/garden/garden.sqlite")
    with pytest.raises(
        DatasetError, match=r"db_id: no database 'garden': \S+/database/garden/gard"
    ):
        sql([SPIDER], tmp_path)
    assert sql([SPIDER], tmp_path, str(tmp_path / "far/away")).count == 1


def test_stored_items_are_judged_alike(sandbox: Sandbox, tmp_path: Path) -> None:
    path = garden(tmp_path)
    found = sql([SPIDER, {**SPIDER, "query": "SELECT date('now')", "question": "?"}], tmp_path)
    stored = tmp_path / "stored.jsonl"
    stored.write_bytes(found.content)
    files = DatabaseFiles([])
    files._files[hashlib.sha256(path.read_bytes()).hexdigest()] = path
    again = read_items(stored, skill_of("sql"), databases=files)
    assert (again.content, again.files) == (found.content, found.files)
    answers = [SPIDER["query"], "SELECT date('now')"]
    skill = skill_of("sql")
    limits = Limits(cpu_seconds=2, wall_seconds=20)
    for _ in range(2):
        assert skill.judge(again.items, answers, sandbox, limits) == [True, True]
        assert skill.judge(again.items, answers[::-1], sandbox, limits) == [False, False]


ATTACKS = (
    "DELETE FROM plants; SELECT name, height FROM tall ORDER BY height DESC",
    "UPDATE plants SET height = 1",
    "DROP TABLE plants",
    "CREATE TABLE more (a)",
    "ATTACH 'database.sqlite' AS other; SELECT 1",
    "PRAGMA journal_mode = WAL",
    "PRAGMA writable_schema = 1",
    "VACUUM",
    "VACUUM INTO 'copy.sqlite'",
    "SELECT load_extension('x')",
)


def test_answers_cannot_change_a_database(sandbox: Sandbox, tmp_path: Path) -> None:
    path = garden(tmp_path)
    path.chmod(0o666)
    before, listing = path.read_bytes(), list(path.parent.iterdir())
    found = sql([SPIDER], tmp_path)
    assert judged(found, "sql", list(ATTACKS), sandbox) == [False] * len(ATTACKS)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == listing
    assert judged(found, "sql", [SPIDER["query"]], sandbox) == [True]


def test_programs_of_other_types_cannot_change_it_either(sandbox: Sandbox, tmp_path: Path) -> None:
    path = garden(tmp_path)
    path.chmod(0o644)
    before = path.read_bytes()
    reading = SqlProgram("", "SELECT 1", file=str(path))
    script = f"for file in {path} /files/*; do chmod 777 $file; echo x >> $file; rm -f $file; done"
    sandbox.run([reading, ShellProgram({}, script)])
    assert path.read_bytes() == before
    assert sandbox.run([reading])[0].rows == ((1,),)


def test_other_files_stay_out_of_reach(sandbox: Sandbox, tmp_path: Path) -> None:
    """A program may read its own database and no other, though the sandbox has read it before."""
    path = garden(tmp_path)
    other = garden(tmp_path, "other.sqlite")
    programs = [
        SqlProgram("", "SELECT count(*) FROM plants", file=str(place)) for place in (path, other)
    ]
    programs.append(SqlProgram("", f"ATTACH '{other}' AS o; SELECT 1", file=str(path)))
    told = sandbox.run(programs)
    assert [report.rows for report in told] == [((5,),), ((5,),), ()]
    assert told[2].status == "failed"


def test_as_many_databases_as_large_datasets_have(tmp_path: Path) -> None:
    source = garden(tmp_path).read_bytes()
    programs = []
    for number in range(400):
        path = tmp_path / f"a-rather-long-folder-name-{number}" / f"{'garden' * 12}.sqlite"
        path.parent.mkdir()
        path.write_bytes(source)
        programs.append(SqlProgram("", "SELECT count(*) FROM plants", file=str(path)))
    with Sandbox() as box:
        assert {report.rows for report in box.run(programs)} == {((5,),)}


def test_folders_that_only_their_owner_may_enter(sandbox: Sandbox, tmp_path: Path) -> None:
    path = garden(tmp_path, "closed/garden.sqlite")
    path.chmod(0o600)
    path.parent.chmod(0o700)
    (report,) = sandbox.run([SqlProgram("", "SELECT max(height) FROM plants", file=str(path))])
    assert report.rows == ((900.5,),)


def test_results_larger_than_usual(sandbox: Sandbox, tmp_path: Path) -> None:
    path = garden(tmp_path)
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "LIMIT 30000) SELECT i, 'some words of a row' AS w FROM n"
    )
    connection.close()
    found = sql([{**BIRD, "SQL": "SELECT i, w FROM numbers"}], tmp_path)
    answers = ["SELECT i, w FROM numbers", "SELECT i, w FROM numbers WHERE i < 30000"]
    assert judged(found, "sql", answers, sandbox) == [True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SQL": "SELECT a FROM plants"}, "SQL: does not run on the database (no such column: a)"),
        (
            {"SQL": "SELECT random()"},
            "SQL: does not run on the database (not authorized to use fun",
        ),
        ({"db_id": "../garden"}, "db_id: '../garden' cannot be the name of a file"),
        ({"db_id": "zoo"}, "db_id: no database 'zoo'"),
        ({"db_id": "text"}, "db_id: FOLDER/text.sqlite: is no SQLite database; copy it again"),
        (
            {"db_id": "open"},
            "db_id: FOLDER/open.sqlite: the database is open, or was not closed: op",
        ),
        ({"db_id": "dirty"}, "db_id: FOLDER/dirty.sqlite: the database is open, or was not closed"),
        (
            {"db_id": "broken"},
            "db_id: FOLDER/broken.sqlite: cannot be read as an SQLite database (",
        ),
        ({"question": "a\0"}, "question: holds a NUL character"),
    ],
)
def test_faults_are_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    garden(tmp_path)
    (tmp_path / "text.sqlite").write_text("no database")
    garden(tmp_path, "open.sqlite").with_name("open.sqlite-wal").write_text("x")
    garden(tmp_path, "dirty.sqlite").with_name("dirty.sqlite-journal").write_text("x")
    (tmp_path / "broken.sqlite").write_bytes(b"SQLite format 3\0" + b"\7" * 5000)
    with pytest.raises(DatasetError) as caught:
        sql([{**BIRD, **change}], tmp_path)
    problem = str(caught.value).replace(str(tmp_path), "FOLDER")
    assert problem.startswith(f"FOLDER/rows.json:1: item 1: {message}")


def test_an_item_has_rows_or_a_query(tmp_path: Path) -> None:
    item = {"id": 1, "prompt": "p", "database": GARDEN}
    with pytest.raises(DatasetError, match="rows: is missing; add it to this item"):
        read([item], "sql", tmp_path)
    with pytest.raises(DatasetError, match="rows: stands beside query; keep one of the two"):
        read([{**item, "rows": [[1]], "query": "SELECT 1"}], "sql", tmp_path)


def test_a_query_of_one_s_own(sandbox: Sandbox, tmp_path: Path) -> None:
    item = {"id": 1, "prompt": "p", "database": GARDEN, "query": "SELECT count(*) FROM tall"}
    found = read([item], "sql", tmp_path)
    assert judged(found, "sql", ["SELECT 3", "SELECT 4"], sandbox) == [True, False]
    broken = read([{**item, "query": "SELECT x"}], "sql", tmp_path)
    with pytest.raises(DatasetError, match="item 1: its own query ended as failed"):
        judged(broken, "sql", ["SELECT 3"], sandbox)


def test_a_database_that_is_gone_stops_nobody_else(tmp_path: Path) -> None:
    first, second = garden(tmp_path, "first.sqlite"), garden(tmp_path, "second.sqlite")
    with Sandbox() as box:
        box.run([SqlProgram("", "SELECT 1", file=str(first))])
        first.unlink()
        (report,) = box.run([SqlProgram("", "SELECT count(*) FROM plants", file=str(second))])
    assert report.rows == ((5,),)
