"""``verify`` accepts an untouched run and names the first object that was changed."""

from __future__ import annotations

import json

import pytest

from cycleqd.errors import StoreCorrupt, VerificationError
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verified, Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import digest_of, do_everything, fresh


@pytest.fixture(scope="module")
def finished() -> dict[str, bytes]:
    run = fresh()
    do_everything(run)
    return {key: run.objects.read(key) for key in run.objects.list("")}


def verify(objects: dict[str, bytes]) -> Verified:
    store = MemoryStore()
    for key, data in objects.items():
        store.create(key, data)
    run = RunStore(store)
    return Verifier(run, lambda candidate: digest_of(run, candidate)).verify()


def test_untouched(finished: dict[str, bytes]) -> None:
    verified = verify(finished)
    assert verified.plans == 1 + 6 + 1
    assert verified.archives == 1 + 6
    assert verified.weights >= 3 + 24
    assert verified.summaries == 1


@pytest.mark.parametrize(
    "key",
    [
        "generations/000003/archive.json",
        "generations/000002/plan.json",
        "generations/000002/results/000001.json",
        "final/000006/summary.json",
        "final/000006/plan.json",
    ],
)
def test_a_changed_document_is_found(finished: dict[str, bytes], key: str) -> None:
    document = json.loads(finished[key])

    def bump(value: object) -> bool:
        """Change the first number found, depth first."""
        pairs = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
        for name, inner in pairs:
            if name in {"telemetry", "generation", "generations"}:
                continue
            if isinstance(inner, float):
                value[name] = inner / 2 + 0.01  # type: ignore[index]
                return True
            if isinstance(inner, str) and len(inner) == 64:
                value[name] = "0" * 64  # type: ignore[index]
                return True
            if isinstance(inner, (dict, list)) and bump(inner):
                return True
        return False

    assert bump(document)
    changed = {**finished, key: (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()}
    with pytest.raises((VerificationError, StoreCorrupt)) as caught:
        verify(changed)
    assert key in str(caught.value)


def test_a_changed_genome_is_found(finished: dict[str, bytes]) -> None:
    key = "candidates/c000001/genome.safetensors"
    data = bytearray(finished[key])
    data[-1] ^= 1
    with pytest.raises(VerificationError, match="c000001"):
        verify({**finished, key: bytes(data)})


def test_changed_items_are_found(finished: dict[str, bytes]) -> None:
    with pytest.raises(VerificationError, match="tasks/sql/test"):
        verify({**finished, "tasks/sql/test.jsonl": b"other"})
