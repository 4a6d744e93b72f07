"""A member as an adapter: fitted, measured where not exact, refused where it loses too much.

What is measured is the base with the adapter merged into it, rounded as the run's models are, on
the search items and by the code that gave the member its own scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from cycleqd.checkpoints.folder import check_new_folder
from cycleqd.errors import InputError
from cycleqd.evaluation.engines.skeleton import read_skeleton
from cycleqd.evolution.genome import base_genome
from cycleqd.evolution.metrics import mean_and_error
from cycleqd.records.documents import NOT_ASKED
from cycleqd.records.loss import LOSS_FILE, LossDocument, TaskLoss
from cycleqd.roles.workbench import ModelWorkbench
from cycleqd.run.members import Members
from cycleqd.run.store import RunStore
from cycleqd.store.cache import cache_folder
from cycleqd.weights.lora_export import write_adapter
from cycleqd.weights.lora_fit import LoraFit, adapted_tensors, fit_closely, fit_exactly

Say = Callable[[str], None]

_REPORTS = 10
"""How often a fit tells how far it is."""

_WORTH_SAVING = 0.01
"""From this share on, what no product can hold is named as a remedy."""


@dataclass(frozen=True)
class AdapterOptions:
    """How a member becomes an adapter.

    Attributes:
        rank: the highest of a product; None for exactly what the member is, or a refusal.
        onto: the candidate that it is added to, None for the base model.
        max_loss: the most that its mean score over tasks may fall on search items.
        save_others: whether tensors that no product can hold are saved whole.
    """

    rank: int | None
    onto: str | None
    max_loss: float
    save_others: bool


@dataclass(frozen=True)
class ExportedAdapter:
    """What was written.

    Attributes:
        rank: of every module.
        modules: how many got a product.
        saved: modules that are saved whole, which peft opens and vLLM does not.
        relative_error: of all that the member adds, by the Frobenius norm; 0 where it is exact.
        nbytes: of the weights' file.
        loss: what it loses on search items; None where it is exact.
    """

    rank: int
    modules: int
    saved: int
    relative_error: float
    nbytes: int
    loss: LossDocument | None


def export_adapter(
    run: RunStore, candidate: str, folder: Path, options: AdapterOptions, say: Say
) -> ExportedAdapter:
    """Write a member as an adapter; see `cycleqd.api.run.Run.export_adapter`."""
    check_new_folder(folder)  # before minutes of work
    bench = ModelWorkbench(run, cache_folder())
    try:
        export = _Export(run, bench, candidate, options, say)
        fit = export.fit()
        loss = export.measure(fit) if fit.relative_error and fit.rank else None
    finally:
        bench.close()
    if loss is not None:
        check_loss(loss, options)
    models = export.models
    made = write_adapter(
        fit,
        models.base,
        models.experts.values(),
        export.modules,
        folder,
        base_uri=options.onto or models.revision.base.uri,
        beside={} if loss is None else {LOSS_FILE: loss.to_bytes()},
    )
    return ExportedAdapter(
        made.rank, made.modules, made.saved, fit.relative_error, made.nbytes, loss
    )


class _Export:
    """One member on its way."""

    def __init__(
        self,
        run: RunStore,
        bench: ModelWorkbench,
        candidate: str,
        options: AdapterOptions,
        say: Say,
    ) -> None:
        self._run = run
        self._bench = bench
        self._candidate = candidate
        self._options = options
        self._say = say
        self._revision = run.under_way()
        self.models = bench.models(self._revision)
        self.modules = read_skeleton(self.models.base.header).modules
        self._member = self.models.genome(candidate)
        self._hub = None if options.onto is None else self.models.genome(options.onto)

    def fit(self) -> LoraFit:
        maker, rank = self.models.materializer, self._options.rank
        if rank is None:
            return fit_exactly(maker, self.models.experts, self._member, self._hub)

        def done(number: int, total: int) -> None:
            if number and number * _REPORTS // total > (number - 1) * _REPORTS // total:
                self._say(f"rank {rank}: {number} of {total} tensors fitted")

        return fit_closely(
            maker,
            self.modules,
            self._member,
            self._hub,
            rank=rank,
            save_others=self._options.save_others,
            done=done,
        )

    def measure(self, fit: LoraFit) -> LossDocument:
        maker = self.models.materializer
        base = self._hub or base_genome(self._revision.layout)
        self._say(f"{self._candidate} as an adapter of rank {fit.rank}: on the search items")
        adapter = self._outcomes(adapted_tensors(maker, base, fit))
        member = stored_outcomes(self._run, self._candidate)
        if member is None or _counts(member) != _counts(adapter):
            self._say(
                f"{self._candidate} itself: on the search items, not all of which it was asked"
            )
            member = self._outcomes(maker.tensors(self._member))
        tasks, mean, error = losses(member, adapter)
        return LossDocument(
            run=self._run.document.run_id,
            candidate=self._candidate,
            onto=self._options.onto,
            rank=fit.rank,
            relative_error=fit.relative_error,
            left_out=fit.left_out,
            left_out_share=fit.left_out_share,
            tasks=tasks,
            mean_loss=mean,
            standard_error=error,
        )

    def _outcomes(self, weights: Iterable[tuple[str, torch.Tensor]]) -> dict[str, str]:
        found = self._bench.ask(weights, "search", self._revision)
        return {task: outcomes.solved for task, outcomes in found.items()}


def stored_outcomes(run: RunStore, candidate: str) -> Mapping[str, str] | None:
    """What a run knows of a member on all search items, by task; None where it knows not all."""
    outcomes = Members(run).outcomes(candidate)
    whole = outcomes and not any(NOT_ASKED in marks for marks in outcomes.values())
    return outcomes if whole else None


def losses(
    member: Mapping[str, str], adapter: Mapping[str, str]
) -> tuple[dict[str, TaskLoss], float, float]:
    """What the second lost of the first: by task, the mean over tasks, and its standard error.

    Args:
        member: by task one character an item, ``1`` solved, ``0`` not.
        adapter: the same of the adapter, on the same items; its order of tasks is kept.
    """
    columns = {
        task: [
            float(one == "1") - float(other == "1")
            for one, other in zip(member[task], marks, strict=True)
        ]
        for task, marks in adapter.items()
    }
    tasks = {}
    for task, column in columns.items():
        loss, error = mean_and_error([column])
        items = len(column)
        tasks[task] = TaskLoss(
            items=items,
            member=member[task].count("1") / items,
            adapter=adapter[task].count("1") / items,
            loss=loss,
            standard_error=error,
        )
    mean, error = mean_and_error(list(columns.values()))
    return tasks, mean, error


def check_loss(loss: LossDocument, options: AdapterOptions) -> None:
    """Refuse an adapter that loses more than was asked.

    Raises:
        InputError: it does; the message has the scores and the remedy.
    """
    if loss.mean_loss <= options.max_loss:
        return
    remedy = f"a higher rank (--rank {2 * loss.rank})"
    if options.onto is None:
        remedy += ", a member near it in the base's place (--onto MEMBER)"
    if loss.left_out_share > _WORTH_SAVING:
        remedy += (
            f", --save-others for what no product can hold ({loss.left_out_share:.0%} of what it "
            "adds; peft opens that, vLLM does not)"
        )
    raise InputError(
        f"{loss.candidate} as an adapter of rank {loss.rank} loses {loss.mean_loss:.3f} "
        f"(standard error {loss.standard_error:.3f}) of its mean score on search items, more than "
        f"--max-loss {options.max_loss:g} ({loss.scores}); nothing was written; give {remedy}, "
        "or allow more"
    )


def _counts(outcomes: Mapping[str, str]) -> dict[str, int]:
    return {task: len(marks) for task, marks in outcomes.items()}
