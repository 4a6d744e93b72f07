"""A tune teaches a model in memory its examples, by an adapter alone, and leaves no trace in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.errors import EngineError
from tests.evaluation.tiny_llama import save_tiny_llama

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from cycleqd.tuning.examples import Example
    from cycleqd.tuning.lora import Matrices
    from cycleqd.tuning.tune import TuneSchedule

pytestmark = pytest.mark.runtime

WEIGHTS = (
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.1.mlp.down_proj.weight",
)
RANK, ALPHA = 4, 8.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llama(tmp_path_factory.mktemp("model"))


@pytest.fixture(params=["float32", "bfloat16"])
def model(folder: Path, request: pytest.FixtureRequest) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = getattr(torch, request.param)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def schedule(**changes: Any) -> TuneSchedule:
    from cycleqd.tuning.tune import TuneSchedule

    values = {"epochs": 20, "batch_size": 3, "warmup": 2, "seed": 5, "learning_rate": 3e-2}
    return TuneSchedule(**{"rank": RANK, "alpha": ALPHA, **values, **changes})


def examples() -> list[Example]:
    from cycleqd.tuning.examples import Example

    return [Example([10 + n, 20, 30 + n, 40, 50 - n], 2) for n in range(7)]


def loss(model: Any) -> float:
    import torch

    from cycleqd.tuning.examples import answer_loss

    with torch.no_grad():
        return float(answer_loss(model, examples()))


def bytes_of(model: Any) -> dict[str, bytes]:
    import torch

    return {
        name: tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()
        for name, tensor in model.state_dict().items()
    }


def added(model: Any, trained: dict[str, Matrices]) -> None:
    """Add an adapter to the weights."""
    import torch

    with torch.no_grad():
        for name, (left, right) in trained.items():
            weight: torch.Tensor = model.get_parameter(name)
            weight.copy_(weight.float() + left @ right)


def test_it_learns_by_its_adapter_alone(model: Any) -> None:
    from cycleqd.tuning.tune import tune

    before, bytes_before = loss(model), bytes_of(model)
    trained = tune(model, WEIGHTS, examples(), schedule())
    assert bytes_of(model) == bytes_before
    assert loss(model) == before
    assert not model.training
    assert not model.is_gradient_checkpointing
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert list(trained) == sorted(WEIGHTS)
    for name, (left, right) in trained.items():
        rows, columns = model.get_parameter(name).shape
        assert (left.shape, right.shape) == ((rows, RANK), (RANK, columns))
    added(model, trained)
    assert loss(model) < 0.7 * before


def test_the_same_seed_trains_the_same_and_another_does_not(model: Any) -> None:
    import torch

    from cycleqd.tuning.tune import tune

    def trained(seed: int) -> torch.Tensor:
        pairs = tune(model, WEIGHTS, examples(), schedule(epochs=2, seed=seed))
        return torch.cat([matrix.flatten() for pair in pairs.values() for matrix in pair])

    first = trained(5)
    torch.manual_seed(9)
    torch.testing.assert_close(trained(5), first, rtol=0, atol=0)
    assert not torch.equal(trained(6), first)


def test_what_was_trained_is_what_the_layers_computed(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from cycleqd.tuning.lora import adapted

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = torch.arange(5, 25)[None]
    scale = ALPHA / RANK
    with adapted(model, WEIGHTS, {}, rank=RANK, scale=scale, seed=1) as pairs, torch.no_grad():
        plain = model(tokens).logits
        for left, _ in pairs.values():
            left.normal_(0, 0.1)
        hooked = model(tokens).logits
        trained = {name: (scale * left.data, right.data) for name, (left, right) in pairs.items()}
    torch.testing.assert_close(model(tokens).logits, plain, rtol=0, atol=0)
    assert not torch.allclose(hooked, plain, atol=1e-2)
    added(model, trained)
    torch.testing.assert_close(model(tokens).logits, hooked, rtol=1e-4, atol=1e-4)


def test_a_tune_goes_on_from_what_was_learned(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from cycleqd.tuning.lora import adapted
    from cycleqd.tuning.tune import tune

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    first = tune(model, WEIGHTS, examples(), schedule())
    known = {name: (left[:, :2], right[:2]) for name, (left, right) in first.items()}
    scale = ALPHA / RANK
    tokens = torch.arange(5, 25)[None]
    with adapted(model, WEIGHTS, known, rank=RANK, scale=scale, seed=1), torch.no_grad():
        begun = model(tokens).logits
    still = tune(model, WEIGHTS, examples(), schedule(epochs=1, learning_rate=0.0), begin=known)
    added(model, known)
    torch.testing.assert_close(model(tokens).logits, begun, rtol=1e-4, atol=1e-4)
    for name, (left, right) in still.items():
        expected = known[name][0] @ known[name][1]
        torch.testing.assert_close(left @ right, expected, rtol=1e-5, atol=1e-6)
        assert right.shape[0] == RANK


def test_only_answers_count(model: Any) -> None:
    import torch

    from cycleqd.tuning.examples import Example, answer_loss

    with torch.no_grad():
        # Padding beside a longer example changes nothing, nor what is asked of the prompt.
        short, long = Example([3, 4, 5], 2), Example(list(range(3, 20)), 16)
        alone = [float(answer_loss(model, [example])) for example in (short, long)]
        together = float(answer_loss(model, [short, long]))
    assert together == pytest.approx(sum(alone) / 2, rel=2e-2)


@pytest.mark.parametrize(
    "name", ["model.embed_tokens.weight", "model.norm.weight", "model.layers.9.mlp.up_proj.weight"]
)
def test_what_cannot_be_tuned_is_named(model: Any, name: str) -> None:
    from cycleqd.tuning.tune import tune

    with pytest.raises(EngineError, match=rf"{name}: is no weight of a linear layer"):
        tune(model, [*WEIGHTS, name], examples(), schedule())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_loss_that_is_no_number_ends_it(model: Any) -> None:
    import torch

    from cycleqd.tuning.tune import tune

    with torch.no_grad():
        model.get_parameter("model.norm.weight").fill_(float("nan"))
    with pytest.raises(EngineError, match="the loss is nan after 0 steps; lower its learning rate"):
        tune(model, WEIGHTS, examples(), schedule())
