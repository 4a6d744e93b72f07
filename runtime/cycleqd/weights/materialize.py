"""From a genome to weights: one materialiser, three sinks.

`Materializer` turns coefficients into tensors one by one in checkpoint order: into an engine
(`tensors`), into memory (`to_ram`), or into a Hugging Face folder (`to_file`). All three pass
through the same blocks (`cycleqd.weights.combine`), so their bytes and their digest are equal, for
any number of threads. What is zero is skipped: experts with scale and gain zero are never read,
tensors that no expert changed are passed on as they lie in the base's file.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from cycleqd.checkpoints.folder import ShardedWriter, atomic_folder, copy_companions
from cycleqd.checkpoints.safetensors_file import build_header
from cycleqd.errors import CycleQDError, RunMismatch
from cycleqd.evolution import rng
from cycleqd.evolution.genome import (
    ChildSVD,
    Dense,
    Genome,
    GenomeLayout,
    Merged,
    base_genome,
)
from cycleqd.records import keys
from cycleqd.scratch import scratch_folder
from cycleqd.store.localfile import atomic_file, write_all
from cycleqd.weights import digest, merged_vectors, task_vectors
from cycleqd.weights.checkpoint import TORCH_TYPES, Checkpoint
from cycleqd.weights.combine import NoiseSource, Product, Recipe, coefficients
from cycleqd.weights.crew import Crew, single_threaded
from cycleqd.weights.experts import task_vector
from cycleqd.weights.svd import factor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cycleqd.store.base import ObjectStore
    from cycleqd.weights.adapters import AdapterSource
    from cycleqd.weights.change import Change
    from cycleqd.weights.experts import Expert, TaskVector
    from cycleqd.weights.factors import Factors

DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_SHARD_BYTES = 5_000_000_000
# Bytes of a slice when a tensor is passed on unchanged.
_SLICE = 4 << 20


class Materializer:
    """Makes weights of genomes.

    Args:
        base: the base model.
        experts: checkpoints or adapters by name; one that a genome does not use is not looked up.
        factors: their singular directions by name; looked up only for genomes with gains.
        layout: the run's layout.
        seed: the run's seed, for terms that draw random numbers.
        dtype: ``bfloat16``, ``float16`` or ``float32`` for all tensors, None for each tensor's own
            type in the base.
        threads: blocks computed at the same time; the result does not depend on it.
        dense_source: where `Dense` terms find their task vectors.
        adapter_source: where genomes with adapters find them.
        kept: merged task vectors of the run, filled and read; this object's own when absent.
        device: where the arithmetic runs.

    Raises:
        RunMismatch: the layout is not that of the base.
    """

    def __init__(
        self,
        base: Checkpoint,
        experts: Mapping[str, Expert],
        factors: Mapping[str, Factors],
        layout: GenomeLayout,
        *,
        seed: int,
        dtype: str | None,
        threads: int,
        dense_source: task_vectors.DenseSource | None = None,
        adapter_source: AdapterSource | None = None,
        kept: merged_vectors.Kept | None = None,
        device: str = "cpu",
    ) -> None:
        expected = [(slot.name, slot.shape) for slot in layout.tensors]
        if expected != [(info.name, info.shape) for info in base.tensors]:
            raise RunMismatch(f"{base.folder}: not the base model that this run began with")
        self._base = base
        self._experts = experts
        self._factors = factors
        self._layout = layout
        self._dense_source = dense_source
        self._adapter_source = adapter_source
        self._kept = kept if kept is not None else merged_vectors.Kept()
        self._seed = seed
        self._device = torch.device(device)
        self._crew = Crew(threads, self._device)
        self._dtypes = [DTYPES[dtype] if dtype else info.dtype for info in base.tensors]
        self._vectors: dict[str, TaskVector] = {}

    def tensors(self, genome: Genome) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor in checkpoint order; the receiver may keep but not write them."""
        for number, slot in enumerate(self._layout.tensors):
            yield slot.name, self._tensor(genome, number)

    def tensor(self, genome: Genome, number: int) -> torch.Tensor:
        """One tensor, which the receiver may keep but not write."""
        return self._tensor(genome, number)

    def task_vector(self, genome: Genome, number: int) -> Recipe:
        """How tensor ``number`` of the child's difference from the base is made."""
        return self._recipe(genome, number, 0.0)

    def dense(self, recipe: Recipe) -> torch.Tensor:
        """What a recipe makes, float32 and the caller's own."""
        with single_threaded():
            return self._whole(recipe, torch.float32)

    def to_ram(self, genome: Genome) -> dict[str, torch.Tensor]:
        """All tensors, the caller's own."""
        slots = enumerate(self._layout.tensors)
        return {slot.name: self._tensor(genome, number, own=True) for number, slot in slots}

    def digest(self, genome: Genome) -> str:
        """The digest of the child's weights."""
        passing = digest.DigestingIterator(self.tensors(genome))
        for _ in passing:
            pass
        return passing.digest

    def to_file(
        self,
        genome: Genome,
        folder: Path,
        shard_bytes: int = _SHARD_BYTES,
        chat_template: str | None = None,
    ) -> str:
        """Write a Hugging Face folder that appears whole or not at all.

        Args:
            genome: the child.
            folder: a new folder.
            shard_bytes: limit of a weight file's tensors; larger models are sharded.
            chat_template: takes the place of the base's.

        Returns:
            The digest of the weights.

        Raises:
            InputError: the folder exists and is not empty.
            StoreFull: the disk is full.
        """
        slots = self._layout.tensors
        entries = [(s.name, d, s.shape) for s, d in zip(slots, self._dtypes, strict=True)]
        digests = {}
        with atomic_folder(folder) as partial:
            copy_companions(self._base.folder, partial, self._dtypes, chat_template)
            writer = ShardedWriter(partial, entries, shard_bytes)
            try:
                for number, (name, dtype, shape) in enumerate(entries):
                    state = digest.begin(name, dtype, shape)
                    offset = 0
                    for data in self._bytes(self._recipe(genome, number), dtype):
                        state.update(data)
                        writer.write(name, offset, data)
                        offset += len(data)
                    digests[name] = state.digest()
                writer.sync()
            finally:
                writer.close()
        return digest.combine(digests)

    def store_task_vector(self, genome: Genome, candidate: str, store: ObjectStore) -> Genome:
        """Store a genome's task vector, so that it and its descendants refer to it by its id.

        If the store already has one for this candidate, that one is kept.

        Args:
            genome: any genome, usually with a `ChildSVD` term.
            candidate: the candidate's id.
            store: the run's store.

        Returns:
            The genome that means the stored task vector.
        """
        key = keys.task_vector(candidate)
        if not store.exists(key):
            with scratch_folder("weights") as folder:
                path = folder / "task-vector.safetensors"
                self._write_task_vector(genome, path)
                store.create_file(key, path)
        base = base_genome(self._layout)
        return Genome(self._layout, base.scale, dense=(Dense(candidate, 1.0),))

    def _write_task_vector(self, genome: Genome, path: Path) -> None:
        # Zero tensors are left out; a child-SVD term does not make or unmake zeros.
        linear = _without_child_svd(genome)
        numbers = [
            number
            for number in range(len(self._layout.tensors))
            if not self._recipe(linear, number, 0.0).zero
        ]
        slots = [self._layout.tensors[number] for number in numbers]
        entries = [(slot.name, "F32", slot.shape) for slot in slots]
        # The digest has a fixed length: its place is kept free until it is known.
        unknown, offsets, _ = build_header(entries, {"cycleqd": _metadata("sha256:" + "0" * 64)})
        digests = {}
        with atomic_file(path) as descriptor:
            for number, (name, dtype, shape) in zip(numbers, entries, strict=True):
                offset = offsets[name]
                state = digest.begin(name, dtype, shape)
                for data in self._bytes(self._recipe(genome, number, 0.0), dtype):
                    state.update(data)
                    write_all(descriptor, data, offset)
                    offset += len(data)
                digests[name] = state.digest()
            header, _, _ = build_header(entries, {"cycleqd": _metadata(digest.combine(digests))})
            assert len(header) == len(unknown)
            write_all(descriptor, header, 0)

    def _bytes(self, recipe: Recipe, dtype: str) -> Iterator[memoryview]:
        """A tensor's bytes in order, each piece valid until the next is asked for."""
        with single_threaded():
            copied = recipe.copied
            if copied is not None and copied.dtype == TORCH_TYPES[dtype]:
                whole = digest.tensor_bytes(copied)
                for begin in range(0, len(whole), _SLICE):
                    yield whole[begin : begin + _SLICE]
                return
            for block in self._crew.blocks(recipe, TORCH_TYPES[dtype]):
                yield digest.tensor_bytes(block)

    def _tensor(self, genome: Genome, number: int, *, own: bool = False) -> torch.Tensor:
        with single_threaded():
            recipe = self._recipe(genome, number)
            dtype = TORCH_TYPES[self._dtypes[number]]
            if recipe.copied is not None and recipe.copied.dtype == dtype:
                return recipe.copied.to(self._device, copy=own)
            return self._whole(recipe, dtype)

    def _whole(self, recipe: Recipe, dtype: torch.dtype) -> torch.Tensor:
        out = torch.empty(recipe.slot.shape, dtype=dtype, device=self._device)
        self._crew.fill(recipe, out)
        return out

    def _recipe(self, genome: Genome, number: int, base_weight: float = 1.0) -> Recipe:
        """How tensor ``number`` is made; ``base_weight`` 0 for the task vector alone."""
        if genome.layout != self._layout:
            raise ValueError("the genome has another layout than the materialiser")
        if genome.child_svd is not None:
            return self._child_svd(genome, genome.child_svd, number, base_weight)
        slot = self._layout.tensors[number]
        base = self._base.tensor(slot.name)
        experts = []
        products = []
        for index, expert in enumerate(self._layout.experts):
            scale = float(genome.scale[index, number])
            change = self._vector(expert).change(slot.name) if scale else None
            if change is not None and change.whole is not None:
                experts.append((change.whole, scale))
            if change is not None and change.low_rank is not None:
                low_rank = change.low_rank
                factors = np.full(low_rank.right.shape[0], scale * low_rank.scale, np.float32)
                products.append(Product(low_rank.left, low_rank.right, factors))
            gain = genome.gain_of(index, number)
            if gain is not None and (pair := self._factors[expert].get(slot.name)) is not None:
                # An adapter may have fewer directions than the layout has places.
                products.append(Product(*pair, gain[: pair[1].shape[0]]))
        products.extend(self._adapters(genome, number))
        sources = coefficients(base, experts, base_weight)
        noise = tuple(
            NoiseSource(self._seed, term.candidate, term.stddev * term.coefficient)
            for term in genome.noise
            if term.stddev * term.coefficient
        )
        dense = self._dense(genome.dense, slot.name)
        merged = self._merged(genome.merged, slot.name)
        return Recipe(slot, (*sources, *dense, *merged), tuple(products), noise)

    def _dense(self, terms: tuple[Dense, ...], name: str) -> Iterator[tuple[torch.Tensor, float]]:
        for term in terms:
            if self._dense_source is None:
                raise CycleQDError(f"no source for the task vector of candidate {term.candidate}")
            vector = self._dense_source.task_vector(term.candidate)
            if term.coefficient and name in vector:
                yield vector.tensor(name), term.coefficient

    def _merged(self, terms: tuple[Merged, ...], name: str) -> Iterator[tuple[torch.Tensor, float]]:
        """Merged task vectors; none where no expert differs."""
        terms = tuple(term for term in terms if term.coefficient)
        if not terms:
            return
        changes = {
            expert: change
            for expert in self._layout.experts
            if (change := self._vector(expert).change(name)) is not None
        }
        if not changes:
            return
        for term in terms:
            vector = self._kept.get(name, term.method, term.density)
            if vector is None:
                vector = self._merge(changes, name, term)
                self._kept.add(name, term.method, term.density, vector)
            yield vector.to(self._device), term.coefficient

    def _merge(self, changes: dict[str, Change], name: str, term: Merged) -> torch.Tensor:
        vectors = {expert: change.dense(self._device) for expert, change in changes.items()}
        source = merged_vectors.Source(vectors, len(self._layout.experts), name)
        # Held to one thread: a decomposition by several has other last bits.
        with single_threaded():
            return merged_vectors.merge(source, term.method, term.density, self._seed)

    def _adapters(self, genome: Genome, number: int) -> Iterator[Product]:
        """The low-rank parts of what was learned, in the order of the genome."""
        if genome.adapter_scale is None:
            return
        name = self._layout.tensors[number].name
        for candidate, share in zip(genome.adapters, genome.adapter_scale[:, number], strict=True):
            if self._adapter_source is None:
                raise CycleQDError(f"no source for the adapter of candidate {candidate}")
            pair = self._adapter_source.adapter(candidate).get(name)
            if share and pair is not None:
                yield Product(*pair, np.full(pair[1].shape[0], share, np.float32))

    def _child_svd(self, genome: Genome, term: ChildSVD, number: int, base_weight: float) -> Recipe:
        """The task vector of everything else, its singular values multiplied by ``1 + w``."""
        slot = self._layout.tensors[number]
        recipe = self._recipe(_without_child_svd(genome), number, 0.0)
        sources = [(self._base.tensor(slot.name), base_weight)] if base_weight else []
        if recipe.zero:
            return Recipe(slot, tuple(sources))
        # Held to one thread here too: a decomposition by several has other last bits.
        with single_threaded():
            vector = self._whole(recipe, torch.float32)
            if len(slot.shape) == 2:
                rank = min(term.rank or min(slot.shape), *slot.shape)
                left, right = factor(vector, rank)
                stream = rng.stream(self._seed, term.candidate, "child-svd", slot.name)
                weights = (stream.uniform(rank) * term.max_scale).astype(np.float32)
                vector.addmm_(left * torch.from_numpy(weights).to(self._device), right)
        return Recipe(slot, (*sources, (vector, 1.0)))

    def _vector(self, expert: str) -> TaskVector:
        """An expert's task vector; one for all tensors, since it remembers which ones differ."""
        if expert not in self._vectors:
            self._vectors[expert] = task_vector(self._base, self._experts[expert])
        return self._vectors[expert]


def _without_child_svd(genome: Genome) -> Genome:
    return dataclasses.replace(genome, child_svd=None)


def _metadata(weights_digest: str) -> str:
    document = {"format": "cycleqd-task-vector/1", "digest": weights_digest}
    return json.dumps(document, sort_keys=True)
