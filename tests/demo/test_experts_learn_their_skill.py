"""An expert is its base moved towards its skill: same tensors, bf16, lower loss on its answers."""

import pytest
import torch
from safetensors.torch import load_file
from tests.demo.minimal import MINIMAL
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from cycleqd.demo import make_by
from cycleqd.demo.questions import draw
from cycleqd.demo.recipes import Schedule
from cycleqd.demo.skills import LATER_SKILLS, SKILLS
from cycleqd.demo.training import fine_tune, load_master

pytestmark = pytest.mark.runtime

ALL = {**SKILLS, **LATER_SKILLS}


def ignore(_line):
    pass


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return make_by(MINIMAL, tmp_path_factory.mktemp("demo"), None, ignore, pooled=True, later=True)


def labelled(tokenizer, question):
    """Token ids of prompt and answer, (1, tokens), and labels that leave the prompt out."""
    prompt = tokenizer.encode(question.prompt).ids
    ids = prompt + tokenizer.encode(question.answer + "\n").ids
    return torch.tensor([ids]), torch.tensor([[-100] * len(prompt) + ids[len(prompt) :]])


def answer_loss(folder, skill):
    """Mean cross entropy of unseen answers, computed by transformers' own loss."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    losses = []
    for question in draw(ALL[skill], "tune", 20):
        ids, labels = labelled(tokenizer, question)
        with torch.no_grad():
            losses.append(model(ids, labels=labels).loss.item())
    return sum(losses) / len(losses)


@pytest.mark.parametrize("skill", list(ALL))
def test_expert_is_better_at_its_skill_than_the_base(skill, paths):
    assert answer_loss(paths.experts[skill], skill) < answer_loss(paths.base, skill)


@pytest.mark.parametrize("skill", list(SKILLS))
def test_the_pooled_expert_is_better_at_every_skill_than_the_base(skill, paths):
    assert answer_loss(paths.pooled, skill) < answer_loss(paths.base, skill)


def test_experts_have_the_tensors_of_the_base_and_frozen_embeddings(paths):
    base = load_file(paths.base / "model.safetensors")
    for folder in [*paths.experts.values(), paths.pooled]:
        expert = load_file(folder / "model.safetensors")
        assert expert.keys() == base.keys()
        for name, values in expert.items():
            assert values.dtype == torch.bfloat16
            if "embed_tokens" in name:
                assert torch.equal(values, base[name])
            elif values.ndim == 2:
                assert not torch.equal(values, base[name]), name
        assert (folder / "tokenizer.json").read_bytes() == (
            paths.base / "tokenizer.json"
        ).read_bytes()


def test_training_is_deterministic_and_restores_the_thread_count(paths):
    tokenizer = Tokenizer.from_file(str(paths.base / "tokenizer.json"))
    questions = draw(SKILLS["sql"], "train", 16)
    before = torch.get_num_threads()
    states = []
    for seed in (0, 0, 1):
        model = load_master(paths.base)
        schedule = Schedule(epochs=2, batch_size=4, learning_rate=1e-3, threads=2, seed=seed)
        fine_tune(model, tokenizer, questions, schedule, ignore)
        states.append(model.state_dict())
    assert torch.get_num_threads() == before
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_the_loss_is_that_of_the_answers_alone(paths):
    """The loss of one step over questions of different lengths, against transformers' own."""
    tokenizer = Tokenizer.from_file(str(paths.base / "tokenizer.json"))
    questions = draw(SKILLS["shell"], "train", 6)
    model = load_master(paths.base)
    total = tokens = 0.0
    for question in questions:
        ids, labels = labelled(tokenizer, question)
        answer_tokens = int((labels != -100).sum())
        with torch.no_grad():
            total += model(ids, labels=labels).loss.item() * answer_tokens
        tokens += answer_tokens
    told = []
    schedule = Schedule(epochs=1, batch_size=6, learning_rate=1e-3, threads=1)
    fine_tune(model, tokenizer, questions, schedule, told.append)
    assert told[0].startswith("step 1 of 1, loss ")
    assert float(told[0].split()[-1]) == pytest.approx(total / tokens, abs=0.01)
