"""Which children learn, and from whose answers more, follows from the seed and their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cycleqd.evolution.tuning import is_tuned, shares
from cycleqd.manifest.evolution import Tune
from tests.run.synthetic import SKILLS, manifest

if TYPE_CHECKING:
    from cycleqd.manifest.model import Spec


def spec(tune: Tune, train: bool = True) -> Spec:
    spec = manifest().spec
    first, *others = spec.tasks
    tasks = (first.model_copy(update={"train": train}), *others)
    evolution = spec.evolution.model_copy(update={"tune": tune})
    return spec.model_copy(update={"tasks": tasks, "evolution": evolution})


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_is_what_the_manifest_says(share: float) -> None:
    tuned = sum(is_tuned(Tune(share=share), 7, number) for number in range(4000))
    assert tuned / 4000 == pytest.approx(share, abs=0.03)


def test_the_skill_in_focus_is_preferred_by_a_strength_of_its_own() -> None:
    tune = Tune(preference=3.0)
    drawn = [shares(spec(tune), tune, "python", number) for number in range(200)]
    factors = [each["python"] for each in drawn]
    assert all(1.0 <= factor < 3.0 for factor in factors)
    assert (min(factors), max(factors)) == pytest.approx((1.0, 3.0), abs=0.1)
    assert all(each["sql"] == each["shell"] == 1 / each["python"] for each in drawn)


def test_nothing_is_preferred_by_one() -> None:
    tune = Tune(preference=1.0)
    assert shares(spec(tune), tune, "sql", 5) == dict.fromkeys(SKILLS, 1.0)


def test_a_task_that_is_not_trained_gives_no_answers() -> None:
    tune = Tune()
    found = shares(spec(tune, train=False), tune, "sql", 5)
    assert found["sql"] == 0.0
    assert found["python"] > 0
