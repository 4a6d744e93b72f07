"""A fine-tune of some minutes on a CPU: what makes the experts of the demo.

fp32 master weights, bf16 autocast on processors that have it, AdamW, loss on the answer's tokens
only. The output head is applied to those positions alone, which saves a large part of the work
where the vocabulary is large and the model small. The number of threads is fixed by the recipe, and
everything random follows from its seed: the same machine gives the same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, PreTrainedModel

from cycleqd.checkpoints.files import SINGLE_FILE
from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.demo.base_model import copy_all_but_weights
from cycleqd.demo.questions import Question
from cycleqd.demo.recipes import Schedule
from cycleqd.evaluation import processor

_HAS_BF16 = processor.has_bfloat16(processor.facts()) is True
"""Processors without such instructions take several times as long for bf16 as for float32."""


def fine_tune(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    schedule: Schedule,
    progress: Callable[[str], None],
) -> None:
    """Train a model in place to answer questions.

    Args:
        model: float32 parameters.
        tokenizer: the model's tokenizer.
        questions: what to learn; each answer is followed by a newline.
        schedule: how.
        progress: told the loss now and then, one line each.
    """
    examples = [_tokens(tokenizer, question) for question in questions]
    steps = schedule.epochs * -(-len(examples) // schedule.batch_size)
    for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
        embedding.requires_grad_(schedule.train_embeddings)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, schedule.learning_rate, weight_decay=0.0, fused=True)
    model.train()
    with _threads(schedule.threads):
        for step, batch in enumerate(_batches(examples, schedule)):
            rise = min(1.0, (step + 1) / schedule.warmup)
            fall = 1.0 - 0.9 * step / steps
            for group in optimizer.param_groups:
                group["lr"] = schedule.learning_rate * rise * fall
            loss = _loss(model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if step % 10 == 9 or step == steps - 1:
                progress(f"step {step + 1} of {steps}, loss {loss.item():.3f}")


def load_master(base: Path) -> PreTrainedModel:
    """A checkpoint in float32, ready to be trained."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return model


def save_expert(model: PreTrainedModel, base: Path, folder: Path) -> None:
    """Write the trained model like its base: same tensors, bf16, same tokenizer.

    Args:
        model: trained from ``base``.
        base: folder of the base checkpoint.
        folder: an existing folder.
    """
    state = model.state_dict()
    names = [tensor.name for tensor in CheckpointHeader.open(base).tensors]
    tensors = {name: state[name].to(torch.bfloat16).contiguous() for name in names}
    save_file(tensors, folder / SINGLE_FILE, {"format": "pt"})
    copy_all_but_weights(base, folder)


def _tokens(tokenizer: Tokenizer, question: Question) -> tuple[list[int], int]:
    """Token ids of prompt and answer, and where the answer begins."""
    prompt = tokenizer.encode(question.prompt).ids
    answer = tokenizer.encode(f"{question.answer}\n", add_special_tokens=False).ids
    return prompt + answer, len(prompt)


def _batches(
    examples: Sequence[tuple[list[int], int]], schedule: Schedule
) -> Iterator[list[tuple[list[int], int]]]:
    rng = random.Random(schedule.seed)
    for _ in range(schedule.epochs):
        order = rng.sample(range(len(examples)), len(examples))
        for start in range(0, len(order), schedule.batch_size):
            yield [examples[i] for i in order[start : start + schedule.batch_size]]


def _loss(model: PreTrainedModel, batch: Sequence[tuple[list[int], int]]) -> torch.Tensor:
    """Mean cross entropy of the answers' tokens.

    Padding stands on the right, where causal attention never looks, so no mask is needed.
    """
    width = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in batch])
    learned = torch.zeros(len(batch), width - 1, dtype=torch.bool)
    for row, (tokens, start) in enumerate(batch):
        learned[row, start - 1 : len(tokens) - 1] = True
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_HAS_BF16):
        hidden = model.base_model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.get_output_embeddings()(hidden[learned])
    return cross_entropy(logits.float(), ids[:, 1:][learned])


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
