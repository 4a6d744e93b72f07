"""What a model learns from: prompts, of which only the answers count."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy, log_softmax

from cycleqd.evaluation import processor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_QUICK_BF16 = processor.is_quicker_in_bfloat16(processor.facts())


@dataclass(frozen=True)
class TokenDistributions:
    """What a teacher holds likely in the place of each token of an answer: its leading tokens.

    Attributes:
        ids: (answer tokens, leading) int64, on the CPU.
        shares: (answer tokens, leading) float32, on the CPU; each row sums to 1.
    """

    ids: torch.Tensor
    shares: torch.Tensor


@dataclass(frozen=True)
class Example:
    """A prompt and its answer.

    Attributes:
        tokens: ids of both.
        start: index of the answer's first token, at least 1.
        taught: what a teacher says to the answer; None without one.
    """

    tokens: list[int]
    start: int
    taught: TokenDistributions | None = None


def batches(
    examples: Sequence[Example], *, epochs: int, batch_size: int, seed: int
) -> Iterator[list[Example]]:
    """All examples, once in each epoch in an order of its own.

    Args:
        examples: at least one.
        epochs: how often each is shown.
        batch_size: of a batch; the last one of an epoch may be smaller.
        seed: of the orders.
    """
    rng = random.Random(seed)
    for _ in range(epochs):
        order = rng.sample(range(len(examples)), len(examples))
        for start in range(0, len(order), batch_size):
            yield [examples[i] for i in order[start : start + batch_size]]


def answer_loss(
    model: PreTrainedModel, batch: Sequence[Example], distillation: float = 0.0
) -> torch.Tensor:
    """Mean cross entropy of the answers' tokens, in nats.

    Args:
        model: a causal language model.
        batch: examples.
        distillation: weight of the cross entropy to what teachers say in place of that to the
            answer itself (Hinton et al., 2015); answers without a teacher have the latter alone.
    """
    logits, labels = answer_logits(model, batch)
    if distillation == 0 or all(example.taught is None for example in batch):
        return cross_entropy(logits, labels)
    likely = log_softmax(logits, -1)
    told = -likely.gather(1, labels[:, None])[:, 0]
    ids, shares = _taught(batch, labels)
    taught = -(shares * likely.gather(1, ids)).sum(1)
    return ((1.0 - distillation) * told + distillation * taught).mean()


def answer_logits(
    model: PreTrainedModel, batch: Sequence[Example]
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a model says in the place of each token of the answers; in bf16 where that is quick.

    The output head is applied to those positions alone, which saves a large part of the work where
    the vocabulary is large and the model small. Padding stands on the right, where causal attention
    never looks, so no mask is needed.

    Returns:
        (tokens, vocabulary) float32 logits, example by example, and (tokens,) int64 ids of the
        tokens themselves, on the model's device.
    """
    device = model.device
    width = max(len(example.tokens) for example in batch)
    ids = torch.tensor(
        [example.tokens + [0] * (width - len(example.tokens)) for example in batch], device=device
    )
    learned = torch.zeros(len(batch), width - 1, dtype=torch.bool, device=device)
    for row, example in enumerate(batch):
        learned[row, example.start - 1 : len(example.tokens) - 1] = True
    quick = device.type != "cpu" or _QUICK_BF16
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=quick):
        hidden = model.base_model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.get_output_embeddings()(hidden[learned])
    return logits.float(), ids[:, 1:][learned]


def _taught(batch: Sequence[Example], labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and shares of all answers' tokens; without a teacher the token itself has all."""
    counts = [len(example.tokens) - example.start for example in batch]
    leading = max(len(e.taught.ids[0]) for e in batch if e.taught is not None)
    ids = labels[:, None].repeat(1, leading)
    shares = torch.zeros_like(ids, dtype=torch.float32)
    shares[:, 0] = 1.0
    start = 0
    for example, count in zip(batch, counts, strict=True):
        if example.taught is not None:
            rows, columns = slice(start, start + count), slice(len(example.taught.ids[0]))
            ids[rows, columns] = example.taught.ids.to(ids.device)
            shares[rows, columns] = example.taught.shares.to(ids.device)
        start += count
    return ids, shares
