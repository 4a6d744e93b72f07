"""What a teacher holds likely while it reads the answers that others are to learn.

A verified answer says one token in each place, its giver's distribution also which others would
have done and how sure it is: of few answers a student learns far more by it (knowledge
distillation, Hinton et al., 2015).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from cycleqd.tuning.examples import Example, TokenDistributions, answer_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LEADING = 64
"""How many tokens of a distribution are kept, the most likely, and weighed anew: for each token of
an answer a whole one takes as much memory as the vocabulary is long."""


@torch.no_grad()
def distributions(
    teacher: PreTrainedModel, examples: Sequence[Example], batch_size: int
) -> Iterator[TokenDistributions]:
    """What a model says to each answer.

    Args:
        teacher: in memory.
        examples: prompts and answers.
        batch_size: how many are read at once.
    """
    for start in range(0, len(examples), batch_size):
        batch = examples[start : start + batch_size]
        logits, _ = answer_logits(teacher, batch)
        leading = logits.topk(min(LEADING, logits.shape[1]))
        counts = [len(example.tokens) - example.start for example in batch]
        ids = torch.split(leading.indices.cpu(), counts)
        shares = torch.split(leading.values.softmax(-1).cpu(), counts)
        yield from map(TokenDistributions, ids, shares)
