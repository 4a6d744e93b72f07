"""Experts as what they change of the base: whole checkpoints and adapters alike.

All that uses an expert's task vector (merging, materialising, factoring, checks) asks a
`TaskVector` for the `Change` of one tensor. A full checkpoint puts a tensor in the base's place, so
that its task vector is a difference of two large tensors; an adapter adds a product of two small
ones, which nobody has to multiply out but where a method needs the matrix itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from cycleqd.checkpoints.adapter_header import AdapterHeader, is_adapter
from cycleqd.weights.adapter_expert import AdapterExpert
from cycleqd.weights.blocks import equal
from cycleqd.weights.change import Change
from cycleqd.weights.checkpoint import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

Expert = Checkpoint | AdapterExpert
"""An expert as it lies in its folder."""


class TaskVector(Protocol):
    """What an expert adds to the base, tensor by tensor."""

    def rank(self, name: str) -> int:
        """The most singular directions that the task vector of a matrix can have."""
        ...

    def change(self, name: str) -> Change | None:
        """How a tensor differs from the base's, None where it equals it."""
        ...


@dataclass
class Difference:
    """The task vector of a full checkpoint: expert - base.

    Attributes:
        base: the base model.
        expert: a checkpoint that is compatible with it.
    """

    base: Checkpoint
    expert: Checkpoint

    def __post_init__(self) -> None:
        self._differs: dict[str, bool] = {}

    def rank(self, name: str) -> int:
        """See `TaskVector.rank`; what a fine-tune changes is told by its weights alone."""
        return min(self.base.tensor(name).shape, default=0)

    def change(self, name: str) -> Change | None:
        """See `TaskVector.change`; tensors are compared once."""
        tensor, base = self.expert.tensor(name), self.base.tensor(name)
        short = name in self.expert.header.short
        if name not in self._differs:
            self._differs[name] = not equal(base[: len(tensor)] if short else base, tensor)
        if not self._differs[name]:
            return None
        return Change(base, whole=torch.cat([tensor, base[len(tensor) :]]) if short else tensor)


def open_expert(folder: Path, base: Checkpoint, *, base_vocabulary: bool = False) -> Expert:
    """The expert in a folder, a checkpoint in the base's form or an adapter of the base.

    Args:
        folder: where it is.
        base: the base.
        base_vocabulary: whether another number of rows is taken (`vocabulary: Base`).

    Raises:
        CheckpointError: the folder holds neither, or an adapter of something else.
    """
    if is_adapter(folder):
        header = AdapterHeader.open(folder, base.header, base_vocabulary=base_vocabulary)
        return AdapterExpert(header, base)
    return Checkpoint.open(folder).aligned(base).fitted(base, base_vocabulary=base_vocabulary)


def task_vector(base: Checkpoint, expert: Expert) -> TaskVector:
    """What an expert adds to its base."""
    return expert if isinstance(expert, AdapterExpert) else Difference(base, expert)
