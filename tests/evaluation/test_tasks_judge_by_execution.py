"""Each type of task accepts right answers and refuses wrong ones, by running them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cycleqd.evaluation.sandbox import Sandbox
from cycleqd.evaluation.tasks import LoadedTask, load_task

pytestmark = pytest.mark.timeout(120)

Judge = Callable[[str, dict[str, Any], list[str]], list[bool]]


@pytest.fixture
def judge(any_sandbox: Sandbox, tmp_path: Path) -> Judge:
    """Judges several answers to one item."""

    def run(kind: str, item: dict[str, Any], answers: list[str]) -> list[bool]:
        path = tmp_path / "items.jsonl"
        lines = [json.dumps({"id": str(i), "prompt": "p", **item}) for i in range(len(answers))]
        path.write_text("\n".join(lines))
        task: LoadedTask = load_task(
            "t",
            kind,
            path,
            max_new_tokens=9,
            timeout_seconds=1,
            memory_mib=512,
            sandbox=any_sandbox,
        )
        return task.grade(answers)

    return run


def test_exact(judge: Judge) -> None:
    item = {"answer": ["Paris", " city of light "]}
    answers = ["Paris", "  Paris\n", "city of light", "paris", "Paris.", "", "```\nParis\n```"]
    assert judge("exact", item, answers) == [True, True, True, False, False, False, True]
    assert judge("exact", {"answer": "4"}, ["4", "5"]) == [True, False]


def test_python(judge: Judge) -> None:
    item = {"tests": "assert double(2) == 4\nassert double(0) == 0", "setup": "import math"}
    answers = {
        "def double(x): return 2 * x": True,
        "Sure:\n```python\ndef double(x):\n    return x + x\n```\nIt adds.": True,
        "```\ndef double(x):\n    return math.floor(2 * x)": True,
        "    def double(x):\n        return 2 * x": True,
        "def double(x): return x + 2": False,
        "Sure: def double(x): return 2 * x": False,
        "def double(x):\n    while True: pass": False,
        "import os; os._exit(0)": False,
        "": False,
    }
    assert judge("python", item, list(answers)) == list(answers.values())


TABLE = """
CREATE TABLE staff (name TEXT, age INTEGER, pay REAL);
INSERT INTO staff VALUES ('ann', 41, 10.5), ('bob', 29, NULL), ('cid', 35, 8.25);
"""


def test_sql_rows(judge: Judge) -> None:
    item = {"database": TABLE, "rows": [["ann", 10.5], ["bob", None], ["cid", 8.25]]}
    answers = {
        "SELECT name, pay FROM staff": True,
        "SELECT name, pay FROM staff ORDER BY age;": True,
        "```sql\nSELECT name, pay\nFROM staff;\n```": True,
        "SELECT 1; SELECT name, pay FROM staff; ": True,
        "SELECT name, pay + 1e-9 FROM staff": True,
        "SELECT name AS x, pay AS y FROM staff": True,
        "SELECT name, coalesce(pay, 0) FROM staff": False,
        "SELECT pay, name FROM staff": False,
        "SELECT name FROM staff": False,
        "SELECT name, pay FROM staff UNION ALL SELECT name, pay FROM staff": False,
        "SELECT name, pay FROM staff LIMIT 2": False,
        "SELECT name, pay FROM": False,
        "The query is SELECT name, pay FROM staff": False,
        "": False,
    }
    assert judge("sql", item, list(answers)) == list(answers.values())


def test_sql_order(judge: Judge) -> None:
    item = {"database": TABLE, "rows": [["bob"], ["cid"], ["ann"]], "ordered": True}
    answers = ["SELECT name FROM staff ORDER BY age", "SELECT name FROM staff ORDER BY name"]
    assert judge("sql", item, answers) == [True, False]


def test_sql_changes(judge: Judge) -> None:
    item = {
        "database": TABLE,
        "check": "SELECT name, age FROM staff WHERE age > 40",
        "rows": [["ann", 41], ["bob", 50]],
    }
    answers = {
        "UPDATE staff SET age = 50 WHERE name = 'bob'": True,
        "BEGIN; UPDATE staff SET age = 50 WHERE name = 'bob';": True,
        "UPDATE staff SET age = 50": False,
        "DELETE FROM staff": False,
        "DROP TABLE staff": False,
        "SELECT 'ann', 41 UNION SELECT 'bob', 50": False,
    }
    assert judge("sql", item, list(answers)) == list(answers.values())


def test_sql_check_reads_the_tables_and_nothing_before_them(judge: Judge) -> None:
    database = f"""{TABLE}
    CREATE TABLE seen (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO seen VALUES (7);
    """
    item = {
        "database": database,
        "check": "SELECT name, age, (SELECT seq FROM sqlite_sequence) FROM staff WHERE age > 40",
        "rows": [["ann", 41, 7], ["bob", 50, 7]],
    }
    right = "UPDATE staff SET age = 50 WHERE name = 'bob';"
    rows = "SELECT 'ann' AS name, 41 AS age UNION SELECT 'bob', 50"
    answers = {
        f"CREATE TEMP TABLE staff AS {rows}": False,
        f"CREATE TEMPORARY VIEW staff AS {rows}": False,
        f"CREATE TABLE temp.staff AS {rows}": False,
        f"BEGIN; CREATE TEMP TABLE staff AS {rows}; SAVEPOINT s;": False,
        f"CREATE TEMP TABLE staff AS {rows}; {right}": False,
        f"{right} CREATE TEMP TABLE staff AS SELECT * FROM main.staff WHERE 0": True,
        f"{right} CREATE TEMP TABLE x (id INTEGER PRIMARY KEY AUTOINCREMENT);"
        "INSERT INTO x VALUES (99)": True,
        "CREATE TEMP TABLE raised AS SELECT name FROM staff WHERE age = 29;"
        "UPDATE staff SET age = 50 WHERE name IN (SELECT name FROM raised)": True,
        f"CREATE TEMP TRIGGER t AFTER UPDATE OF pay ON staff BEGIN {right} END;"
        "UPDATE staff SET pay = 1 WHERE name = 'cid'": True,
        f"PRAGMA case_sensitive_like = 1; {right}": False,
        f"ATTACH ':memory:' AS other; {right}": False,
        f"{right} SAVEPOINT s; DELETE FROM staff; ROLLBACK TO s;": True,
        f"BEGIN; {right} ROLLBACK": False,
        # What it makes in the database itself is its answer.
        f"DROP TABLE staff; CREATE VIEW staff AS {rows}": True,
    }
    assert judge("sql", item, list(answers)) == list(answers.values())


def test_sql_check_keeps_what_the_database_script_set(judge: Judge) -> None:
    item = {
        "database": "PRAGMA encoding = 'UTF-16'; PRAGMA page_size = 1024;"
        f"PRAGMA case_sensitive_like = 1; {TABLE} CREATE TEMP VIEW old AS SELECT * FROM staff"
        " WHERE age > 40; BEGIN; INSERT INTO staff VALUES ('Ada', 90, 1);",
        "check": "SELECT name FROM old WHERE name LIKE 'a%'",
        "rows": [["ann"], ["abe"]],
    }
    answers = {"INSERT INTO staff VALUES ('abe', 60, 1)": True, "SELECT 1": False}
    assert judge("sql", item, list(answers)) == list(answers.values())


def test_sql_cannot_leave_its_database(judge: Judge) -> None:
    item = {"database": TABLE, "rows": [[1]]}
    answers = {
        "SELECT 1": True,
        "ATTACH '/tmp/x.db' AS x; SELECT 1": False,
        "VACUUM INTO '/tmp/x.db'; SELECT 1": False,
        "PRAGMA writable_schema = 1; SELECT 1": False,
        "SELECT load_extension('/tmp/x.so')": False,
        "SELECT random() IS NOT NULL": False,
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c": (
            False
        ),
        "SELECT hex(zeroblob(1000000000))": False,
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT x FROM c": False,
    }
    assert judge("sql", item, list(answers)) == list(answers.values())


def test_shell_output(judge: Judge) -> None:
    item = {"files": {"notes.txt": "one\ntwo rain\n", "d/e.txt": "x"}, "stdout": "two rain\n"}
    answers = {
        "grep rain notes.txt": True,
        "```bash\n$(echo grep) 'rain$' notes.txt\n```": True,
        "cat notes.txt | while read line; do case $line in *rain) echo $line;; esac; done": True,
        "grep -c rain notes.txt": False,
        "cat d/e.txt": False,
        "rm -rf / 2>/dev/null": False,
        "exit 0": False,
        "sleep 100": False,
        "": False,
    }
    assert judge("shell", item, list(answers)) == list(answers.values())


def test_shell_files(judge: Judge) -> None:
    item = {"files": {"a.txt": "1"}, "stdout": "", "files_after": {"b/c.txt": "1\n", "a.txt": "1"}}
    answers = {
        "mkdir b && cp a.txt b/c.txt": True,
        "mkdir b && mv a.txt b/c.txt": False,
        "mkdir b && ln -s ../a.txt b/c.txt": False,
        "mkdir b && echo 2 > b/c.txt": False,
        "mkdir b && cp a.txt b/c.txt && echo done": False,
    }
    assert judge("shell", item, list(answers)) == list(answers.values())


def test_grading_twice_gives_the_same(judge: Judge) -> None:
    item = {"tests": "assert len({f(i) for i in 'abc'}) == 3"}
    answers = ["def f(x): return hash(x)", "def f(x): return 1"]
    assert judge("python", item, answers) == judge("python", item, answers) == [True, False]
