"""What a model learns from: prompts, of which only the answers count."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy

from cycleqd.evaluation import processor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_HAS_BF16 = processor.has_bfloat16(processor.facts()) is True
"""Processors without such instructions take several times as long for bf16 as for float32."""


@dataclass(frozen=True)
class Example:
    """A prompt and its answer.

    Attributes:
        tokens: ids of both.
        start: index of the answer's first token, at least 1.
    """

    tokens: list[int]
    start: int


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


def answer_loss(model: PreTrainedModel, batch: Sequence[Example]) -> torch.Tensor:
    """Mean cross entropy of the answers' tokens, in nats; computed in bf16 where that is quick.

    The output head is applied to those positions alone, which saves a large part of the work where
    the vocabulary is large and the model small. Padding stands on the right, where causal attention
    never looks, so no mask is needed.
    """
    device = model.device
    width = max(len(example.tokens) for example in batch)
    ids = torch.tensor(
        [example.tokens + [0] * (width - len(example.tokens)) for example in batch], device=device
    )
    learned = torch.zeros(len(batch), width - 1, dtype=torch.bool, device=device)
    for row, example in enumerate(batch):
        learned[row, example.start - 1 : len(example.tokens) - 1] = True
    quick = device.type != "cpu" or _HAS_BF16
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=quick):
        hidden = model.base_model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.get_output_embeddings()(hidden[learned])
    return cross_entropy(logits.float(), ids[:, 1:][learned])
