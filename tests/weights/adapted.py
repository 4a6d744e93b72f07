"""A base and its experts, full or adapters, opened and factored as a run does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cycleqd.checkpoints.header import layout as make_layout
from cycleqd.store import MemoryStore
from cycleqd.weights.check import check_base, check_expert
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.experts import open_expert, task_vector
from cycleqd.weights.factors import Factors, factor_expert
from cycleqd.weights.materialize import Materializer

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.evolution.genome import GenomeLayout
    from cycleqd.weights.experts import Expert


class Adapted:
    """A base and its experts, opened as a run opens them.

    Args:
        base: its folder.
        folders: of the experts, by name.
        cache: for factors.
        base_vocabulary: whether experts of other vocabularies are taken with the base's.
    """

    def __init__(
        self,
        base: Path,
        folders: dict[str, Path],
        cache: Path,
        *,
        base_vocabulary: bool = False,
    ) -> None:
        self.base = Checkpoint.open(base)
        check_base(self.base)
        self.experts: dict[str, Expert] = {}
        for name, folder in folders.items():
            expert = open_expert(folder, self.base, base_vocabulary=base_vocabulary)
            check_expert(self.base, expert, base_vocabulary=base_vocabulary)
            self.experts[name] = expert
        self.vectors = {name: task_vector(self.base, e) for name, e in self.experts.items()}
        limits = {
            tensor.name: max(vector.rank(tensor.name) for vector in self.vectors.values())
            for tensor in self.base.tensors
        }
        self.layout: GenomeLayout = make_layout(self.base.header, list(folders), None, limits)
        self.store = MemoryStore()
        self.cache = cache

    def factored(self) -> dict[str, Factors]:
        return {
            name: factor_expert(self.base, expert, name, self.layout, self.store, cache=self.cache)
            for name, expert in self.experts.items()
        }

    def materializer(
        self, factors: dict[str, Factors] | None = None, **options: Any
    ) -> Materializer:
        arguments = {"seed": 7, "dtype": "float32", "threads": 1, **options}
        return Materializer(self.base, self.experts, factors or {}, self.layout, **arguments)
