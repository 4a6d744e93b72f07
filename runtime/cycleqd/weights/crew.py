"""Who computes the blocks of a tensor: this thread, or a small pool with one thread for each block.

OpenMP threads inside an operation wait for each other at barriers; on shared cores one descheduled
thread then stops all (24 times slower, measured). So torch is held to one thread here and blocks
run side by side. Blocks come out in order, a few are in flight, and each has scratch memory of its
own: added memory does not depend on the model's size.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from cycleqd.weights.combine import Recipe, Scratch, compute

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def single_threaded() -> Iterator[None]:
    """One torch thread for each operation inside the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Crew:
    """Computes recipes block by block.

    Args:
        threads: blocks computed at the same time.
        device: where they are computed.
    """

    def __init__(self, threads: int, device: torch.device) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "combine")
        # One block is consumed (hashed, written) while every thread computes another.
        self._scratches = [Scratch(device) for _ in range(threads + 1)]

    def fill(self, recipe: Recipe, out: torch.Tensor) -> None:
        """Compute a whole tensor into ``out``: contiguous, any float type, the crew's device."""
        matrix = out.view(recipe.rows, recipe.columns)
        if self._threads == 1:
            for first, last in recipe.blocks():
                compute(recipe, (first, last), self._scratches[0], matrix[first:last])
            return
        for _ in self._run(recipe, out.dtype, matrix):
            pass

    def blocks(self, recipe: Recipe, dtype: torch.dtype) -> Iterator[torch.Tensor]:
        """The blocks of a tensor in order, each valid until the next is asked for."""
        return self._run(recipe, dtype, None)

    def _run(
        self, recipe: Recipe, dtype: torch.dtype, out: torch.Tensor | None
    ) -> Iterator[torch.Tensor]:
        free = list(self._scratches)
        pending: deque[tuple[Future[None], Scratch, torch.Tensor]] = deque()
        try:
            for rows in recipe.blocks():
                if not free:
                    yield from self._next(pending, free)
                scratch = free.pop()
                if out is None:
                    elements = (rows[1] - rows[0]) * recipe.columns
                    block = scratch.take("rounded", elements, dtype).view(-1, recipe.columns)
                else:
                    block = out[rows[0] : rows[1]]
                future = self._pool.submit(compute, recipe, rows, scratch, block)
                pending.append((future, scratch, block))
            while pending:
                yield from self._next(pending, free)
        finally:
            # Scratch memory must be at rest before the next tensor takes it.
            for future, _, _ in pending:
                future.exception()

    @staticmethod
    def _next(
        pending: deque[tuple[Future[None], Scratch, torch.Tensor]], free: list[Scratch]
    ) -> Iterator[torch.Tensor]:
        future, scratch, block = pending[0]
        future.result()
        pending.popleft()
        yield block
        free.append(scratch)
