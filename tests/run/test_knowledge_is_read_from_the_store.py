"""Reports tell what is known from the stored answers; stores without any say that."""

from __future__ import annotations

import json

import pytest

from cycleqd.errors import StoreCorrupt
from cycleqd.records import keys
from cycleqd.records.documents import AnswersDocument
from cycleqd.report.from_store import report_data
from cycleqd.run.knowledge import what_is_known
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore
from tests.run.synthetic import ITEMS, SKILLS, do_everything, fresh

LINES = b"".join(json.dumps({"id": f"q{n}"}).encode() + b"\n" for n in range(ITEMS + 3))


@pytest.fixture(scope="module")
def silent() -> RunStore:
    run = fresh()
    do_everything(run)
    return run


def with_answers(run: RunStore, answers: dict[str, dict[str, str]]) -> RunStore:
    """The same run with items that have ids, and answers to the first task."""
    store = MemoryStore()
    for key in run.objects.list(""):
        searched = key in [keys.items(skill, "search") for skill in SKILLS]
        store.create(key, LINES if searched else run.objects.read(key))
    for candidate, given in answers.items():
        document = AnswersDocument(candidate=candidate, answers={"sql": given})
        store.create(keys.answers(candidate), document.to_bytes())
    return RunStore(store)


def test_answers_are_read_in_the_order_of_plans(silent: RunStore) -> None:
    run = with_answers(
        silent,
        {
            "c000009": {"q1": "late", "q2": "two"},
            "c000002": {"q1": "first"},
            "expert-sql": {"q0": "zero", "q21": "beyond the limit"},
        },
    )
    found, missing = what_is_known(run, 6)
    assert list(found) == list(SKILLS)
    sql = found["sql"]
    assert [(f.item, f.candidate, f.generation) for f in sql.firsts] == [
        ("q0", "expert-sql", 0), ("q1", "c000002", 1), ("q2", "c000009", 3),
    ]  # fmt: skip
    assert sql.solved == (1, 2, 2, 3, 3, 3, 3)
    assert sql.items == ITEMS
    assert missing == 3 + 24 - 3
    data = report_data(run)
    assert data.silent == missing
    assert [f.item for f in data.knowledge[0].new] == ["q1", "q2"]
    assert data.knowledge[0].alone == (
        ("c000009", ("q2",)), ("expert-sql", ("q0",)),
    )  # fmt: skip
    assert report_data(run) == data


def test_a_store_without_answers_is_reported(silent: RunStore) -> None:
    data = report_data(silent)
    assert (data.knowledge, data.silent) == ((), 27)


def test_answers_of_somebody_else_are_refused(silent: RunStore) -> None:
    run = with_answers(silent, {})
    document = AnswersDocument(candidate="c000001", answers={})
    run.objects.create(keys.answers("c000000"), document.to_bytes())
    with pytest.raises(StoreCorrupt, match="holds the answers of c000001"):
        what_is_known(run, 6)
