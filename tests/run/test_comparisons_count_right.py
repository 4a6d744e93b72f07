"""The numbers of a comparison are those of the formulas, computed here in another way."""

from __future__ import annotations

import numpy as np
import pytest

from cycleqd.compare.curves import band, progress_of
from cycleqd.compare.statistics import error_of_mean, outcomes_of, summarise
from cycleqd.records.documents import (
    EvaluateEntry,
    FactorEntry,
    Failure,
    ResultDocument,
    Telemetry,
    TuneOrder,
)

TASKS = {"sql": 50, "python": 40, "shell": 30}


def drawn(seed: int, level: float) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {task: (generator.random(n) < level).astype(float) for task, n in TASKS.items()}


def test_means_spreads_and_paired_errors() -> None:
    mine = {seed: drawn(seed, 0.6) for seed in (1, 2, 3)}
    theirs = {seed: drawn(seed + 10, 0.4) for seed in (1, 2, 3)}
    found = summarise(mine, theirs)
    assert found is not None
    stacked = {task: np.stack([run[task] for run in mine.values()]) for task in TASKS}
    means = [np.mean([run[task].mean() for task in TASKS]) for run in mine.values()]
    others = [np.mean([run[task].mean() for task in TASKS]) for run in theirs.values()]
    assert found.scores == pytest.approx({task: stacked[task].mean() for task in TASKS})
    assert found.mean == pytest.approx(np.mean(means))
    assert (found.lowest, found.highest) == pytest.approx((min(means), max(means)))
    lows = [min(run[task].mean() for task in TASKS) for run in mine.values()]
    assert found.min == pytest.approx(np.mean(lows))
    variances = [stacked[task].mean(axis=0).var(ddof=1) / n for task, n in TASKS.items()]
    assert found.error == pytest.approx(np.sqrt(sum(variances)) / 3)
    apart = {
        task: stacked[task].mean(axis=0) - np.mean([run[task] for run in theirs.values()], axis=0)
        for task in TASKS
    }
    assert found.gain == pytest.approx(np.mean([column.mean() for column in apart.values()]))
    errors = [apart[task].var(ddof=1) / n for task, n in TASKS.items()]
    assert found.gain_error == pytest.approx(np.sqrt(sum(errors)) / 3)
    paired = np.array(means) - np.array(others)
    assert found.gain_seed_error == pytest.approx(paired.std(ddof=1) / np.sqrt(3))


def test_little_says_so() -> None:
    one = {7: outcomes_of({"sql": "1100"})}
    assert summarise({}, one) is None
    alone = summarise(one, None)
    assert alone is not None
    assert (alone.mean, alone.gain, alone.gain_seed_error) == (0.5, None, None)
    same = summarise(one, one)
    assert same is not None
    assert (same.gain, same.gain_error, same.gain_seed_error) == (0.0, 0.0, None)
    assert error_of_mean([1.0]) is None


def result(seconds: float, *scores: float, failed: bool = False) -> ResultDocument:
    return ResultDocument(
        entry=0,
        candidate="c000001",
        scores={f"t{n}": score for n, score in enumerate(scores)},
        failure=Failure(cause="CandidateError", message="") if failed else None,
        telemetry=Telemetry(worker=0, host="", seconds=seconds),
    )


def test_cost_counts_all_work_and_progress_the_best_so_far() -> None:
    plain = EvaluateEntry(candidate="c000001", genome="", split="search", tasks=("t0", "t1"))
    order = TuneOrder(begin="", answers=0, shares={})
    tuned = plain.model_copy(update={"tune": order})
    progress = progress_of(
        [
            (FactorEntry(expert="sql"), result(100)),
            (plain, result(2, 0.4, 0.9)),
            (plain, result(3, failed=True)),
            (tuned, result(40, 1.0, 0.09)),
            (plain, result(4, 0.9, 0.9)),
        ]
    )
    assert progress.seconds.tolist() == [102, 145, 149]
    assert progress.best == pytest.approx([0.6, 0.6, 0.9])
    assert progress.total == 149
    assert progress.plain == 3
    assert progress.worth == pytest.approx(progress.seconds / 3)


def test_a_band_holds_the_last_score_of_each_run() -> None:
    first = (np.array([1.0, 4.0]), np.array([0.2, 0.6]))
    second = (np.array([2.0, 3.0, 6.0]), np.array([0.4, 0.5, 0.8]))
    found = band([first, second])
    assert found.cost.tolist() == [2, 3, 4, 6]
    assert found.mean == pytest.approx([0.3, 0.35, 0.55, 0.7])
    assert found.lowest == pytest.approx([0.2, 0.2, 0.5, 0.6])
    assert found.highest == pytest.approx([0.4, 0.5, 0.6, 0.8])
