"""The headline and the marks of the table claim no more than the numbers show."""

from __future__ import annotations

import dataclasses

import pytest

from cycleqd.report.data import Recommendation, ReportData, TableRow
from cycleqd.report.summary import (
    export_command,
    failure_summary,
    headline,
    member_lines,
    table_lines,
    tiles,
)

from .sample import sample, started

DONE = sample(2, bins=4, evaluations=16)


def with_aggregate(difference: float | None, error: float | None) -> ReportData:
    row = TableRow(
        "aggregate", "aggregate", {"python": 0.5}, 0.5, 0.5, 0.02, difference, error, "a-3"
    )
    return dataclasses.replace(
        DONE,
        table=(*DONE.table[:-1], row),
        recommendation=Recommendation("aggregate", "a-3", 0.4321),
    )


@pytest.mark.parametrize(
    ("difference", "error", "said", "trend"),
    [
        (0.05, 0.02, "above the uniform merge.", "up"),
        (0.03, 0.02, "above the uniform merge, which is within the noise.", ""),
        (-0.05, 0.02, "below the uniform merge.", "down"),
        (-0.01, 0.02, "below the uniform merge, which is within the noise.", ""),
        (0.05, None, "5.0 points above the uniform merge.", "up"),
        (0.0, None, "just as many as the uniform merge.", ""),
        (None, None, "50.0% of the held-out items (±\N{NO-BREAK SPACE}2.0%).", ""),
    ],
)
def test_gains_are_claimed_beyond_the_noise_only(
    difference: float | None, error: float | None, said: str, trend: str
) -> None:
    data = with_aggregate(difference, error)
    assert headline(data).startswith(
        "The model to take is the aggregate, a-3: its geometric mean on the search items is "
        "43.2%. It solves 50.0% of the held-out items"
    )
    assert headline(data).endswith(said)
    assert table_lines(data.table, data.tasks)[-1].difference.trend == trend


def test_a_better_test_score_of_another_model_changes_no_choice() -> None:
    assert DONE.recommendation is not None
    best = dataclasses.replace(DONE.table[0], scores=dict.fromkeys(DONE.tasks, 1.0), mean=1.0)
    data = dataclasses.replace(DONE, table=(best, *DONE.table[1:]))
    assert headline(data) == headline(DONE)
    assert f"balanced member, {DONE.recommendation.candidate}:" in headline(data)


def test_what_is_learned_by_heart_is_told_apart() -> None:
    choice = Recommendation("aggregate", "a-3", 0.91, unseen=0.86)
    said = headline(dataclasses.replace(started(), recommendation=choice, archives=DONE.archives))
    assert "on the search items is 91.0%, on those that nobody was trained on 86.0%. The" in said


def test_the_command_can_be_pasted_into_a_shell() -> None:
    run = dataclasses.replace(DONE.run, store="out/my run; rm -r $HOME")
    data = dataclasses.replace(
        DONE, run=run, recommendation=Recommendation("balanced member", "c000007", 0.5)
    )
    assert export_command(data) == (
        "cycleqd export 'out/my run; rm -r $HOME' --member c000007 --out c000007"
    )
    assert export_command(started()) is None


def test_where_no_model_of_the_search_has_a_held_out_score_none_is_named() -> None:
    assert headline(dataclasses.replace(DONE, recommendation=None)).startswith("No model")


def test_an_unfinished_run_claims_nothing() -> None:
    unfinished = dataclasses.replace(DONE, table=())
    assert headline(unfinished).startswith("So far the model to take is the balanced member, ")
    assert "The held-out table follows" in headline(unfinished)
    assert headline(started()) == "No candidate has been evaluated yet."
    assert table_lines(unfinished.table, unfinished.tasks) == []


def test_the_best_of_each_column_is_marked() -> None:
    lines = table_lines(DONE.table, DONE.tasks)
    for column, task in enumerate(DONE.tasks):
        best = max(row.scores[task] for row in DONE.table)
        for line, row in zip(lines, DONE.table, strict=True):
            assert line.scores[column].best == (row.scores[task] == best)


def test_members_are_listed_best_first() -> None:
    archive = sample(2, bins=30, evaluations=80).archives[0]
    qualities = [float(line.quality) for line in member_lines(archive)]
    assert qualities == sorted(qualities, reverse=True)
    assert len(qualities) == 12 < len(archive.cells)
    assert qualities[0] == max(e.scores[archive.task] for e in archive.cells.values())


def test_numbers_at_the_head_count_members_once() -> None:
    shown = {tile.label: tile for tile in tiles(DONE)}
    members = {e.candidate for archive in DONE.archives for e in archive.cells.values()}
    assert shown["Members"].value == str(len(members))
    held = sum(len(archive.cells) for archive in DONE.archives)
    assert shown["Coverage"].value == f"{held / 8:.1%}"


def test_failures_are_counted_by_cause() -> None:
    failures = tuple(
        dataclasses.replace(DONE.failures[0], candidate=f"c{i}", cause="ab"[i % 3 == 0])
        for i in range(30)
    )
    summary = failure_summary(dataclasses.replace(DONE, failures=failures))
    assert summary is not None
    assert summary.causes == (("a", 20), ("b", 10))
    assert len(summary.shown) == 20
    assert summary.hidden == 10
    assert failure_summary(dataclasses.replace(DONE, failures=())) is None
