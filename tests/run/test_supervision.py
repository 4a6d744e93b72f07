"""How a worker ended decides what happens next: kills are forgiven, crash loops are not."""

from __future__ import annotations

import pytest

from cycleqd.roles.supervision import Condemn, Death, Restart, Stop, Verdict, judge

ENTRY = ("generations/000001", 3)
OTHER = ("generations/000001", 4)
KILL = Death(-9, ENTRY)
CRASH = Death(-11, ENTRY)
CONDEMNED = Condemn(ENTRY, "the worker crashed 3 times in a row (SIGSEGV)")


@pytest.mark.parametrize(
    ("deaths", "verdict"),
    [
        ([KILL], Restart(0.0)),
        ([KILL] * 9, Restart(0.0)),
        ([CRASH], Restart(0.0)),
        ([CRASH, CRASH], Restart(0.0)),
        ([CRASH, Death(-11, OTHER), CRASH], Restart(0.0)),
        ([Death(1, ENTRY)], Restart(1.0)),
        ([Death(65, None)] * 2, Restart(2.0)),
        ([CRASH] * 3, Condemn(ENTRY, "the worker crashed 3 times in a row (SIGSEGV)")),
        (
            [KILL, CRASH, CRASH, CRASH],
            Condemn(ENTRY, "the worker crashed 3 times in a row (SIGSEGV)"),
        ),
        ([Death(78, None)], Stop(78, "the worker refused its configuration")),
        ([Death(65, None)] * 3, Stop(65, "a worker failed 3 times in a row")),
        ([Death(-11, None)] * 3, Stop(65, "a worker crashes at its start (SIGSEGV)")),
    ],
)
def test_verdicts(deaths: list[Death], verdict: Verdict) -> None:
    assert judge(deaths) == verdict


def test_endless_kills_are_memory() -> None:
    verdict = judge([KILL] * 10)
    assert isinstance(verdict, Stop)
    assert "memory" in verdict.reason


def test_a_store_that_is_away_is_waited_for_by_the_patient() -> None:
    away = Death(75, ENTRY)
    pauses = [judge([away] * count, patient=True) for count in (1, 2, 3, 100)]
    assert pauses == [Restart(2.0), Restart(4.0), Restart(8.0), Restart(30.0)]
    assert judge([away] * 3) == Stop(75, "a worker failed 3 times in a row")
    assert judge([Death(74, ENTRY)] * 3, patient=True) == Stop(
        74, "a worker failed 3 times in a row"
    )
