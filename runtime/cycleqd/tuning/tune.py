"""Some dozens of steps in which a model learns from verified answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from cycleqd.errors import EngineError
from cycleqd.tuning.examples import Example, answer_loss, batches
from cycleqd.tuning.lora import Matrices, adapted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel


@dataclass(frozen=True)
class TuneSchedule:
    """How an adapter is trained.

    Attributes:
        rank: of the adapter.
        alpha: its product is scaled by alpha / rank.
        learning_rate: of AdamW, after the warm-up; it falls to a tenth.
        epochs: how often each example is shown.
        batch_size: examples of a step.
        warmup: steps until the learning rate is full.
        seed: of the adapter's first values and of the order of examples.
    """

    rank: int
    alpha: float
    learning_rate: float
    epochs: int
    batch_size: int
    warmup: int
    seed: int


def tune(
    model: PreTrainedModel,
    weights: Collection[str],
    examples: Sequence[Example],
    schedule: TuneSchedule,
    *,
    begin: Mapping[str, Matrices] = MappingProxyType({}),
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Matrices]:
    """Train an adapter of a model in memory, whose own weights stay as they are.

    Args:
        model: in any dtype; the adapter and its optimizer are fp32.
        weights: names of the linear layers' weights that get an adapter.
        examples: at least one.
        schedule: how.
        begin: what the adapter adds at first, by weight; of the schedule's rank at most.
        progress: told the loss now and then, one line each.

    Returns:
        The adapter by weight, on the CPU, the scale in B.

    Raises:
        EngineError: a weight cannot be tuned, or the loss is no number any more.
    """
    scale = schedule.alpha / schedule.rank
    steps = schedule.epochs * -(-len(examples) // schedule.batch_size)
    order = batches(
        examples, epochs=schedule.epochs, batch_size=schedule.batch_size, seed=schedule.seed
    )
    with (
        _training(model),
        adapted(
            model, weights, begin, rank=schedule.rank, scale=scale, seed=schedule.seed
        ) as pairs,
    ):
        parameters = [parameter for pair in pairs.values() for parameter in pair]
        optimizer = torch.optim.AdamW(parameters, schedule.learning_rate, weight_decay=0.0)
        for step, batch in enumerate(order):
            rise = min(1.0, (step + 1) / max(1, schedule.warmup))
            for group in optimizer.param_groups:
                group["lr"] = schedule.learning_rate * rise * (1.0 - 0.9 * step / steps)
            loss = answer_loss(model, batch)
            if not torch.isfinite(loss):
                raise EngineError(
                    f"tuning: the loss is {loss.item()} after {step} steps; lower its learning rate"
                )
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if step % 10 == 9 or step == steps - 1:
                progress(f"step {step + 1} of {steps}, loss {loss.item():.3f}")
        return {
            name: ((scale * left).detach().float().cpu(), right.detach().float().cpu())
            for name, (left, right) in pairs.items()
        }


@contextmanager
def _training(model: PreTrainedModel) -> Iterator[None]:
    """Recompute activations instead of keeping them, and leave no trace of it."""
    was_training = model.training
    keeps = model.supports_gradient_checkpointing
    model.train()
    if keeps:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        if keeps:
            model.gradient_checkpointing_disable()
        model.train(was_training)
