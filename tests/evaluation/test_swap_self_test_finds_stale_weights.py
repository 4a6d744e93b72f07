"""An engine that keeps old weights anywhere is refused when it starts.

The engine is a fake on purpose: real ones are not stale, which `test_vllm_engine` shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tiny_llama import save_tiny_llama  # noqa: E402

from cycleqd.errors import EngineError  # noqa: E402
from cycleqd.evaluation.engines.selftest import check_swap  # noqa: E402

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(120)]


class LinearEngine:
    """Scores are head times the probe's mean embedding times the layers' sum; faults by name."""

    def __init__(self, fault: str, *, tied: bool) -> None:
        self.fault, self.tied = fault, tied
        self.first: dict[str, torch.Tensor] = {}
        self.now: dict[str, torch.Tensor] = {}
        self.loads = 0

    def load(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        self.now = {name: tensor.double() for name, tensor in tensors}
        self.first = self.first or dict(self.now)
        self.loads += 1

    def next_token_scores(self, tokens: Sequence[int]) -> dict[int, float]:
        body = self.first if self.fault == "stale body" else self.now
        heads = self.first if self.fault == "stale head" else self.now
        head = heads["model.embed_tokens.weight" if self.tied else "lm_head.weight"]
        hidden = self.now["model.embed_tokens.weight"][list(tokens)].mean(0)
        layers = sum(float(t.sum()) for name, t in body.items() if ".layers." in name)
        scores = head @ hidden * layers
        if self.fault == "history":
            scores += self.loads
        return {i: float(score) for i, score in enumerate(scores)}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("stale body", "weights of the layers"),
        ("stale head", "weights of the output head"),
        ("history", "depend on the weights it held before"),
    ],
)
def test_a_stale_engine_is_refused(tied: bool, fault: str, message: str, tmp_path: Path) -> None:
    checkpoint = save_tiny_llama(tmp_path / "a", tied=tied)
    with pytest.raises(EngineError, match=message):
        check_swap(LinearEngine(fault, tied=tied), checkpoint, tied=tied)


@pytest.mark.parametrize("tied", [True, False])
def test_a_sound_engine_is_accepted_and_holds_the_checkpoint(tied: bool, tmp_path: Path) -> None:
    checkpoint = save_tiny_llama(tmp_path / "a", tied=tied)
    engine = LinearEngine("", tied=tied)
    check_swap(engine, checkpoint, tied=tied)
    assert all(torch.equal(engine.now[name], engine.first[name]) for name in engine.first)
