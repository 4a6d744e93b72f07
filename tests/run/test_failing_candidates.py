"""A failing candidate is recorded with its cause and stops the run only at the limit."""

from __future__ import annotations

import pytest

from cycleqd.errors import RunFailed
from tests.run.synthetic import do_everything, fresh


def test_recorded_and_survived() -> None:
    run = fresh(maxFailedCandidates=2)
    do_everything(run, failing=frozenset({"c000002", "c000009"}))
    archive = run.archive(6)
    assert archive is not None
    assert [f.candidate for f in archive.failed] == ["c000002", "c000009"]
    assert archive.failed[0].message == "not finite"
    members = {m.candidate for a in archive.archives.values() for m in a.members}
    assert not members & {"c000002", "c000009"}
    assert archive.evaluations == 3 + 24


def test_limit_names_the_field_and_the_cause() -> None:
    run = fresh(maxFailedCandidates=1)
    with pytest.raises(RunFailed, match=r"maxFailedCandidates: 1.*c000009.*not finite"):
        do_everything(run, failing=frozenset({"c000002", "c000009"}))


def test_a_failing_expert_ends_the_run() -> None:
    with pytest.raises(RunFailed, match="expert-python"):
        do_everything(fresh(), failing=frozenset({"expert-python"}))
