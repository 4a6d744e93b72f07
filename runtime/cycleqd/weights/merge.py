"""The fast path: two checkpoints interpolated file to file.

In a crossover of two parents the base cancels, so the child is one fused pass: two reads, one
write, fp32 inside, one rounding (``torch.lerp``). When both files have the same header their data
sections are two flat vectors and the child's header is theirs. Memory is a few blocks, whatever the
model.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TYPE_CHECKING

import torch

from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.folder import ShardedWriter, atomic_folder, copy_companions
from cycleqd.errors import CheckpointError
from cycleqd.store.localfile import write_all
from cycleqd.weights import digest
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.crew import single_threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Elements computed at once: enough that a call's overhead vanishes.
_BLOCK = 1 << 20
_SHARD_BYTES = 5_000_000_000


def merge_files(a: Path, b: Path, t: float, out: Path, *, threads: int) -> None:
    """Write the checkpoint ``(1 - t) a + t b``.

    Args:
        a: a checkpoint folder; the result has its types, configuration and tokenizer.
        b: a checkpoint folder with the same tensors.
        t: 0 for a, 1 for b.
        out: a new folder; it appears whole or not at all.
        threads: blocks computed at the same time; the result does not depend on it.

    Raises:
        CheckpointError: a folder is no checkpoint, or the tensors differ in name or shape.
        InputError: ``out`` exists and is not empty.
        StoreFull: the disk is full.
    """
    first, second = Checkpoint.open(a), Checkpoint.open(b)
    with atomic_folder(out) as folder, single_threaded():
        copy_companions(first.folder, folder, (info.dtype for info in first.tensors))
        if _same_layout(first, second):
            _merge_flat(first, second, t, folder, threads)
        else:
            _merge_by_tensor(first, second, t, folder, threads)


def _same_layout(first: Checkpoint, second: Checkpoint) -> bool:
    ours, theirs = first.header.files, second.header.files
    one_type = len({info.dtype for info in first.tensors}) == 1
    # A stored copy of a tied head is dropped on the other path.
    single = len(ours) == len(theirs) == 1 and not first.header.tied_heads
    return single and one_type and ours[0].raw == theirs[0].raw


def _merge_flat(
    first: Checkpoint, second: Checkpoint, t: float, folder: Path, threads: int
) -> None:
    header = first.header.files[0]
    start = len(header.raw)
    (ours,) = (file.vector() for file in first.files.values())
    (theirs,) = (file.vector() for file in second.files.values())
    descriptor = os.open(folder / header.path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.ftruncate(descriptor, header.size)
        write_all(descriptor, header.raw, 0)

        def write(offset: int, data: memoryview) -> None:
            write_all(descriptor, data, start + offset)

        _interpolate(ours, theirs, t, write, threads)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _merge_by_tensor(
    first: Checkpoint, second: Checkpoint, t: float, folder: Path, threads: int
) -> None:
    theirs = second.header.by_name
    for info in first.tensors:
        other = theirs.get(info.name)
        if other is None or other.shape != info.shape:
            found = "no such tensor" if other is None else f"shape {quoted(list(other.shape))}"
            raise CheckpointError(
                f"{second.folder}: tensor {quoted(info.name)}: found {found}, "
                f"expected shape {quoted(list(info.shape))}; only models of one "
                "architecture can be merged"
            )
    entries = [(info.name, info.dtype, info.shape) for info in first.tensors]
    writer = ShardedWriter(folder, entries, _SHARD_BYTES)
    try:
        for name, _, _ in entries:

            def write(offset: int, data: memoryview, name: str = name) -> None:
                writer.write(name, offset, data)

            x, y = first.tensor(name).reshape(-1), second.tensor(name).reshape(-1)
            _interpolate(x, y, t, write, threads)
        writer.sync()
    finally:
        writer.close()


def _interpolate(
    first: torch.Tensor,
    second: torch.Tensor,
    t: float,
    write: Callable[[int, memoryview], None],
    threads: int,
) -> None:
    """Interpolate two flat vectors block by block; ``write`` takes a byte offset and bytes."""
    memory = local()
    itemsize = first.element_size()

    def block(begin: int) -> None:
        x, y = first[begin : begin + _BLOCK], second[begin : begin + _BLOCK]
        if not hasattr(memory, "out"):
            memory.out = torch.empty(min(_BLOCK, first.numel()), dtype=first.dtype)
        out = memory.out[: x.numel()]
        if x.dtype == y.dtype:
            # Opens to fp32 inside and rounds once, also for bf16 and fp16.
            torch.lerp(x, y, t, out=out)
        else:
            out.copy_(torch.lerp(x.float(), y.float(), t))
        write(begin * itemsize, digest.tensor_bytes(out))

    begins: Iterator[int] = iter(range(0, first.numel(), _BLOCK))
    if threads == 1:
        for begin in begins:
            block(begin)
        return
    with ThreadPoolExecutor(threads, "merge") as pool:
        for _ in pool.map(block, begins):
            pass
