"""A check at start-up that swapped weights take effect, all of them, and leave no trace.

With ``A`` the checkpoint, three swaps are made and the scores of the next token compared:

    B  the body halved                                    -> scores must change
    C  the head's rows negated for tokens the probe lacks -> scores must change; the probe's own
       embeddings are those of A, so only a head that was really replaced can tell
    A  again                                              -> scores must be exactly the first ones
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cycleqd.errors import EngineError
from cycleqd.evaluation.engines.weights import EMBEDDING, HEAD, checkpoint_tensors

if TYPE_CHECKING:
    import torch

_PROBE = (3, 5, 4, 3)


class SwappableEngine(Protocol):
    """What the check needs of an engine."""

    def load(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Replace all weights."""
        ...

    def next_token_scores(self, tokens: Sequence[int]) -> dict[int, float]:
        """The highest log probabilities after some tokens, by token."""
        ...


def check_swap(engine: SwappableEngine, checkpoint: Path, *, tied: bool) -> None:
    """Swap there and back again; the engine holds the checkpoint afterwards.

    Raises:
        EngineError: some weights did not take effect, or left traces.
    """
    head = EMBEDDING if tied else HEAD

    def halved(name: str, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if name in {EMBEDDING, HEAD} else tensor * 0.5

    def negated(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if name != head and not (tied and name == HEAD):
            return tensor
        changed = -tensor
        changed[list(_PROBE)] = tensor[list(_PROBE)]
        return changed

    def scores(change: Callable[[str, torch.Tensor], torch.Tensor] | None) -> dict[int, float]:
        engine.load(_changed(checkpoint, change))
        return engine.next_token_scores(_PROBE)

    first = scores(None)
    if scores(halved) == first:
        raise EngineError(
            "the engine did not take over new weights of the layers; use the other engine"
        )
    if scores(negated) == first:
        raise EngineError(
            "the engine did not take over new weights of the output head; use the other engine"
        )
    if scores(None) != first:
        raise EngineError(
            "the engine's results depend on the weights it held before; use the other engine"
        )


def _changed(
    checkpoint: Path, change: Callable[[str, torch.Tensor], torch.Tensor] | None
) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in checkpoint_tensors(checkpoint):
        yield name, tensor if change is None else change(name, tensor)
