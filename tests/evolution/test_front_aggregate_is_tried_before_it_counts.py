"""With ``aggregate.method: Front`` means are tried; the widest that is as good as any is taken."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.archive import Archive, Axis, Member, make_archives
from cycleqd.evolution.final import (
    balanced_member,
    finalists,
    new_genomes,
    planned,
    recommended,
    summarise,
)
from cycleqd.evolution.front import (
    chosen,
    front_mean,
    front_of,
    members_of,
    standard_error,
    trials,
)
from cycleqd.evolution.genome import Genome
from cycleqd.manifest.evolution import Aggregate
from cycleqd.records import keys
from tests.evolution.runs import LAYOUT, TASKS, commits, genome_of, result, spec

FRONT = Aggregate(method="Front")
RUN = spec(generations=4, aggregate={"method": "Front"})
COMMIT = commits(4, RUN)[-1]
MEANS = [f"aggregate-000004-best-{size}" for size in (2, 3, 5)]

grid = st.integers(0, 10).map(lambda tenths: tenths / 10)
rows_of_scores = st.lists(st.tuples(grid, grid, grid), min_size=1, max_size=30)


def member(candidate: str, *scores: float) -> Member:
    return Member(candidate, dict(zip(TASKS, scores, strict=True)))


def archives(*members: Member) -> dict[str, Archive]:
    made = make_archives([Axis(task, 0.0, 1.0, 15) for task in TASKS])
    for archive in made.values():
        for one in members:
            archive.offer(one)
    return made


def test_the_front_by_hand_most_balanced_first() -> None:
    found = front_of(
        archives(
            member("sql", 0.9, 0.1, 0.1),
            member("even", 0.5, 0.5, 0.5),
            member("beaten", 0.4, 0.5, 0.4),
            member("two", 0.6, 0.6, 0.3),
            member("lost", 0.8, 0.9, 0.0),
        )
    )
    # Geometric means .5, .476, .208 and 0.
    assert [m.candidate for m in found] == ["even", "two", "sql", "lost"]


@given(rows_of_scores)
def test_the_front_is_what_no_member_beats(rows: list[tuple[float, float, float]]) -> None:
    made = archives(*(member(f"c{n}", *row) for n, row in enumerate(rows)))
    everyone = members_of(made)
    front = {m.candidate for m in front_of(made)}
    for one in everyone:
        beaten = any(
            all(other.scores[t] >= one.scores[t] for t in TASKS) and other.scores != one.scores
            for other in everyone
        )
        assert (one.candidate in front) is not beaten
    assert front_of(made)[0] == everyone[0], "the balanced member leads the front"


@pytest.mark.parametrize(
    ("asked", "members", "sizes"),
    [(None, 9, [2, 3, 5]), (8, 9, [2, 4, 8]), (8, 3, [2, 3]), (2, 9, [2]), (5, 1, [])],
)
def test_which_means_are_tried(asked: int | None, members: int, sizes: list[int]) -> None:
    line = [member(f"c{n}", n / 10, 1 - n / 10, 0.5) for n in range(1, members + 1)]
    tried = trials(archives(*line), Aggregate(method="Front", members=asked), 7)
    assert tried == {f"aggregate-000007-best-{size}": size for size in sizes}


def test_a_mean_is_the_mean_of_weights() -> None:
    three = front_of(COMMIT.state.archives)[:3]
    merged = front_mean(COMMIT.state.archives, 3, genome_of)
    expected = np.mean([genome_of(m.candidate).scale.astype(float) for m in three], axis=0)
    assert merged.scale == pytest.approx(expected, abs=1e-6)
    again = front_mean(COMMIT.state.archives, 3, genome_of)
    assert merged.to_bytes() == again.to_bytes()


def test_a_front_that_is_too_short_is_filled_with_the_next_most_balanced() -> None:
    best, second, third = (member(f"c{n}", *[0.9 - n / 10] * 3) for n in range(3))
    special = member("special", 1.0, 0.1, 0.1)
    made = archives(third, second, best, special)
    assert front_of(made) == [best, special]
    assert list(trials(made, FRONT, 4).values()) == [2, 4]
    averaged: list[str] = []

    def note(candidate: str) -> Genome:
        averaged.append(candidate)
        return genome_of(members_of(COMMIT.state.archives)[0].candidate)

    front_mean(made, 3, note)
    assert averaged == ["c0", "special", "c1"]


def test_the_widest_mean_within_a_standard_error_of_the_best_is_chosen() -> None:
    counts = dict.fromkeys(TASKS, 60)
    balanced = member("c1", 0.8, 0.8, 0.8)
    # Three equal shares p of n items: the error of their geometric mean is sqrt(p (1 - p) / 3n).
    error = (0.8 * 0.2 / 180) ** 0.5
    assert standard_error(balanced.scores, counts) == pytest.approx(error)
    inside, outside = (0.8 - error * share for share in (0.99, 1.01))
    two, three, five = (member(f"m{n}", *[inside] * 3) for n in (2, 3, 5))
    assert chosen(balanced, [two, three, five], counts) is five
    worse = member("m5", *[outside] * 3)
    assert chosen(balanced, [two, three, worse], counts) is three
    assert chosen(balanced, [worse], counts) is balanced
    uneven = member("m3", 0.9, 0.9, 0.05)
    assert chosen(balanced, [uneven], counts) is balanced
    assert chosen(balanced, [], counts) is balanced
    # What is better than the member sets the mark for the others.
    best = member("m2", *[0.8 + error] * 3)
    assert chosen(balanced, [best, three], counts) is best


def test_the_error_of_a_geometric_mean_is_that_of_a_simulation() -> None:
    shares, counts = dict(zip(TASKS, (0.9, 0.7, 0.5), strict=True)), (200, 100, 60)
    random = np.random.default_rng(0)
    drawn = [
        random.binomial(n, p, 20_000) / n for n, p in zip(counts, shares.values(), strict=True)
    ]
    spread = np.std(prod(drawn) ** (1 / 3))
    found = standard_error(shares, dict(zip(TASKS, counts, strict=True)))
    assert found == pytest.approx(spread, rel=0.03)


def test_a_skill_that_nobody_has_leaves_no_error() -> None:
    assert standard_error({"sql": 0.0, "code": 0.5}, {"sql": 9, "code": 9}) == 0.0


def test_items_that_are_kept_out_of_tuning_decide() -> None:
    def known(candidate: str, seen: float, unseen: float) -> Member:
        return Member(candidate, dict.fromkeys(TASKS, seen), dict.fromkeys(TASKS, unseen))

    by_heart, learned = known("c1", 0.9, 0.5), known("c2", 0.8, 0.6)
    made = archives(by_heart, learned)
    assert members_of(made) == [learned, by_heart]
    assert front_of(made) == [learned]
    few, many = dict.fromkeys(TASKS, 12), dict.fromkeys(TASKS, 1200)
    mean_of_two = known("m2", 0.95, 0.55)
    assert chosen(learned, [mean_of_two], few) is mean_of_two
    assert chosen(learned, [mean_of_two], many) is learned


def test_means_are_planned_on_both_splits_and_nothing_else_is_searched() -> None:
    plan = planned(RUN, COMMIT)
    assert len(set(plan)) == len(plan)
    assert [candidate for candidate, split in plan if split == "search"] == MEANS
    tested = [candidate for candidate, split in plan if split == "test"]
    assert tested[-3:] == MEANS
    assert keys.aggregate(4) not in tested
    softmax = planned(spec(generations=4), COMMIT)
    assert {split for _, split in softmax} == {"test"}
    assert [candidate for candidate, _ in softmax] == [*tested[:-3], keys.aggregate(4)]
    assert set(MEANS) <= set(new_genomes(RUN, [LAYOUT], COMMIT, genome_of))


def table(tried: dict[str, dict[str, float]], failed: str = ""):
    found = {
        candidate: result(
            0, candidate, tuple(scores.values()), outcomes=dict.fromkeys(TASKS, "10" * 500)
        )
        for candidate, scores in tried.items()
    }
    rows = finalists(RUN, COMMIT, found)
    results = {
        candidate: result(
            0, candidate, (0.5, 0.5, 0.5), outcomes=dict.fromkeys(TASKS, "10"),
            failure="lost" if candidate == failed else None,
        )
        for candidate, split in planned(RUN, COMMIT)
        if split == "test"
    }  # fmt: skip
    return summarise(RUN, 4, rows, results)


def test_the_table_has_one_aggregate_and_recommends_the_best() -> None:
    balanced = balanced_member(COMMIT)
    better = {task: min(1.0, score + 0.1) for task, score in balanced.scores.items()}
    worse = dict.fromkeys(TASKS, 0.01)
    won = table({MEANS[0]: better, MEANS[1]: worse})
    assert [(r.kind, r.candidate) for r in won.rows][-1] == ("aggregate", MEANS[0])
    assert MEANS[1] not in [row.candidate for row in won.rows]
    assert recommended(won) == won.rows[-1]
    kept = table({MEANS[0]: worse, MEANS[1]: worse})
    assert kept.rows[-1].candidate == balanced.candidate
    best = recommended(kept)
    assert best is not None
    assert (best.kind, best.candidate) == ("balanced", balanced.candidate)


def test_what_could_not_be_tested_is_not_recommended() -> None:
    balanced = balanced_member(COMMIT)
    found = table({}, failed=balanced.candidate)
    best = recommended(found)
    assert best is not None
    assert best.candidate != balanced.candidate
    untried = tuple(row for row in found.rows if not row.search)
    assert recommended(found.model_copy(update={"rows": untried})) is None


def test_held_out_scores_decide_nothing() -> None:
    found = table({})
    for row, score in product(found.rows, (0.0, 1.0)):
        other = row.model_copy(update={"test": dict.fromkeys(TASKS, score), "mean": score})
        rows = tuple(other if r is row else r for r in found.rows)
        before, after = recommended(found), recommended(found.model_copy(update={"rows": rows}))
        assert before is not None
        assert after is not None
        assert (before.kind, before.candidate) == (after.kind, after.candidate)
