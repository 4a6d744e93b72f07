"""A run of small real checkpoints whose scores are synthetic and whose weights are real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cycleqd.records import keys
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verified, Verifier
from cycleqd.weights.adapters import store_adapter
from tests.run.synthetic import SyntheticWorkbench, do_everything

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.records.documents import EvaluateEntry, FactorEntry, ResultDocument
    from cycleqd.run.revision import Revision


class WeighingWorkbench(SyntheticWorkbench):
    """Materialises each candidate and tells its digest, like a worker."""

    def __init__(self, run: RunStore, scratch: Path) -> None:
        super().__init__(run)
        self._models = RunModels(run, scratch)

    def factor(self, entry: FactorEntry, revision: Revision) -> str:
        return self._models.as_of(revision).factor(entry.expert)

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        models = self._models.as_of(revision)
        if entry.tune is not None:
            self._learn(entry.candidate, revision)
        digest = models.materializer.digest(models.genome(entry.candidate))
        return super().evaluate(entry, revision).model_copy(update={"digest": digest})

    def _learn(self, candidate: str, revision: Revision) -> None:
        """An adapter of rank 2 that follows from the candidate's id."""
        seed = keys.child_number(candidate)
        assert seed is not None
        draw = torch.Generator().manual_seed(seed)
        pairs = {
            slot.name: (
                torch.randn(slot.shape[0], 2, generator=draw) * 0.1,
                torch.randn(2, slot.shape[1], generator=draw) * 0.1,
            )
            for slot in revision.layout.tensors
            if len(slot.shape) == 2 and "proj" in slot.name
        }
        store_adapter(self._run.objects, candidate, pairs)


def work(run: RunStore, scratch: Path) -> None:
    """Do all that a run asks for."""
    do_everything(run, bench=WeighingWorkbench(run, scratch))


def verify(run: RunStore, scratch: Path) -> Verified:
    """Recompute a run with its weights, as ``cycleqd verify`` does."""
    again = RunStore(run.objects)
    models = RunModels(again, scratch).under_way()
    return Verifier(
        again, lambda candidate: models.materializer.digest(models.stored_genome(candidate))
    ).verify()
