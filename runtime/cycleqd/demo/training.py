"""A fine-tune of some minutes on a CPU: what makes the experts of the demo.

fp32 master weights, bf16 autocast where that is quicker, AdamW, loss on the answer's tokens only.
The number of threads is fixed by the recipe, and everything random follows from its seed: the same
machine gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel

from cycleqd.checkpoints.files import SINGLE_FILE
from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.demo.base_model import copy_all_but_weights
from cycleqd.demo.questions import Question
from cycleqd.demo.recipes import Schedule
from cycleqd.tuning.examples import Example, answer_loss, batches


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
    examples = [_example(tokenizer, question) for question in questions]
    steps = schedule.epochs * -(-len(examples) // schedule.batch_size)
    order = batches(
        examples, epochs=schedule.epochs, batch_size=schedule.batch_size, seed=schedule.seed
    )
    for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
        embedding.requires_grad_(schedule.train_embeddings)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, schedule.learning_rate, weight_decay=0.0, fused=True)
    model.train()
    with _threads(schedule.threads):
        for step, batch in enumerate(order):
            rise = min(1.0, (step + 1) / schedule.warmup)
            fall = 1.0 - 0.9 * step / steps
            for group in optimizer.param_groups:
                group["lr"] = schedule.learning_rate * rise * fall
            loss = answer_loss(model, batch)
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


def _example(tokenizer: Tokenizer, question: Question) -> Example:
    prompt = tokenizer.encode(question.prompt).ids
    answer = tokenizer.encode(f"{question.answer}\n", add_special_tokens=False).ids
    return Example(prompt + answer, len(prompt))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
