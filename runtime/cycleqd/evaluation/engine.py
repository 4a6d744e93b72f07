"""The seam to inference: a warm engine whose weights can be replaced.

A worker keeps one engine for its lifetime. For each candidate it streams the materialised tensors
in with `Engine.load` and generates greedily for all tasks' prompts as one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Request:
    """One greedy completion.

    Attributes:
        prompt: the text, chat template already applied where the task wants one.
        max_new_tokens: limit on generated tokens.
        stop: generation ends before the first of these strings.
    """

    prompt: str
    max_new_tokens: int
    stop: tuple[str, ...] = ()


class Engine(Protocol):
    """A language model in memory whose weights can be swapped.

    Outputs depend on the loaded weights and the requests alone, never on what was loaded or
    generated before (no stale prefix cache, no stale packed weights).
    """

    @property
    def name(self) -> str:
        """``transformers`` or ``vllm``."""
        ...

    def load(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Replace all weights.

        Args:
            tensors: every parameter by its name in the base checkpoint, in checkpoint order, in
                the run's dtype. Tied tensors appear once, under the name the checkpoint stores.

        Raises:
            EngineError: a tensor is missing, unknown or misshapen, or the engine failed.
        """
        ...

    def generate(self, requests: Sequence[Request]) -> list[str]:
        """Greedy completions, one for each request, without the prompt and the stop string.

        Raises:
            EngineError: the engine failed.
        """
        ...

    def close(self) -> None:
        """Release memory and processes; may be called twice."""
        ...
