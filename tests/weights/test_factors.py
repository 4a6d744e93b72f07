"""Factors rebuild the task vector and are computed once, whatever kills; stored ones win."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from cycleqd.checkpoints.header import layout
from cycleqd.errors import RunMismatch, StoreCorrupt
from cycleqd.store import MemoryStore
from cycleqd.store.folder import FolderStore
from cycleqd.weights import factors as module
from cycleqd.weights.factors import Factors, factor_expert
from cycleqd.weights.svd import factor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.weights.lineage import Family

pytestmark = pytest.mark.runtime


@pytest.mark.parametrize("shape", [(40, 40), (20, 60), (60, 20), (1, 30), (30, 1)])
def test_decomposition(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    rank = min(shape)
    spectrum = torch.linspace(1.0, 0.01, rank)
    matrix = (torch.randn(shape[0], rank) * spectrum) @ torch.randn(rank, shape[1])
    left, right = factor(matrix, rank)
    exact = matrix.double()
    assert (left.double() @ right.double() - exact).norm() < 1e-5 * exact.norm()
    values = left.double().norm(dim=0)
    assert (values.diff() <= 0).all()
    expected = torch.linalg.svdvals(exact)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-3 * float(expected[0]))
    # Directions of negligible size are blurred by the squared condition of the Gram matrix.
    clear = right[expected > 1e-2 * expected[0]]
    torch.testing.assert_close(clear @ clear.T, torch.eye(len(clear)), rtol=0, atol=1e-4)
    peaks = right.gather(1, right.abs().argmax(1, keepdim=True))
    assert (peaks > 0).all()


def test_rank_deficient_and_zero_matrices_stay_finite() -> None:
    matrix = torch.outer(torch.arange(5.0), torch.ones(8))
    for sample in (matrix, matrix.T.contiguous(), torch.zeros(5, 8)):
        left, right = factor(sample, 5)
        assert torch.isfinite(left).all()
        assert torch.isfinite(right).all()
        torch.testing.assert_close(left @ right, sample, rtol=0, atol=1e-5)


def test_frozen_tensors_have_no_factors(small: Family) -> None:
    assert small.factors["sql"].get("model.embed_tokens.weight") is None
    assert small.factors["sql"].get("model.norm.weight") is None
    left, right = small.factors["sql"].get("model.layers.0.mlp.up_proj.weight") or ((), ())
    assert left.shape == (96, 64)
    assert right.shape == (64, 64)


class Killed(BaseException):
    """What a SIGKILL looks like to the code above."""


def test_resumes_with_the_first_missing_shard(
    small: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = FolderStore(tmp_path / "whole")
    arguments = (small.base, small.experts["sql"], "sql", small.layout)
    factor_expert(*arguments, whole, cache=tmp_path / "a", shard_bytes=60_000)

    store = FolderStore(tmp_path / "store")
    calls = []
    plain = module.factor

    def counted(matrix: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(1)
        if len(calls) == 6:
            raise Killed
        return plain(matrix, rank)

    monkeypatch.setattr(module, "factor", counted)
    with pytest.raises(Killed):
        factor_expert(*arguments, store, cache=tmp_path / "b", shard_bytes=60_000)
    assert not store.exists("experts/sql/factors.json")
    done = len(list(store.list("experts/sql/")))
    assert done > 0
    factor_expert(*arguments, store, cache=tmp_path / "b", shard_bytes=60_000)
    matrices = len(Factors.open(store, "sql", tmp_path / "b").ranks)
    assert len(calls) < 6 + matrices - done + 1

    assert list(store.list()) == list(whole.list())
    assert all(store.read(key) == whole.read(key) for key in whole.list())
    calls.clear()
    factor_expert(*arguments, store, cache=tmp_path / "b")
    assert not calls


def test_what_is_stored_wins(
    small: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine may find other directions; everybody uses those of the store."""
    plain = module.factor
    monkeypatch.setattr(module, "factor", lambda m, r: tuple(-x for x in plain(m, r)))
    store = MemoryStore()
    arguments = (small.base, small.experts["sql"], "sql", small.layout, store)
    first = factor_expert(*arguments, cache=tmp_path / "a")
    monkeypatch.undo()
    store.delete("experts/sql/factors.json")
    second = factor_expert(*arguments, cache=tmp_path / "b")
    name = "model.layers.0.mlp.up_proj.weight"
    for ours, theirs in zip(first.get(name) or (), second.get(name) or (), strict=True):
        assert torch.equal(ours, theirs)


def test_factors_of_another_expert_are_refused(small: Family, tmp_path: Path) -> None:
    other = small.experts["python"]
    with pytest.raises(RunMismatch, match="another base or expert"):
        factor_expert(small.base, other, "sql", small.layout, small.store, cache=tmp_path)
    store = MemoryStore()
    cut = layout(small.base.header, ["sql", "python"], 3)
    factor_expert(small.base, small.experts["sql"], "sql", cut, store, cache=tmp_path)
    store.delete("experts/sql/factors.json")
    with pytest.raises(RunMismatch, match="3 directions"):
        factor_expert(small.base, small.experts["sql"], "sql", small.layout, store, cache=tmp_path)


def test_a_swapped_shard_is_noticed(small: Family, tmp_path: Path) -> None:
    store = MemoryStore()
    for key in small.store.list("experts/"):
        store.create(key, small.store.read(key))
    ours, theirs = (
        json.loads(store.read(f"experts/{name}/factors.json"))["shards"][0]["key"]
        for name in ("sql", "python")
    )
    store.delete(ours)
    store.create(ours, store.read(theirs))
    with pytest.raises(StoreCorrupt, match="not the shard"):
        Factors.open(store, "sql", tmp_path / "new")


@pytest.mark.parametrize("name", ["../../../outside", "", "0" * 63, "A" * 64])
def test_a_shard_is_named_by_a_digest_alone(name, tmp_path):
    store = MemoryStore()
    shard = {"key": "experts/sql/factors-00001-of-00001.safetensors", "sha256": name}
    index = {"format": "cycleqd-factors/1", "expert": "sql", "base": "b", "expertDigest": "e"}
    index |= {"shards": [shard], "tensors": {}}
    store.create("experts/sql/factors.json", json.dumps(index).encode())
    with pytest.raises(StoreCorrupt, match=r"experts/sql/factors.json: .*sha256"):
        Factors.open(store, "sql", tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []
