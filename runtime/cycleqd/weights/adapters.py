"""Stored adapters: what members have learned, as low-rank matrices beside the weights.

``candidates/<id>/adapter.safetensors`` holds for each tensor that was trained ``<tensor>.B``
(rows, rank) and ``<tensor>.A`` (rank, columns), with the scale of LoRA (Hu et al., 2021) already in
B: the adapter adds ``B A``. They are stored in bf16, half the bytes: what is rounded is a small
change of the weights, and whoever it belongs to is evaluated with it as it is stored. It is written
once, by whoever trained it first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import torch

from cycleqd.checkpoints.safetensors_file import build_header
from cycleqd.errors import StoreCorrupt
from cycleqd.records import keys
from cycleqd.scratch import scratch_folder
from cycleqd.store.localfile import atomic_file, write_all
from cycleqd.weights.digest import tensor_bytes
from cycleqd.weights.stored_files import StoredFiles, whole

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.evolution.genome import Genome
    from cycleqd.store.base import ObjectStore
    from cycleqd.weights.checkpoint import MappedFile

FORMAT = "cycleqd-adapter/1"

Pair = tuple[torch.Tensor, torch.Tensor]
"""``B`` (rows, rank) and ``A`` (rank, columns), fp32."""


class AdapterSource(Protocol):
    """Where adapters of candidates come from."""

    def adapter(self, candidate: str) -> Mapping[str, Pair]:
        """The pairs of a candidate's adapter by tensor.

        Raises:
            ObjectNotFound: none is stored.
        """
        ...


class StoredAdapters:
    """Adapters in a store, mapped from local copies.

    Args:
        store: the run's store.
        cache: local folder; processes may share it.
    """

    def __init__(self, store: ObjectStore, cache: Path) -> None:
        self._files = StoredFiles(
            store, cache, key_of=keys.adapter, identity=whole, view=_MappedPairs
        )

    def adapter(self, candidate: str) -> Mapping[str, Pair]:
        """See `AdapterSource.adapter`."""
        return self._files.get(candidate)


class _MappedPairs(Mapping[str, Pair]):
    """Pairs that stay on disk until they are looked at: a worker meets hundreds of adapters."""

    def __init__(self, key: str, file: MappedFile) -> None:
        stored = {tensor.name for tensor in file.header.tensors}
        names = sorted(name.removesuffix(".B") for name in stored if name.endswith(".B"))
        if missing := [f"{name}.A" for name in names if f"{name}.A" not in stored]:
            raise StoreCorrupt(f"{key}: {missing[0]} is missing; restore it from a copy")
        self._file = file
        self._names = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Pair:
        if name not in self._names:
            raise KeyError(name)
        return self._file.tensor(f"{name}.B").float(), self._file.tensor(f"{name}.A").float()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def folded(genome: Genome, source: AdapterSource, rank: int) -> dict[str, Pair]:
    """A genome's adapters as one: what a tune of it goes on from.

    Their sum is a product of stacked factors. A QR of each side leaves a small matrix whose leading
    singular directions are kept, which is the closest of that rank (Eckart and Young, 1936); each
    side gets the roots of the singular values, so that neither learns faster than the other.

    Args:
        genome: whose adapters.
        source: where they are.
        rank: the most that is kept of each tensor.

    Returns:
        ``B`` (rows, at most rank) and ``A`` (at most rank, columns), fp32, of each tensor that an
        adapter touches.
    """
    found: dict[str, Pair] = {}
    scales = genome.adapter_scale if genome.adapter_scale is not None else ()
    learned = [source.adapter(candidate) for candidate in genome.adapters]
    for number, slot in enumerate(genome.layout.tensors):
        terms = [
            (float(row[number]) * pairs[slot.name][0].double(), pairs[slot.name][1].double())
            for row, pairs in zip(scales, learned, strict=True)
            if slot.name in pairs and row[number]
        ]
        if not terms:
            continue
        left_basis, left = torch.linalg.qr(torch.cat([b for b, _ in terms], dim=1))
        right_basis, right = torch.linalg.qr(torch.cat([a for _, a in terms]).T)
        rows, values, columns = torch.linalg.svd(left @ right.T)
        kept = min(rank, len(values))
        root = values[:kept].sqrt()
        found[slot.name] = (
            (left_basis @ rows[:, :kept] * root).float(),
            ((right_basis @ columns[:kept].T * root).T).float().contiguous(),
        )
    return found


def store_adapter(store: ObjectStore, candidate: str, pairs: Mapping[str, Pair]) -> None:
    """Store what a candidate was trained to; where it is stored already, that stays.

    Args:
        store: the run's store.
        candidate: who was trained.
        pairs: ``B`` and ``A`` by tensor, fp32.
    """
    tensors = {}
    for name, (left, right) in sorted(pairs.items()):
        tensors[f"{name}.B"] = left.to(torch.bfloat16).contiguous()
        tensors[f"{name}.A"] = right.to(torch.bfloat16).contiguous()
    entries = [(name, "BF16", tuple(tensor.shape)) for name, tensor in tensors.items()]
    header, offsets, _ = build_header(entries, {"cycleqd": FORMAT})
    with scratch_folder("weights") as folder:
        path = folder / "adapter.safetensors"
        with atomic_file(path) as descriptor:
            write_all(descriptor, memoryview(header), 0)
            for name, tensor in tensors.items():
                write_all(descriptor, tensor_bytes(tensor), offsets[name])
        store.create_file(keys.adapter(candidate), path)
