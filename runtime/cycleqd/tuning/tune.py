"""Some dozens of steps in which a model learns from verified answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from cycleqd.errors import EngineError
from cycleqd.tuning.examples import Example, answer_loss, batches
from cycleqd.tuning.lora import Matrices, adapted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel


CPU_ACTIVATION_BYTES = 2 * 1024**3
"""Beyond it activations are computed a second time (gradient checkpointing), which takes half as
long again; on a GPU half of what is free."""


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
        distillation: weight of what teachers say, see `answer_loss`.
    """

    rank: int
    alpha: float
    learning_rate: float
    epochs: int
    batch_size: int
    warmup: int
    seed: int
    distillation: float = 0.0


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
    longest = max(len(example.tokens) for example in examples)
    with (
        _training(model, keep=_fit(model, longest * min(schedule.batch_size, len(examples)))),
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
            loss = answer_loss(model, batch, schedule.distillation)
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


def activation_bytes(model: PreTrainedModel, tokens: int) -> int:
    """About what a forward pass keeps for the backward pass; attention's scores are not kept.

    Of each block and token some 18 vectors of the hidden size stay (inputs of the linear layers,
    norms and residuals, those of adapters in fp32) and 5 of the inner size, as measured.

    Args:
        model: in memory.
        tokens: of a batch, padding counted.
    """
    config: Any = model.config.get_text_config()
    hidden = int(config.hidden_size)
    inner = int(getattr(config, "intermediate_size", None) or 4 * hidden)
    blocks = int(config.num_hidden_layers)
    return tokens * blocks * (18 * hidden + 5 * inner) * 4


def _fit(model: PreTrainedModel, tokens: int) -> bool:
    """Whether activations may be kept; both ways compute the same numbers."""
    room = CPU_ACTIVATION_BYTES
    if model.device.type == "cuda":
        room = torch.cuda.mem_get_info(model.device)[0] // 2
    return activation_bytes(model, tokens) <= room


@contextmanager
def _training(model: PreTrainedModel, *, keep: bool) -> Iterator[None]:
    """Train; compute activations again unless they are kept, and leave no trace of it."""
    was_training = model.training
    again = model.supports_gradient_checkpointing and not keep
    model.train()
    if again:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        if again:
            model.gradient_checkpointing_disable()
        model.train(was_training)
