"""archive.json says all of a commit: read back it gives the same bytes and the same next commit."""

import pytest

from cycleqd.evolution.search import Commit, tell
from cycleqd.records.documents import ArchiveDocument
from tests.evolution.runs import TASKS, child_results, commits, result


def reread(commit):
    data = commit.document().to_bytes()
    return Commit.from_document(ArchiveDocument.from_bytes(data, "archive.json"), TASKS)


@pytest.mark.parametrize("generation", [0, 1, 6])
def test_same_bytes_and_equal_state(generation):
    commit = commits(generation)[-1]
    again = reread(commit)
    assert again == commit
    assert again.document().to_bytes() == commit.document().to_bytes()
    assert list(again.state.archives) == list(TASKS)


def test_going_on_from_a_document_is_going_on():
    straight = commits(6)[-1]
    stepwise = commits(0)[0]
    for generation in range(1, 7):
        stepwise = tell(reread(stepwise), child_results(generation), 10)
    assert stepwise.document().to_bytes() == straight.document().to_bytes()


def test_failures_survive():
    commit = tell(commits(1)[-1], [result(0, "c000008", (), failure="ä \udcff\n")], limit=3)
    assert reread(commit) == commit
    assert reread(commit).failed[0].message == "ä ?\n"


def test_measures_are_those_of_the_archives():
    commit = commits(5)[-1]
    document = commit.document()
    for task, archive in commit.state.archives.items():
        record = document.archives[task]
        assert record.coverage == len(archive.cells) / 225
        assert record.qd_score == pytest.approx(sum(m.scores[task] for m in record.members))
        assert record.best == max(m.scores[task] for m in record.members)
        assert [m.cell for m in record.members] == sorted(archive.cells)


def test_nothing_of_where_and_when_is_in_it():
    results = child_results(1)
    elsewhere = [
        r.model_copy(
            update={"telemetry": r.telemetry.model_copy(update={"host": "other", "seconds": 9e9})}
        )
        for r in results
    ]
    one, two = (tell(commits(0)[0], rows, 10) for rows in (results, elsewhere))
    assert one.document().to_bytes() == two.document().to_bytes()
