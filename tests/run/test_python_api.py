"""The Python API is small, typed, cheap to import, and its page is true."""

from __future__ import annotations

import doctest
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import cycleqd
from cycleqd.errors import InputError
from tests.run.test_stores_of_earlier_versions_go_on import ARCHIVE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python-api.md"


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return (tmp_path / "finished").rename(tmp_path / "my-run")


def test_the_names_are_these() -> None:
    assert cycleqd.__all__ == [
        "CycleQDError",
        "Elite",
        "FinalRow",
        "Manifest",
        "Member",
        "Result",
        "Revisiting",
        "Run",
        "Status",
        "TaskStatus",
        "__version__",
        "evolve",
        "load_manifest",
        "open_run",
    ]
    for name in cycleqd.__all__:
        assert getattr(cycleqd, name).__doc__
    assert set(cycleqd.__all__) <= set(dir(cycleqd))
    with pytest.raises(AttributeError, match="no attribute 'opne_run'"):
        cycleqd.opne_run  # noqa: B018


def test_importing_it_imports_nothing_else() -> None:
    program = (
        "import sys, cycleqd; heavy = {'torch', 'numpy', 'boto3', 'pydantic'} & set(sys.modules);"
        "assert not heavy, heavy; cycleqd.open_run; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_the_page_is_true(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.parent)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    found = doctest.testfile(str(PAGE), module_relative=False, optionflags=options)
    assert found.attempted > 8
    assert found.failed == 0


def test_a_generation_may_be_named(finished: Path) -> None:
    run = cycleqd.open_run(finished)
    first = run.members(0)
    assert {member.candidate for member in first} <= {"expert-sql", "expert-python", "expert-shell"}
    assert all(
        elites == tuple(sorted(elites, key=lambda e: (-e.scores[task], e.cell)))
        for task, elites in run.archives().items()
    )
    with pytest.raises(InputError, match=r"generation 7: is not committed; .* 0 to 6"):
        run.members(7)


def test_results_are_all_there(finished: Path) -> None:
    results = list(cycleqd.open_run(finished).results())
    assert len(results) == 50 - 3  # factor entries evaluate nobody
    assert {result.split for result in results} == {"search", "test"}
    for result in results:
        assert {t: o.count("1") / len(o) for t, o in result.outcomes.items()} == result.scores
