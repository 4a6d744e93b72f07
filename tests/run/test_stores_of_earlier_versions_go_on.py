"""A store that an earlier version began is read, verified, continued and extended to equal bytes.

``stores/format-1.tar.gz`` holds one synthetic run twice, as cycleqd of commit 70d2389 left it:
``begun`` in the middle of generation 3, ``finished`` after its four generations and two more that
an accepted change asked for. It is never made anew: the format is a promise.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from cycleqd.manifest.changes import identity
from cycleqd.manifest.schema import canonical
from cycleqd.run.revision import parse_stored_manifest
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verified, Verifier
from cycleqd.store import open_store
from tests.run.synthetic import digest_of, do_everything, grow, manifest

ARCHIVE = Path(__file__).parent / "stores" / "format-1.tar.gz"


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def asked(generations: int) -> dict[str, object]:
    return {"generations": generations, "pipelineDepth": 2, "crossover": {"granularity": "Block"}}


def decided(folder: Path) -> dict[str, bytes]:
    """All objects but results, whose telemetry tells of a machine and its clock."""
    store = open_store(str(folder))
    return {key: store.read(key) for key in store.list("") if "/results/" not in key}


def verify(folder: Path) -> Verified:
    run = RunStore(open_store(str(folder)))
    return Verifier(run, lambda candidate: digest_of(run, candidate)).verify()


def test_a_finished_run_is_verified(stores: Path) -> None:
    verified = verify(stores / "finished")
    assert (verified.plans, verified.archives, verified.summaries) == (9, 7, 2)
    assert (verified.genomes, verified.results) == (39, 50)


def test_a_run_that_was_begun_ends_with_equal_bytes(stores: Path) -> None:
    run = RunStore(open_store(str(stores / "begun")))
    assert run.committed() == 2
    grow(run, manifest(**asked(4)))
    do_everything(run)
    grow(run, manifest(**asked(6)))
    do_everything(run)
    assert decided(stores / "begun") == decided(stores / "finished")
    assert verify(stores / "begun") == verify(stores / "finished")


def test_the_manifest_of_then_still_means_the_same(stores: Path) -> None:
    run = RunStore(open_store(str(stores / "finished")))
    stored = parse_stored_manifest(run.document.manifest)
    assert canonical(stored)["spec"].items() >= run.document.manifest["spec"].items()
    assert identity(stored) == identity(manifest(**asked(4)))
