"""What an adapter's product alone cannot say is refused in one sentence: file, field, remedy.

``pytest -s -k refused`` prints the messages.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.errors import CheckpointError
from cycleqd.weights.check import check_expert
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.experts import open_expert
from tests.checkpoints import WORDS, write_tokenizer
from tests.weights.peft_adapters import llama, trained

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedModel

pytestmark = pytest.mark.runtime

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model.model.layers.0.self_attn"
MERGE = "merge_and_unload"

MADE_BY_PEFT: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "DoRA": ({"use_dora": True}, (CONFIG, "use_dora", "DoRA", MERGE)),
    "bias": ({"bias": "all"}, (CONFIG, "bias: found 'all'", MERGE)),
    "lora_bias": ({"lora_bias": True}, (CONFIG, "lora_bias", MERGE)),
    "pissa": (
        {"init_lora_weights": "pissa"},
        (CONFIG, "init_lora_weights: found 'pissa'", "path_initial_model_for_weight_conversion"),
    ),
    "olora": ({"init_lora_weights": "olora"}, (CONFIG, "init_lora_weights: found 'olora'", MERGE)),
    "layers": ({"layer_replication": [[0, 2], [0, 2]]}, (CONFIG, "layer_replication", "repeated")),
    "tokens": ({"trainable_token_indices": [1, 2]}, (CONFIG, "trainable_token_indices", MERGE)),
    "tied-head": (
        {"target_modules": ["lm_head"]},
        (WEIGHTS, "lm_head.lora_", "ties its output head", "fit-base BASE --untie"),
    ),
    "tied-embeddings": (
        {"target_modules": ["embed_tokens"]},
        (WEIGHTS, "embed_tokens.lora_embedding_", "ensure_weight_tying"),
    ),
    "tied-saved-embeddings": (
        {"modules_to_save": ["embed_tokens"]},
        (WEIGHTS, "embed_tokens.weight", "changes one of them alone"),
    ),
    "tied-saved-head": (
        {"modules_to_save": ["lm_head"]},
        (WEIGHTS, "lm_head.weight", "changes one of them alone"),
    ),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("base"), tied=True)


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return trained(base, tmp_path / "adapter", r=4, target_modules=["q_proj"])


def refusal(base: Path, adapter: Path) -> str:
    def check() -> None:
        opened = Checkpoint.open(base)
        check_expert(opened, open_expert(adapter, opened))

    with pytest.raises(CheckpointError) as caught:
        check()
    message = str(caught.value)
    print(f"\n  {message.replace(str(adapter.parent), '')}")
    assert message.isprintable()
    assert len(message) < 1000
    return message


def change_config(folder: Path, **changes: Any) -> None:
    document = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(document | changes))


def change_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = load_file(folder / WEIGHTS)
    edit(state)
    save_file(state, folder / WEIGHTS, {"format": "pt"})


@pytest.mark.parametrize("name", MADE_BY_PEFT)
def test_what_peft_trains_beside_a_product_is_refused(
    base: Path, tmp_path: Path, name: str
) -> None:
    options, parts = MADE_BY_PEFT[name]
    adapter = trained(
        base, tmp_path / "adapter", **{"r": 4, "target_modules": ["q_proj"], **options}
    )
    message = refusal(base, adapter)
    assert [part for part in parts if part not in message] == []


def test_a_grown_vocabulary_is_refused(base: Path, tmp_path: Path) -> None:
    def grow(model: PreTrainedModel) -> object:
        return model.resize_token_embeddings(52)

    options = {"r": 4, "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]}
    adapter = trained(base, tmp_path / "adapter", prepare=grow, **options)
    message = refusal(base, adapter)
    assert re.search(r"embed_tokens.*found shape \[52, 64\], the base has \[48, 64\]", message)


CONFIGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "another kind": ({"peft_type": "IA3"}, ("peft_type: found 'IA3'", MERGE)),
    "no kind": ({"peft_type": None}, ("peft_type: found None", MERGE)),
    "a setting of tomorrow": ({"use_quux": True}, ("use_quux", "not known here", MERGE)),
    "parameters": ({"target_parameters": ["up"]}, ("target_parameters", MERGE)),
    "rank 0": ({"r": 0}, ("r: found 0", "whole number above 0")),
    "rank as text": ({"r": "4"}, ("r: found '4'",)),
    "another rank": ({"r": 8}, ("q_proj.lora_A", "found shape [4, 64]", "[8, 64]")),
    "alpha as text": ({"lora_alpha": "x"}, ("lora_alpha: found 'x'", "a number")),
    "huge alpha": ({"lora_alpha": 10**80}, ("lora_alpha", "a number")),
    "no alpha's number": ({"lora_alpha": float("nan")}, ("lora_alpha", "a number")),
    "flag": ({"use_rslora": "yes"}, ("use_rslora: found 'yes'", "true or false")),
    "no targets": ({"target_modules": None}, ("target_modules: found None",)),
    "target numbers": ({"target_modules": [1]}, ("target_modules: found [1]", "module names")),
    "no expression": ({"target_modules": "q_(proj"}, ("target_modules: found 'q_(proj'",)),
    "other targets": ({"target_modules": ["v_proj"]}, ("target_modules", "q_proj", "leave it out")),
    "targets without a module": (
        {"target_modules": ["q_proj", "w_pack"]},
        ("target_modules: 'w_pack' matches no module",),
    ),
    "more targets": (
        {"target_modules": ".*(q|v)_proj"},
        ("v_proj.lora_A.weight", "missing", "target_modules"),
    ),
    "no layer": (
        {"layers_to_transform": [0, 1, 7]},
        ("layers_to_transform: '7' matches no module",),
    ),
    "fewer layers": ({"layers_to_transform": [0]}, ("target_modules", "layers.1", "leave it out")),
    "layers of an expression": (
        {"target_modules": ".*q_proj", "layers_to_transform": [0, 1]},
        ("layers_to_transform",),
    ),
    "no saved module": (
        {"modules_to_save": ["score"]},
        ("modules_to_save: 'score' matches no module",),
    ),
    "rank of nothing": ({"rank_pattern": {"x": 4}}, ("rank_pattern: 'x' matches no module",)),
    "alpha of nothing": ({"alpha_pattern": {"x": 4}}, ("alpha_pattern: 'x' matches no module",)),
    "pattern's rank": ({"rank_pattern": {"q_proj": 2.5}}, ("rank_pattern of 'q_proj': found 2.5",)),
    "patterns": ({"rank_pattern": ["q"]}, ("rank_pattern: found ['q']", "an object")),
    "an expression inside": (
        {"alpha_pattern": {"(?i)q_proj": 4}},
        ("alpha_pattern: found '(?i)q_proj'", "a regular expression"),
    ),
    "no name": ({"a\nb": 1}, ("'a\\nb': found 1", "not known here")),
    "a list as beginning": ({"init_lora_weights": []}, ("init_lora_weights: found []",)),
    "excluded": ({"exclude_modules": ["q_proj"]}, ("target_modules", "leave it out")),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_that_mean_something_else_are_refused(
    base: Path, adapter: Path, name: str
) -> None:
    changes, parts = CONFIGS[name]
    change_config(adapter, **changes)
    message = refusal(base, adapter)
    assert [part for part in (CONFIG, *parts) if part not in message] == []


def _rename(old: str, new: str) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda state: state.update({new: state.pop(old)})


FILES: dict[str, tuple[Callable[[dict[str, torch.Tensor]], object], tuple[str, ...]]] = {
    "half a pair": (
        lambda state: state.pop(f"{PREFIX}.q_proj.lora_B.weight"),
        ("q_proj.lora_A", "the B that belongs to it is missing"),
    ),
    "no pair": (
        lambda state: [state.pop(f"{PREFIX}.q_proj.lora_{part}.weight") for part in "AB"],
        ("layers.0.self_attn.q_proj.lora_A.weight", "missing"),
    ),
    "another module": (
        lambda state: [
            state.update({f"{PREFIX}.x_proj.lora_{part}.weight": torch.ones(4, 4)}) for part in "AB"
        ],
        ("module 'model.layers.0.self_attn.x_proj' has no weight in the base",),
    ),
    "another prefix": (
        _rename(f"{PREFIX}.q_proj.lora_A.weight", "layers.0.q_proj.lora_A.weight"),
        ("'layers.0.q_proj.lora_A.weight'", "begins with base_model.model."),
    ),
    "an adapter's name": (
        _rename(f"{PREFIX}.q_proj.lora_A.weight", f"{PREFIX}.q_proj.lora_A.default.weight"),
        ("lora_A.default.weight", "no part of a LoRA"),
    ),
    "magnitudes": (
        lambda state: state.update({f"{PREFIX}.q_proj.lora_magnitude_vector": torch.ones(64)}),
        ("lora_magnitude_vector", "DoRA", MERGE),
    ),
    "an added head": (
        lambda state: state.update({"base_model.model.score.weight": torch.ones(2, 64)}),
        ("score.weight", "not in the base", "modules_to_save"),
    ),
    "integers": (
        lambda s: s.update({f"{PREFIX}.q_proj.lora_A.weight": torch.ones(4, 64, dtype=torch.int8)}),
        ("q_proj.lora_A.weight", "dtype I8", "BF16, F16, F32"),
    ),
    "no numbers": (
        lambda state: state[f"{PREFIX}.q_proj.lora_A.weight"].view(-1).fill_(float("nan")),
        ("q_proj.lora_A.weight", "found nan at element 0", "diverged"),
    ),
    "nothing learned": (
        lambda state: [state[name].zero_() for name in state if "lora_B" in name],
        ("every product of the adapter is zero", "saved before its training"),
    ),
    "another base": (
        lambda s: s.update({f"{PREFIX}.q_proj.lora_A.weight": torch.ones(4, 32)}),
        ("q_proj.lora_A", "found shape [4, 32]", "[4, 64]", "the base that the adapter was"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_do_not_fit_are_refused(base: Path, adapter: Path, name: str) -> None:
    edit, parts = FILES[name]
    change_weights(adapter, edit)
    message = refusal(base, adapter)
    assert [part for part in parts if part not in message] == []


def test_pickled_adapters_are_refused(base: Path, adapter: Path) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    message = refusal(base, adapter)
    assert "adapter_model.bin is a pickle" in message
    assert "save_pretrained, which writes safetensors" in message


def test_another_vocabulary_is_refused(base: Path, adapter: Path) -> None:
    write_tokenizer(adapter, [*WORDS[:-1], "dog"])
    assert "the base's tokenizer" in refusal(base, adapter)


def test_a_base_may_not_be_an_adapter(adapter: Path) -> None:
    with pytest.raises(CheckpointError, match="a LoRA adapter, not a model; as an expert it is"):
        CheckpointHeader.open(adapter)


def test_a_model_s_own_files_come_first(base: Path, adapter: Path) -> None:
    """What was merged keeps the adapter's configuration at times."""
    for path in base.iterdir():
        (adapter / path.name).write_bytes(path.read_bytes())
    opened = Checkpoint.open(base)
    with pytest.raises(CheckpointError, match="both a model"):
        open_expert(adapter, opened)
    (adapter / WEIGHTS).unlink()
    assert isinstance(open_expert(adapter, opened), Checkpoint)
