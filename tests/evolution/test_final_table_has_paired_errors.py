"""The final table: who takes part, means, standard errors, and gains paired item by item."""

import numpy as np
import pytest

from cycleqd.evolution.aggregate import aggregate
from cycleqd.evolution.archive import Member
from cycleqd.evolution.final import balanced_member, finalists, new_genomes, summarise
from cycleqd.evolution.search import tell
from cycleqd.manifest.evolution import Aggregate
from cycleqd.records import keys
from tests.evolution.runs import LAYOUT, TASKS, commits, genome_of, result, spec

ITEMS = {"sql": 40, "code": 25, "bash": 10}
RUN = spec(generations=4)
COMMIT = commits(4)[-1]


def outcomes_of(candidate):
    """Items solved on the test split, float64 by task; hard items are hard for all."""
    seed = sum(candidate.encode())
    solved = {}
    for number, (task, count) in enumerate(ITEMS.items()):
        hardness = np.random.default_rng(number).random(count)
        luck = np.random.default_rng([seed, number]).normal(scale=0.3, size=count)
        solved[task] = (hardness + luck < 0.5).astype(float)
    return solved


def results_without(*failed):
    """Results of the test split by candidate id; those of ``failed`` are failures."""
    made = {}
    for entry, candidate in enumerate(dict.fromkeys(r.candidate for r in finalists(RUN, COMMIT))):
        solved = outcomes_of(candidate)
        made[candidate] = result(
            entry,
            candidate,
            tuple(solved[t].mean() for t in TASKS),
            outcomes={t: "".join("1" if s else "0" for s in solved[t]) for t in TASKS},
            failure="lost" if candidate in failed else None,
        )
    return made


def test_the_rows_in_order():
    rows = finalists(RUN, COMMIT)
    assert [(r.name, r.kind) for r in rows] == [
        ("base", "base"),
        ("expert a", "expert"),
        ("expert b", "expert"),
        ("expert c", "expert"),
        ("uniform merge", "uniform-merge"),
        ("best of sql", "best-of-task"),
        ("best of code", "best-of-task"),
        ("best of bash", "best-of-task"),
        ("balanced member", "balanced"),
        ("aggregate", "aggregate"),
    ]
    for row, task in zip(rows[5:8], TASKS, strict=True):
        assert row.search[task] == COMMIT.state.archives[task].best


def test_errors_equal_numpy_s():
    table = summarise(RUN, COMMIT.generation, finalists(RUN, COMMIT), results_without())
    reference = outcomes_of("uniform-merge")
    assert len(table.rows) == 10
    for row in table.rows:
        solved = outcomes_of(row.candidate)
        means = [solved[t].mean() for t in TASKS]
        variances = [solved[t].var(ddof=1) / len(solved[t]) for t in TASKS]
        assert row.mean == pytest.approx(np.mean(means))
        assert row.minimum == pytest.approx(min(means))
        assert row.standard_error == pytest.approx(np.sqrt(sum(variances)) / 3)
        assert row.test == pytest.approx(dict(zip(TASKS, means, strict=True)))
        if row.kind == "uniform-merge":
            assert row.gain is None
            assert row.gain_error is None
            continue
        pairs = [solved[t] - reference[t] for t in TASKS]
        assert row.gain == pytest.approx(np.mean([p.mean() for p in pairs]))
        variances = [p.var(ddof=1) / len(p) for p in pairs]
        assert row.gain_error == pytest.approx(np.sqrt(sum(variances)) / 3)


def test_pairing_sees_what_unpaired_errors_hide():
    table = summarise(RUN, COMMIT.generation, finalists(RUN, COMMIT), results_without())
    reference = next(r for r in table.rows if r.kind == "uniform-merge")
    gains = [r for r in table.rows if r.gain_error is not None]
    unpaired = [np.hypot(r.standard_error, reference.standard_error) for r in gains]
    assert np.mean([r.gain_error for r in gains]) < np.mean(unpaired)


def test_by_hand():
    run = spec(tasks=({"name": "t", "type": "exact", "items": {"search": "s", "test": "t"}},))
    rows = [r for r in finalists(RUN, COMMIT) if r.kind in ("base", "uniform-merge")]
    marks = {"base": "1100", "uniform-merge": "0100"}
    results = {
        c: result(0, c, (0, 0, 0)).model_copy(
            update={"scores": {"t": m.count("1") / 4}, "outcomes": {"t": m}}
        )
        for c, m in marks.items()
    }
    base, _ = summarise(run, COMMIT.generation, rows, results).rows
    assert (base.mean, base.gain) == (0.5, 0.25)
    # Items 1, 1, 0, 0: variance 1/3; differences 1, 0, 0, 0: variance 1/4; each over 4 items.
    assert base.standard_error == pytest.approx((1 / 12) ** 0.5)
    assert base.gain_error == pytest.approx(0.25)


def test_a_failed_finalist_is_left_out_and_a_failed_reference_leaves_no_gains():
    rows = finalists(RUN, COMMIT)
    without = summarise(RUN, COMMIT.generation, rows, results_without("expert-b"))
    assert [r.name for r in without.rows] == [r.name for r in rows if r.name != "expert b"]
    table = summarise(RUN, COMMIT.generation, rows, results_without("uniform-merge"))
    assert {(r.gain, r.gain_error) for r in table.rows} == {(None, None)}
    assert len(table.rows) == 9


def test_the_balanced_member_has_lost_no_skill():
    commit = commits(0)[0]
    results = [
        result(0, "c000000", (1.0, 1.0, 0.0)),
        result(1, "c000001", (0.5, 0.6, 0.4)),
        result(2, "c000002", (0.9, 0.9, 0.05)),
    ]
    assert balanced_member(tell(commit, results, 0)).candidate == "c000001"


def test_of_equally_balanced_members_the_higher_mean_then_the_first_id():
    archives = commits(0)[0].state.archives
    rows = {"c9": (0.2, 0.4, 0.8), "c5": (0.8, 0.2, 0.4), "c7": (0.4, 0.8, 0.2)}
    cells = [Member(c, dict(zip(TASKS, row, strict=True))) for c, row in rows.items()]
    for archive in archives.values():
        archive.cells.clear()
    for member in cells:
        archives["sql"].offer(member)
    commit = commits(0)[0]
    commit = type(commit)(**{**vars(commit), "state": type(commit.state)(archives, {})})
    assert balanced_member(commit).candidate == "c5"


def test_new_genomes_are_those_outside_the_population():
    genomes = new_genomes(RUN, [LAYOUT], COMMIT, genome_of)
    assert list(genomes) == [
        keys.BASE_CANDIDATE,
        keys.UNIFORM_MERGE_CANDIDATE,
        "aggregate-000004",
        "expert-a",
        "expert-b",
        "expert-c",
    ]
    assert not genomes["base"].scale.any()
    assert np.array_equal(genomes["uniform-merge"].scale, np.full((3, 5), 1 / 3, np.float32))
    merged = aggregate(COMMIT.state.archives, Aggregate(), genome_of)
    assert genomes["aggregate-000004"].to_bytes() == merged.to_bytes()
    ids = {row.candidate for row in finalists(RUN, COMMIT)}
    population = {m.candidate for a in COMMIT.state.archives.values() for m in a.cells.values()}
    assert ids <= set(genomes) | population
