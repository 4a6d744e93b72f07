"""A check at start-up that an engine computes what the checkpoint means, before and after swaps.

With ``A`` the checkpoint, the scores of the next token are compared after a few probes:

    as it starts                                          -> must be those of transformers
    A  swapped in                                         -> must be those of the start
    B  the body halved                                    -> must change
    C  the head's rows negated for tokens the probe lacks -> must change; the probe's own embeddings
       are those of A, so only a head that was really replaced can tell
    A  again                                              -> must be exactly those of A before

The first two tell an engine that loads, or loads again, something else than the checkpoint, as one
does that packs a mixture's experts when it starts; compared with itself alone it would pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cycleqd.errors import EngineError
from cycleqd.evaluation.engines.reference import disagreement
from cycleqd.evaluation.engines.weights import checkpoint_tensors

if TYPE_CHECKING:
    import torch

    from cycleqd.evaluation.engines.skeleton import Skeleton

_PROBE = (3, 5, 4, 3)
_LONGEST_PROBE = 48
# In standard deviations of the scores, see `disagreement`.
_MOST_DISAGREEMENT = 0.3
# In log probability: swapping in what an engine holds may at most change the order of sums.
_MOST_CHANGE = 0.1

_REMEDY = "set spec.evaluation.engine to transformers, in a store of its own if this run has begun"


class SwappableEngine(Protocol):
    """What the check needs of an engine."""

    def load(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Replace all weights."""
        ...

    def next_token_scores(self, tokens: Sequence[int]) -> dict[int, float]:
        """The highest log probabilities after some tokens, by token."""
        ...


def probes(tokens: int, max_model_len: int) -> list[tuple[int, ...]]:
    """What an engine is asked: a few tokens, and as many as show how positions count.

    Args:
        tokens: in the vocabulary.
        max_model_len: most tokens of a prompt and its completion together.
    """
    long = min(_LONGEST_PROBE, max_model_len - 1)
    return [
        _PROBE,
        tuple(3 + 7 * place % (tokens - 3) for place in range(long)),
        tuple(3 + place * place % (tokens - 3) for place in range(long // 2)),
    ]


def check_swap(
    engine: SwappableEngine,
    checkpoint: Path,
    skeleton: Skeleton,
    asked: Sequence[Sequence[int]],
    reference: Sequence[torch.Tensor] | None,
) -> None:
    """Swap there and back again; the engine holds the checkpoint afterwards.

    Args:
        engine: just started on the checkpoint.
        checkpoint: its folder.
        skeleton: says which of its tensors are embeddings and output head.
        asked: the probes.
        reference: what the transformers library says after each of them; None skips the comparison.

    Raises:
        EngineError: it computes something else, some weights did not take effect, or left traces.
    """
    fresh = [engine.next_token_scores(probe) for probe in asked]
    if reference is not None:
        furthest = max(map(disagreement, fresh, reference))
        if not furthest <= _MOST_DISAGREEMENT:  # not a number is far as well
            raise EngineError(
                f"the engine computes something else of {skeleton.architecture} than transformers "
                f"({furthest:.2f} standard deviations of the scores apart); {_REMEDY}"
            )
    engine.load(checkpoint_tensors(checkpoint))
    again = [engine.next_token_scores(probe) for probe in asked]
    if not all(map(_is_close, fresh, again)):
        raise EngineError(
            f"the engine computes something else of {skeleton.architecture} once its weights are "
            f"swapped for the same ones; {_REMEDY}"
        )
    _check_changes(engine, checkpoint, skeleton)


def _check_changes(engine: SwappableEngine, checkpoint: Path, skeleton: Skeleton) -> None:
    ends = {skeleton.embedding, skeleton.head}

    def halved(name: str, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if name in ends else tensor * 0.5

    def negated(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if name != skeleton.head:
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
            f"the engine did not take over new weights of the layers of {skeleton.architecture}; "
            f"{_REMEDY}"
        )
    if scores(negated) == first:
        raise EngineError(
            "the engine did not take over new weights of the output head "
            f"({skeleton.head}); {_REMEDY}"
        )
    if scores(None) != first:
        raise EngineError(f"the engine's results depend on the weights it held before; {_REMEDY}")


def _is_close(before: Mapping[int, float], after: Mapping[int, float]) -> bool:
    """Whether most of the highest scores are of the same tokens, and nearly the same."""
    shared = before.keys() & after.keys()
    near = [abs(before[token] - after[token]) <= _MOST_CHANGE for token in shared]
    return 2 * sum(near) > len(before)


def _changed(
    checkpoint: Path, change: Callable[[str, torch.Tensor], torch.Tensor] | None
) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in checkpoint_tensors(checkpoint):
        yield name, tensor if change is None else change(name, tensor)
