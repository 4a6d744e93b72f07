"""The transformers engine's outputs depend on the loaded weights and the requests alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tiny_llama import save_tiny_llama  # noqa: E402

from cycleqd.errors import EngineError, InputError  # noqa: E402
from cycleqd.evaluation.engine import Engine, Request  # noqa: E402
from cycleqd.evaluation.engines import create_engine  # noqa: E402
from cycleqd.evaluation.engines.weights import checkpoint_tensors  # noqa: E402

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(180)]

SETTINGS: dict[str, Any] = {
    "threads": 1, "max_model_len": 96, "gpu_memory_utilization": 0.8, "device": "cpu",
}  # fmt: skip
REQUESTS = [
    Request("hello", 20),
    Request("select name from staff", 9),
    Request("a b c", 14),
    Request("hello", 20),
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tiny")
    return save_tiny_llama(folder / "a", seed=0), save_tiny_llama(folder / "b", seed=1)


@pytest.fixture(scope="module")
def engine(checkpoints: tuple[Path, Path]) -> Iterator[Engine]:
    made = create_engine("transformers", checkpoints[0], dtype="float32", **SETTINGS)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _base_weights(engine: Engine, checkpoints: tuple[Path, Path]) -> None:
    engine.load(checkpoint_tensors(checkpoints[0]))


def reference(checkpoint: Path, request: Request) -> str:
    """The library's own greedy generation of one prompt."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    inputs = tokenizer(request.prompt, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    made = model.generate(**inputs, do_sample=False, max_new_tokens=request.max_new_tokens)
    return str(tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def test_it_agrees_with_the_library(engine: Engine, checkpoints: tuple[Path, Path]) -> None:
    expected = [reference(checkpoints[0], request) for request in REQUESTS]
    assert engine.generate(REQUESTS) == expected


def test_swaps_take_effect_and_leave_no_trace(
    engine: Engine, checkpoints: tuple[Path, Path]
) -> None:
    first = engine.generate(REQUESTS)
    engine.load(checkpoint_tensors(checkpoints[1]))
    assert engine.generate(REQUESTS) == [reference(checkpoints[1], r) for r in REQUESTS]
    engine.load(checkpoint_tensors(checkpoints[0]))
    assert engine.generate(REQUESTS) == first


def test_a_tied_head_follows_its_embedding(
    engine: Engine, checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    before = engine.generate(REQUESTS)
    engine.load(
        (name, tensor.flip(0) if name == "model.embed_tokens.weight" else tensor)
        for name, tensor in checkpoint_tensors(checkpoints[0])
    )
    assert engine.generate(REQUESTS) != before


def test_an_end_token_ends_a_completion(engine: Engine, checkpoints: tuple[Path, Path]) -> None:
    def always_end() -> Iterator[tuple[str, torch.Tensor]]:
        # Row 0 of the tied head is </s>; with all others zero it has the only score not zero.
        for name, tensor in checkpoint_tensors(checkpoints[0]):
            if name == "model.embed_tokens.weight":
                changed = tensor.clone()
                changed[0] = 100 * tensor[10].sign()
                changed[1:10] = 0
                yield name, changed
            else:
                yield name, tensor

    engine.load(always_end())
    texts = engine.generate([Request(letter, 30) for letter in "abcdefgh"])
    assert any(len(text) < 30 for text in texts)
    assert all("</s>" not in text for text in texts)


def test_stop_strings_cut_and_limits_hold(engine: Engine) -> None:
    (whole,) = engine.generate([Request("hello", 20)])
    assert len(whole) > 4
    stop = whole[3]
    cut, both, short = engine.generate(
        [
            Request("hello", 20, (stop,)),
            Request("hello", 20, ("no such text", whole[2:4])),
            Request("hello", 3),
        ]
    )
    assert cut == whole[: whole.index(stop)]
    assert both == whole[: whole.index(whole[2:4])]
    assert short == whole[:3]


def test_batches_do_not_change_results(checkpoints: tuple[Path, Path], engine: Engine) -> None:
    together = engine.generate(REQUESTS)
    alone = [engine.generate([request])[0] for request in REQUESTS]
    assert together == alone
    assert together[0] == together[3]


def test_bfloat16_repeats_itself(checkpoints: tuple[Path, Path]) -> None:
    engine = create_engine(
        "transformers", checkpoints[0], dtype="bfloat16", max_batch=2, **SETTINGS
    )
    first = engine.generate(REQUESTS)
    engine.load(checkpoint_tensors(checkpoints[1]))
    engine.generate(REQUESTS[:1])
    engine.load(checkpoint_tensors(checkpoints[0]))
    assert engine.generate(REQUESTS) == first
    engine.close()
    engine.close()


def test_weights_that_are_not_finite_still_generate(
    engine: Engine, checkpoints: tuple[Path, Path]
) -> None:
    engine.load(
        (name, torch.full_like(tensor, float("nan")))
        for name, tensor in checkpoint_tensors(checkpoints[0])
    )
    assert len(engine.generate(REQUESTS)) == len(REQUESTS)


def test_weights_that_do_not_fit_are_refused(
    engine: Engine, checkpoints: tuple[Path, Path]
) -> None:
    tensors = list(checkpoint_tensors(checkpoints[0]))
    name, tensor = tensors[-1]
    cases = {
        f"1 tensors are missing, the first is {name}": tensors[:-1],
        f"{name} came twice": [*tensors, (name, tensor)],
        f"{name} has shape": [*tensors[:-1], (name, tensor[:-1])],
        "model.extra is no tensor of the base checkpoint": [*tensors, ("model.extra", tensor)],
    }
    for message, given in cases.items():
        with pytest.raises(EngineError, match=message.replace(".", r"\.")):
            engine.load(given)


def test_a_prompt_that_does_not_fit_is_the_users_error(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"'xxx.* has 100 tokens, which with 5 new ones .* of 96;"):
        engine.generate([Request("x" * 100, 5)])


def test_nothing_to_do_is_fine(engine: Engine) -> None:
    assert engine.generate([]) == []
