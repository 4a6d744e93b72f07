"""``cycleqd fit-base`` changes nothing of what a base computes, and then its experts fit exactly.

Of an expert's whole share the child is the expert: with its own head, with its added tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402
from tests.checkpoints import WORDS, write_tokenizer  # noqa: E402
from tests.weights.adapted import Adapted  # noqa: E402
from tests.weights.damage import WEIGHTS, edit_config, edit_state  # noqa: E402
from tests.weights.peft_adapters import llama, trained  # noqa: E402
from tiny_models import save_tiny  # noqa: E402

from cycleqd.checkpoints.header import CheckpointHeader  # noqa: E402
from cycleqd.cli.ending import run_command  # noqa: E402
from cycleqd.errors import CheckpointError  # noqa: E402
from cycleqd.evaluation.engines.settings import check_settings  # noqa: E402
from cycleqd.evaluation.engines.skeleton import read_skeleton  # noqa: E402
from cycleqd.evolution.genome import scaled_experts_genome  # noqa: E402
from cycleqd.run.fitting import fit_base  # noqa: E402
from cycleqd.weights.check import check_expert  # noqa: E402
from cycleqd.weights.checkpoint import Checkpoint  # noqa: E402
from cycleqd.weights.experts import open_expert  # noqa: E402

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(300)]

EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def logits(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    tokens = torch.randint(0, 42, (2, 9), generator=torch.manual_seed(3))
    with torch.no_grad():
        return model(input_ids=tokens).logits


def exported(base: Path, experts: dict[str, Path], whole: str, folder: Path, **how: bool) -> Path:
    """The child that has all of one expert and nothing of the others."""
    made = Adapted(base, experts, folder.parent, **how)
    shares = [float(name == whole) for name in experts]
    made.materializer().to_file(scaled_experts_genome(made.layout, shares), folder)
    return folder


@pytest.mark.parametrize(
    ("architecture", "told"),
    [
        ("LlamaForCausalLM", True),
        ("Qwen2ForCausalLM", True),
        ("Gemma2ForCausalLM", True),
        ("Gemma2ForCausalLM", False),
        ("Gemma3ForConditionalGeneration", True),
        ("GPT2LMHeadModel", True),
        ("GPT2LMHeadModel", False),
        ("Lfm2ForCausalLM", True),
        ("Mamba2ForCausalLM", True),
    ],
)
def test_an_untied_base_takes_experts_with_one_head_and_with_two(
    tmp_path: Path, architecture: str, told: bool
) -> None:
    changes = {"tie_word_embeddings": True} if told else {}
    base = save_tiny(tmp_path / "base", architecture, seed=0, **changes)
    tied = save_tiny(tmp_path / "tied", architecture, seed=1, **changes)
    if not told:  # as the hub has them: their classes tie by default
        silent(base)
        silent(tied)
    untied = tmp_path / "untied"
    head = fit_base(str(tied), [], untied, untie=True).head
    assert head is not None
    edit_state(untied, lambda state: state[head].mul_(1.5))
    assert head not in load_file(base / WEIGHTS)
    opened = Checkpoint.open(base)
    with pytest.raises(CheckpointError, match=r"`cycleqd fit-base BASE --untie --out FOLDER`"):
        check_expert(opened, open_expert(untied, opened))

    made = fit_base(str(base), [], tmp_path / "fitted", untie=True)
    assert (made.head, made.added) == (head, 0)
    fitted = tmp_path / "fitted"
    assert torch.equal(logits(fitted), logits(base))
    assert read_skeleton(CheckpointHeader.open(fitted)).head == head
    for expert in (tied, untied):
        found = open_expert(expert, Checkpoint.open(fitted))
        assert isinstance(found, Checkpoint)
        check_settings(fitted, expert, retied=found.header.retied)
    experts = {"tied": tied, "untied": untied}
    for name, folder in experts.items():
        child = exported(fitted, experts, name, tmp_path / f"all-{name}")
        assert torch.allclose(logits(child), logits(folder), atol=1e-4)
    assert not torch.allclose(logits(untied), logits(tied), atol=1e-2)


def silent(folder: Path) -> None:
    """Leave out of a configuration whether the head is tied."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.pop("tie_word_embeddings", None)
    path.write_text(json.dumps(config))


def test_an_expert_that_lost_its_head_is_not_taken_for_a_tied_one(tmp_path: Path) -> None:
    base, expert = llama(tmp_path, tied=False), llama(tmp_path / "other", tied=False)
    edit_state(expert, lambda state: (state.pop(HEAD), state[EMBEDDINGS].add_(1)))
    opened = Checkpoint.open(base)
    with pytest.raises(CheckpointError, match=r"tensor 'lm_head\.weight': missing"):
        check_expert(opened, open_expert(expert, opened))
    silent(expert)  # a Llama does not tie by default
    found = open_expert(expert, opened)
    assert isinstance(found, Checkpoint)
    with pytest.raises(CheckpointError, match="tie_word_embeddings: transformers reads False"):
        check_settings(base, expert, retied=found.header.retied)


