"""The singular directions of an expert's task vector: computed once per run, then shared.

Singular vectors are unique only up to sign, and to rotations where singular values are close, so a
second computation on another machine may give others. They are therefore computed once, stored
beside the run, and what is stored wins::

    experts/<expert>/factors-00001-of-00004.safetensors   "<tensor>.L" (m, r), "<tensor>.R" (r, n)
    experts/<expert>/factors.json                         digests, ranks, the shards' checksums

Which tensor goes to which shard follows from the genome layout alone, so that work stopped in the
middle goes on with the first missing shard. Tensors that the expert does not change have no
factors. Readers map the shards from a local folder where files are named by their content: all
workers of a machine share one copy.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from safetensors.torch import save_file

from cycleqd.checkpoints.safetensors_file import read_header
from cycleqd.errors import RunMismatch, StoreCorrupt
from cycleqd.records import keys
from cycleqd.records.document import Document
from cycleqd.scratch import scratch_folder
from cycleqd.weights import digest
from cycleqd.weights.checkpoint import MappedFile
from cycleqd.weights.experts import Expert, task_vector
from cycleqd.weights.svd import factor, factor_product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cycleqd.evolution.genome import GenomeLayout, TensorSlot
    from cycleqd.store.base import ObjectStore
    from cycleqd.weights.change import Change
    from cycleqd.weights.checkpoint import Checkpoint
    from cycleqd.weights.experts import TaskVector

FORMAT = "cycleqd-factors/1"
_SHARD_BYTES = 1 << 30


class ShardRecord(Document):
    """A shard: its key, and the SHA-256 that names its local copy."""

    key: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class TensorRecord(Document):
    """What is kept of one tensor."""

    rank: int
    sha256: str


class FactorsDocument(Document):
    """``factors.json``."""

    format: Literal["cycleqd-factors/1"]
    expert: str
    base: str
    expert_digest: str
    shards: tuple[ShardRecord, ...]
    tensors: dict[str, TensorRecord]


class Factors:
    """The singular directions of one expert, mapped from local files.

    Args:
        index: the parsed ``factors.json``.
        files: the mapped shards.
    """

    def __init__(self, index: dict[str, Any], files: list[MappedFile]) -> None:
        self.expert: str = index["expert"]
        self.base_digest: str = index["base"]
        self.expert_digest: str = index["expertDigest"]
        self.ranks: dict[str, int] = {name: t["rank"] for name, t in index["tensors"].items()}
        self._files = {name: file for file in files for name in _names(file)}

    @classmethod
    def open(cls, store: ObjectStore, expert: str, cache: Path) -> Factors:
        """Map an expert's factors, downloading shards that ``cache`` lacks.

        Args:
            store: the run's store.
            expert: name of the expert.
            cache: local folder; processes may share it.

        Raises:
            ObjectNotFound: the expert has not been factored.
            StoreCorrupt: a shard is not the one that the index describes.
        """
        key = keys.factors(expert)
        index = FactorsDocument.from_bytes(store.read(key), key).model_dump(by_alias=True)
        files = []
        for shard in index["shards"]:
            path = cache / f"{shard['sha256']}.safetensors"
            if not path.exists():
                _fetch(store, shard["key"], shard["sha256"], path)
            files.append(MappedFile(read_header(path)))
        return cls(index, files)

    def get(self, tensor: str) -> tuple[torch.Tensor, torch.Tensor] | None:
        """``L`` (m, r) and ``R`` (r, n), or None where the expert changes no matrix."""
        file = self._files.get(tensor)
        if file is None:
            return None
        return file.tensor(f"{tensor}.L"), file.tensor(f"{tensor}.R")


def factor_expert(
    base: Checkpoint,
    expert: Expert,
    name: str,
    layout: GenomeLayout,
    store: ObjectStore,
    *,
    cache: Path,
    shard_bytes: int = _SHARD_BYTES,
    device: str = "cpu",
) -> Factors:
    """Factor an expert's task vector into the store, going on where an earlier attempt stopped.

    Args:
        base: the base model.
        expert: the expert, compatible with the base.
        name: the expert's name in the run.
        layout: the run's layout; its ranks say how many directions are kept.
        store: the run's store.
        cache: local folder for shards, as in `Factors.open`.
        shard_bytes: a shard is closed when it reaches this size.
        device: where the decompositions run.

    Returns:
        The factors as stored, whoever stored them.

    Raises:
        RunMismatch: the store holds factors of another base, expert or rank under this name.
    """
    index_key = keys.factors(name)
    source = {"base": base.digest(), "expert": expert.digest()}
    vector = task_vector(base, expert)
    if not store.exists(index_key):
        cache.mkdir(parents=True, exist_ok=True)
        groups = list(_shards(layout, shard_bytes))
        shards = []
        for number, slots in enumerate(groups, 1):
            key = keys.factors_shard(name, number, len(groups))
            if not store.exists(key):
                with scratch_folder("factors", cache) as folder:
                    path = folder / "shard.safetensors"
                    _write_shard(vector, slots, source, path=path, device=device)
                    store.create_file(key, path)
            ranks = {slot.name: _kept(vector, slot) for slot in slots}
            shards.append(_describe(store, key, source, ranks, cache))
        index = {
            "format": FORMAT,
            "expert": name,
            "base": source["base"],
            "expertDigest": source["expert"],
            "shards": [{"key": s["key"], "sha256": s["sha256"]} for s in shards],
            "tensors": {k: v for s in shards for k, v in s["tensors"].items()},
        }
        store.create(index_key, json.dumps(index, indent=1, sort_keys=True).encode())
    factors = Factors.open(store, name, cache)
    if (factors.base_digest, factors.expert_digest) != (source["base"], source["expert"]):
        raise RunMismatch(
            f"{store.uri}: {index_key} belongs to another base or expert checkpoint; "
            "use a new store or the checkpoints this run began with"
        )
    return factors


def _names(file: MappedFile) -> list[str]:
    return [t.name.removesuffix(".L") for t in file.header.tensors if t.name.endswith(".L")]


def _shards(layout: GenomeLayout, limit: int) -> Iterator[list[TensorSlot]]:
    group: list[TensorSlot] = []
    size = 0
    for slot in layout.tensors:
        if slot.rank == 0:
            continue
        nbytes = 4 * slot.rank * (slot.shape[0] + slot.shape[1])
        if group and size + nbytes > limit:
            yield group
            group, size = [], 0
        group.append(slot)
        size += nbytes
    if group:
        yield group


def _kept(vector: TaskVector, slot: TensorSlot) -> int:
    """How many directions are stored of one tensor: an adapter may have fewer than the run."""
    return min(slot.rank, vector.rank(slot.name))


def _write_shard(
    vector: TaskVector,
    slots: list[TensorSlot],
    source: dict[str, str],
    *,
    path: Path,
    device: str,
) -> None:
    tensors = {}
    for slot in slots:
        change = vector.change(slot.name)
        if change is None:
            continue
        # On a device only one matrix at a time; the shard collects on the host.
        left, right = _directions(change, _kept(vector, slot), device)
        tensors[f"{slot.name}.L"] = left.cpu()
        tensors[f"{slot.name}.R"] = right.cpu()
    # One metadata key: the writer orders several by a hash that differs between processes.
    metadata = {"cycleqd": json.dumps({"format": FORMAT, **source}, sort_keys=True)}
    save_file(tensors, path, metadata)


def _directions(change: Change, rank: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    if change.whole is None and change.low_rank is not None:
        left, right = change.low_rank.left.to(device), change.low_rank.right.to(device)
        return factor_product(left.double() * change.low_rank.scale, right, rank)
    return factor(change.dense(device), rank)


def _describe(
    store: ObjectStore, key: str, source: dict[str, str], ranks: dict[str, int], cache: Path
) -> dict[str, Any]:
    """Bring a stored shard into the cache and describe it for the index."""
    with scratch_folder("factors", cache) as folder:
        path = folder / "shard.safetensors"
        store.download(key, path)
        header = read_header(path)
        document = json.loads(header.metadata["cycleqd"])
        if document != {"format": FORMAT, **source}:
            raise RunMismatch(f"{store.uri}: {key} belongs to another base or expert checkpoint")
        file = MappedFile(header)
        tensors = {}
        for name in _names(file):
            left, right = file.tensor(f"{name}.L"), file.tensor(f"{name}.R")
            if left.shape[1] != ranks.get(name):
                raise RunMismatch(
                    f"{store.uri}: {key} has {left.shape[1]} directions for {name!r}, "
                    f"the run {ranks.get(name)}; use a new store or the rank this run began with"
                )
            parts = {"L": digest.of_tensor("L", left), "R": digest.of_tensor("R", right)}
            tensors[name] = {
                "rank": left.shape[1],
                "sha256": digest.combine(parts).removeprefix("sha256:"),
            }
        checksum = _file_sha256(path)
        path.replace(cache / f"{checksum}.safetensors")
    return {"key": key, "sha256": checksum, "tensors": tensors}


def _fetch(store: ObjectStore, key: str, checksum: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder("factors", target.parent) as folder:
        path = folder / "shard.safetensors"
        store.download(key, path)
        if _file_sha256(path) != checksum:
            raise StoreCorrupt(f"{store.uri}: {key} is not the shard that its index describes")
        path.replace(target)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
