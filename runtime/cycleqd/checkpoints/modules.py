"""Where a model has the tensors of its checkpoint, as the library's class of the model says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Modules:
    """The modules of a model.

    Attributes:
        names: the model's name of each tensor that it holds as the checkpoint stores it.
        linear: weights of linear layers but the output head, by the checkpoint's name, and whether
            the layer stores them as (inputs, outputs), as those of GPT-2 do.
        head: the model's name of the output head's weight, also where it is tied.
    """

    names: Mapping[str, str]
    linear: Mapping[str, bool]
    head: str | None
