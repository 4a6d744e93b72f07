"""The loss of a student with a teacher is that of knowledge distillation, on the answers alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.evaluation.tiny_llama import save_tiny_llama
from tests.tuning.test_a_model_learns_and_stays_as_it_was import WEIGHTS, schedule

if TYPE_CHECKING:
    from cycleqd.tuning.examples import Example

pytestmark = pytest.mark.runtime

SHARE = 0.7


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Student and teacher, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    folders = [
        save_tiny_llama(tmp_path_factory.mktemp(name), seed=seed)
        for seed, name in enumerate(("student", "teacher"))
    ]
    student, teacher = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        for folder in folders
    )
    return student, teacher


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teachers tell all that they hold likely, in float32 like everything else."""
    from cycleqd.tuning import examples, teachers

    monkeypatch.setattr(teachers, "LEADING", 1_000_000)
    monkeypatch.setattr(examples, "_QUICK_BF16", False)


def read() -> list[Example]:
    from cycleqd.tuning.examples import Example

    return [Example([10 + n, 20, 30 + n, *range(40, 40 + n)], 2) for n in range(1, 6)]


def taught_by(teacher: Any, batch_size: int = 2) -> list[Example]:
    from cycleqd.tuning.teachers import distributions

    said = distributions(teacher, read(), batch_size)
    return [replace(one, taught=taught) for one, taught in zip(read(), said, strict=True)]


def by_hand(student: Any, teacher: Any, example: Example, distillation: float) -> list[float]:
    """The loss of each token of an answer, computed with whole distributions."""
    import torch
    from torch.nn.functional import cross_entropy, kl_div

    ids = torch.tensor([example.tokens])
    places = slice(example.start - 1, len(example.tokens) - 1)
    with torch.no_grad():
        logits, likely = (model(ids).logits[0, places].float() for model in (student, teacher))
    told = cross_entropy(logits, ids[0, example.start :], reduction="none")
    known, held = logits.log_softmax(-1), likely.log_softmax(-1)
    apart = kl_div(known, held, log_target=True, reduction="none").sum(-1)
    entropy = torch.distributions.Categorical(logits=likely).entropy()
    return ((1 - distillation) * told + distillation * (apart + entropy)).tolist()


@pytest.mark.usefixtures("whole")
def test_it_is_the_divergence_from_the_teacher_and_its_entropy(models: tuple[Any, Any]) -> None:
    import torch

    from cycleqd.tuning.examples import answer_loss

    student, teacher = models
    batch = taught_by(teacher)
    batch[1] = read()[1]  # has no teacher
    expected: list[float] = []
    for example in batch:
        share = SHARE if example.taught is not None else 0.0
        expected += by_hand(student, teacher, example, share)
    with torch.no_grad():
        found = float(answer_loss(student, batch, SHARE))
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-5)


@pytest.mark.usefixtures("whole")
def test_who_says_what_the_teacher_says_has_nothing_to_learn(models: tuple[Any, Any]) -> None:
    import torch

    from cycleqd.tuning.examples import answer_loss

    _, teacher = models
    head = teacher.get_output_embeddings().weight

    def gradient(distillation: float) -> float:
        loss = answer_loss(teacher, taught_by(teacher), distillation)
        return float(torch.autograd.grad(loss, head)[0].norm())

    assert gradient(1.0) < 1e-3 * gradient(0.0)


def test_a_teacher_tells_its_leading_tokens(
    models: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from cycleqd.tuning import teachers
    from cycleqd.tuning.examples import answer_logits

    monkeypatch.setattr(teachers, "LEADING", 3)
    _, teacher = models
    for example, taught in zip(read(), teachers.distributions(teacher, read(), 5), strict=True):
        with torch.no_grad():
            logits, labels = answer_logits(teacher, [example])
        assert taught.ids.shape == taught.shares.shape == (len(labels), 3)
        assert torch.equal(taught.ids, logits.topk(3).indices)
        torch.testing.assert_close(taught.shares.sum(-1), torch.ones(len(labels)))


def test_a_tune_brings_a_student_nearer_to_its_teacher(models: tuple[Any, Any]) -> None:
    from cycleqd.tuning.tune import tune

    student, teacher = models
    taught = taught_by(teacher)

    def apart(distillation: float) -> float:
        import torch

        trained = tune(student, WEIGHTS, taught, schedule(distillation=distillation))
        before = {name: student.get_parameter(name).detach().clone() for name in trained}
        with torch.no_grad():
            for name, (left, right) in trained.items():
                student.get_parameter(name).add_(left @ right)
            found = [by_hand(student, teacher, example, 1.0) for example in taught]
            for name, weight in before.items():
                student.get_parameter(name).copy_(weight)
        return sum(map(sum, found))

    assert apart(1.0) < 0.9 * apart(0.0)
