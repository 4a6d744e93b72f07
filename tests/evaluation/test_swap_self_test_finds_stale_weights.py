"""An engine that keeps old weights anywhere, or computes another model, is refused when it starts.

The engine is a fake on purpose: real ones are not stale, which `test_vllm_engine` shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tiny_llama import save_tiny_llama  # noqa: E402
from tiny_models import save_tiny  # noqa: E402

from cycleqd.checkpoints.header import CheckpointHeader  # noqa: E402
from cycleqd.errors import EngineError  # noqa: E402
from cycleqd.evaluation.engines import reference  # noqa: E402
from cycleqd.evaluation.engines.reference import reference_scores  # noqa: E402
from cycleqd.evaluation.engines.selftest import check_swap, probes  # noqa: E402
from cycleqd.evaluation.engines.skeleton import Skeleton, read_skeleton  # noqa: E402
from cycleqd.evaluation.engines.weights import checkpoint_tensors  # noqa: E402

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(120)]

ASKED = probes(98, 64)


class LinearEngine:
    """Scores are head times the probe's mean embedding times the layers' sum; faults by name."""

    def __init__(self, fault: str, checkpoint: Path) -> None:
        self.fault, self.skeleton = fault, skeleton_of(checkpoint)
        self.first = dict(checkpoint_tensors(checkpoint))
        self.now = self.first
        self.loads = 0

    def load(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        self.now = dict(tensors)
        self.loads += 1

    def next_token_scores(self, tokens: Sequence[int]) -> dict[int, float]:
        body = self.first if self.fault == "stale body" else self.now
        heads = self.first if self.fault == "stale head" else self.now
        head = heads[self.skeleton.head].double()
        hidden = self.now[self.skeleton.embedding].double()[list(tokens)].mean(0)
        ends = {self.skeleton.head, self.skeleton.embedding}
        layers = sum(float(t.sum()) for name, t in body.items() if name not in ends)
        scores = head @ hidden * layers
        if self.fault == "other reload" and self.loads:
            scores = scores.flip(0)
        if self.fault == "history" and self.loads > 1:
            scores = scores + self.loads
        highest = scores.log_softmax(-1).topk(8) if self.fault != "history" else scores.topk(8)
        return dict(zip(highest.indices.tolist(), highest.values.tolist(), strict=True))


def skeleton_of(checkpoint: Path) -> Skeleton:
    return read_skeleton(CheckpointHeader.open(checkpoint))


def checkpoint_of(architecture: str, folder: Path) -> Path:
    if architecture == "GPT2LMHeadModel":  # whose tied head has another name than Llama's
        return save_tiny(folder, architecture, seed=0)
    return save_tiny_llama(folder, tied=architecture == "tied")


@pytest.mark.parametrize("architecture", ["tied", "untied", "GPT2LMHeadModel"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("stale body", "weights of the layers of (Llama|GPT2)"),
        ("stale head", r"weights of the output head \(.*weight\)"),
        ("history", "depend on the weights it held before"),
        ("other reload", "once its weights are swapped for the same ones"),
    ],
)
def test_a_stale_engine_is_refused(
    architecture: str, fault: str, message: str, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of(architecture, tmp_path / "a")
    engine = LinearEngine(fault, checkpoint)
    with pytest.raises(EngineError, match=f"{message}.*set spec.evaluation.engine to transformers"):
        check_swap(engine, checkpoint, engine.skeleton, ASKED, None)


@pytest.mark.parametrize("architecture", ["tied", "untied", "GPT2LMHeadModel"])
def test_a_sound_engine_is_accepted_and_holds_the_checkpoint(
    architecture: str, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of(architecture, tmp_path / "a")
    engine = LinearEngine("", checkpoint)
    check_swap(engine, checkpoint, engine.skeleton, ASKED, None)
    assert all(torch.equal(engine.now[name], engine.first[name]) for name in engine.first)


class Quoting(LinearEngine):
    """Says what the library says, each score off by some standard deviations."""

    def __init__(self, checkpoint: Path, said: list[torch.Tensor], off: float) -> None:
        super().__init__("", checkpoint)
        self.said = {
            probe: scores + off * scores.std() for probe, scores in zip(ASKED, said, strict=True)
        }

    def next_token_scores(self, tokens: Sequence[int]) -> dict[int, float]:
        if self.loads:
            return super().next_token_scores(tokens)
        highest = self.said[tuple(tokens)].topk(8)
        return dict(zip(highest.indices.tolist(), highest.values.tolist(), strict=True))


def test_an_engine_that_computes_another_model_is_refused(tmp_path: Path) -> None:
    checkpoint = save_tiny_llama(tmp_path / "a")
    said = reference_scores(CheckpointHeader.open(checkpoint), ASKED)
    assert said is not None
    other = save_tiny_llama(tmp_path / "b", seed=1)
    of_another = reference_scores(CheckpointHeader.open(other), ASKED)
    assert of_another is not None
    different = "computes something else of LlamaForCausalLM than transformers"
    for scores, off in ((said, 0.5), (said, float("nan")), (of_another, 0.0)):
        engine = Quoting(checkpoint, scores, off)
        with pytest.raises(EngineError, match=different):
            check_swap(engine, checkpoint, engine.skeleton, ASKED, said)
    # The last bits may differ: what comes next is the comparison with the reload.
    engine = Quoting(checkpoint, said, 0.03)
    with pytest.raises(EngineError, match="swapped for the same ones"):
        check_swap(engine, checkpoint, engine.skeleton, ASKED, said)


def test_a_machine_without_the_memory_does_not_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    header = CheckpointHeader.open(save_tiny_llama(tmp_path / "a"))
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 99 kB\nMemAvailable: 98 kB\n")
    monkeypatch.setattr(reference, "_MEMORY", memory)
    assert reference_scores(header, ASKED) is None
    assert "not compared with transformers" in caplog.text


def test_probes_fit_into_vocabulary_and_length() -> None:
    for vocabulary, length in ((40, 16), (98, 64), (150_000, 4096)):
        asked = probes(vocabulary, length)
        assert max(map(len, asked)) == min(length - 1, 48)
        assert all(0 <= token < vocabulary for probe in asked for token in probe)