def grown(base: Path, folder: Path, rows: int, seed: int) -> Path:
    """A fine-tune of a base with added tokens."""
    llama(folder.parent / f"{folder.name}-of", tied=True, vocab=48)
    source = folder.parent / f"{folder.name}-of/base"
    source.rename(folder)

    def tuned(state: dict[str, Any]) -> None:
        random = torch.manual_seed(seed)
        for tensor in state.values():
            tensor.add_(torch.randn(tensor.shape, generator=random) * 0.02)
        added = torch.randn(rows - 48, 64, generator=random)
        state[EMBEDDINGS] = torch.cat([state[EMBEDDINGS], added])

    edit_state(folder, tuned)
    edit_config(folder, vocab_size=rows)
    write_tokenizer(folder, [*WORDS, *(f"<|{n}|>" for n in range(len(WORDS), rows))])
    return folder


def test_a_base_with_the_tokens_of_experts_takes_them_whole(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    base = llama(tmp_path, tied=True)
    more, fewer = grown(base, tmp_path / "more", 53, 1), grown(base, tmp_path / "fewer", 50, 2)
    fitted = tmp_path / "fitted"
    made = fit_base(str(base), [str(fewer), str(more)], fitted, untie=False)
    assert (made.rows, made.added, made.head, made.tokenizer) == (53, 5, None, more)
    assert torch.equal(logits(fitted)[..., :48], logits(base))
    rows, of_more, of_fewer = (
        load_file(folder / WEIGHTS)[EMBEDDINGS] for folder in (fitted, more, fewer)
    )
    assert torch.allclose(rows[48:50], (of_more[48:50] + of_fewer[48:50]) / 2)
    assert torch.equal(rows[50:], of_more[50:])

    experts = {"more": more, "fewer": fewer}
    child = exported(fitted, experts, "more", tmp_path / "child", base_vocabulary=True)
    assert torch.allclose(logits(child), logits(more), atol=1e-4)
    tokenizer = AutoTokenizer.from_pretrained(str(child))
    assert tokenizer.convert_tokens_to_ids("<|50|>") == 50
    child = exported(fitted, experts, "fewer", tmp_path / "other", base_vocabulary=True)
    assert torch.allclose(logits(child)[..., :50], logits(fewer), atol=1e-4)


def test_a_head_and_tokens_are_added_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = llama(tmp_path, tied=True)
    more = grown(base, tmp_path / "more", 53, 1)
    fitted = tmp_path / "fitted"
    command = ["fit-base", str(base), "--untie", "--tokens-of", str(more), "--out", str(fitted)]
    assert run_command(command) == 0
    assert "53 rows for tokens, 5 added, output head lm_head.weight" in capsys.readouterr().out
    state = load_file(fitted / WEIGHTS)
    assert torch.equal(state[HEAD], state[EMBEDDINGS])
    config = json.loads((fitted / "config.json").read_text())
    assert (config["vocab_size"], config["tie_word_embeddings"]) == (53, False)
    child = exported(fitted, {"more": more}, "more", tmp_path / "child")
    assert torch.allclose(logits(child), logits(more), atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["q_proj", "lm_head"]},
        {"target_modules": ["q_proj"]},
    ],
)
def test_an_adapter_of_the_tied_base_is_the_same_model_on_the_untied_one(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    base, untied = llama(tmp_path, tied=True), tmp_path / "untied"
    adapter = trained(base, tmp_path / "adapter", r=2, ensure_weight_tying=True, **options)
    fit_base(str(base), [], untied, untie=True)
    plain, other = (
        exported(source, {"adapter": adapter}, "adapter", tmp_path / f"of-{source.name}")
        for source in (base, untied)
    )
    assert torch.equal(logits(plain), logits(other))
    assert not torch.equal(logits(plain), logits(base))


def test_what_cannot_be_fitted_is_refused_and_not_written(tmp_path: Path) -> None:
    base = llama(tmp_path, tied=True)
    more, other = grown(base, tmp_path / "more", 53, 1), grown(base, tmp_path / "other", 53, 2)
    write_tokenizer(other, [*WORDS, *(f"<|{n}|>" for n in range(len(WORDS), 52)), "<|new|>"])
    untied = llama(tmp_path / "two", tied=False)
    wide = llama(tmp_path / "wide", tied=True, hidden=128)
    out = tmp_path / "out"
    for source, experts, untie, said in (
        (base, [more, other], False, "these two added other tokens: give the base those of one"),
        (untied, [], True, "has an output head of its own already; leave out --untie"),
        (base, [base], False, "has the tokens of these experts already; use it as it is"),
        (base, [wide], False, "hidden_size: found 128, the base has 64"),
    ):
        with pytest.raises(CheckpointError, match=said):
            fit_base(str(source), list(map(str, experts)), out, untie=untie)
        assert not out.exists()


def test_the_command_asks_for_what_is_to_be_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["fit-base", str(tmp_path), "--out", str(tmp_path / "out")]) == 78
    assert "fit-base: add --untie, --tokens-of EXPERT, or both" in capsys.readouterr().err
