"""A tier passes over files that hold none of its tests, and over no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.selection import marks_of_all, may_hold

from .repository import load_script

if TYPE_CHECKING:
    from pathlib import Path

TIERS: dict[str, str] = load_script("test").TIERS

UNMARKED = "def test(): ..."
RUNTIME = f"import pytest\npytestmark = pytest.mark.runtime\n{UNMARKED}"
SEVERAL = f"""
import pytest
pytestmark = [pytest.mark.slow, pytest.mark.s3, pytest.mark.timeout(9, func_only=True)]
{UNMARKED}
"""
# Only some of its tests are marked: any tier may find one.
PARTLY = f"import pytest\n@pytest.mark.slow\n{UNMARKED}"


@pytest.mark.parametrize(
    ("text", "tiers"),
    [
        (UNMARKED, set(TIERS)),
        (PARTLY, set(TIERS)),
        # Its tests may be marked further: `pytest.param(..., marks=pytest.mark.s3)`.
        (RUNTIME, set(TIERS) - {"fast", "pods", "browser"}),
        (SEVERAL, {"slow"}),
    ],
    ids=["unmarked", "partly", "runtime", "several"],
)
def test_tiers_that_look_into_a_file(tmp_path: Path, text: str, tiers: set[str]) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(text)
    assert {tier for tier, expression in TIERS.items() if may_hold(file, expression)} == tiers


@pytest.mark.parametrize("expression", ["", "slow or unknown", "mark(x=1)", "not"])
def test_other_expressions_are_left_to_pytest(tmp_path: Path, expression: str) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(SEVERAL)
    assert may_hold(file, expression)


def test_marks_are_those_that_pytest_gives(request: pytest.FixtureRequest) -> None:
    files = {item.path for item in request.session.items}
    for item in request.session.items:
        if item.path in files:
            given = marks_of_all(item.path)
            assert given <= {mark.name for mark in item.iter_markers()}, item.nodeid
