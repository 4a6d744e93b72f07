"""Whether a checkpoint can be used: the last door before a run spends hours.

`check_base` and `check_expert` read every weight once. What is refused and why is listed in
``docs/weights.md``; each message names the file, the tensor, what was found and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cycleqd.checkpoints.compatibility import check_full_precision, check_headers
from cycleqd.checkpoints.configuration import end_tokens
from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import TOKENIZER_FILE, kind_of
from cycleqd.checkpoints.tokenizer import read_vocabulary
from cycleqd.checkpoints.vocabulary import UNTIE
from cycleqd.errors import CheckpointError
from cycleqd.weights import digest
from cycleqd.weights.blocks import blocks
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.experts import task_vector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cycleqd.checkpoints.safetensors_file import TensorInfo
    from cycleqd.weights.experts import Expert


def check_base(base: Checkpoint) -> None:
    """Check a base model by itself; every child runs with its tokenizer and end tokens.

    Raises:
        CheckpointError: its weights are not finite, its tied head differs from its embeddings, or
            its tokenizer or end tokens cannot be read.
    """
    check_full_precision(base.header)
    end_tokens(base.folder)
    if kind_of(base.folder / TOKENIZER_FILE) is not None:
        read_vocabulary(base.folder / TOKENIZER_FILE)
    _check_finite(base, (*base.tensors, *base.header.tied_heads))
    _check_tied(base)


def check_expert(base: Checkpoint, expert: Expert, *, base_vocabulary: bool = False) -> None:
    """Check that an expert is a fine-tune of the base and that its weights are sane.

    Any of fp32, fp16 and bf16 will do, also unlike the base's: arithmetic is in fp32. That an
    adapter fits its base was seen when it was opened.

    Args:
        base: the base.
        expert: as `cycleqd.weights.experts.open_expert` opened it.
        base_vocabulary: what it was opened with.

    Raises:
        CheckpointError: the expert cannot be merged with the base.
    """
    if isinstance(expert, Checkpoint):
        check_headers(base.header, expert.header, base_vocabulary=base_vocabulary)
        _check_finite(expert, (*expert.tensors, *expert.header.tied_heads))
        _check_tied(expert)
    else:
        _check_finite(expert, expert.tensors)
        expert.check_tied()
    vector = task_vector(base, expert)
    if all(vector.change(info.name) is None for info in base.tensors):
        if not isinstance(expert, Checkpoint):
            raise CheckpointError(
                f"{expert.folder}: every product of the adapter is zero, so that it changes "
                "nothing of its base; it was saved before its training, check its path"
            )
        raise CheckpointError(
            f"{expert.folder}: every tensor equals the base's ({base.folder}); an expert must be "
            "fine-tuned, check its path"
        )


def _check_finite(checkpoint: Expert, tensors: Iterable[TensorInfo]) -> None:
    for info in tensors:
        for begin, part in blocks(checkpoint.tensor(info.name)):
            if not _finite(part):
                bad = ~torch.isfinite(part)
                raise CheckpointError(
                    f"{info.file}: tensor {quoted(info.name)}: found {part[bad][0].item()} at "
                    f"element {begin + int(bad.nonzero()[0])}, expected finite numbers; the "
                    "training diverged or the file is damaged, use another checkpoint"
                )


def _finite(part: torch.Tensor) -> bool:
    # One pass without temporaries: NaN and infinities reach the extremes.
    low, high = part.aminmax()
    return bool(torch.isfinite(low) and torch.isfinite(high))


def _check_tied(checkpoint: Checkpoint) -> None:
    """A stored copy of a tied head is dropped, so it must be a copy."""
    heads = checkpoint.header.tied_heads
    shapes = {head.shape for head in heads}
    names = {head.name for head in heads}
    kept = {
        _content(checkpoint, info)
        for info in checkpoint.tensors
        if info.shape in shapes and info.name not in names
    }
    for head in heads:
        if _content(checkpoint, head) not in kept:
            if checkpoint.header.retied:
                raise CheckpointError(f"{head.file}: tensor {quoted(head.name)}: {UNTIE}")
            raise CheckpointError(
                f"{head.file}: tensor {quoted(head.name)}: differs from the embeddings although "
                "config.json says tie_word_embeddings; set it to false, or save with tied weights"
            )


def _content(checkpoint: Checkpoint, info: TensorInfo) -> bytes:
    # By digest, so that many heads cost one look at each tensor.
    return digest.of_tensor("", checkpoint.tensor(info.name))
