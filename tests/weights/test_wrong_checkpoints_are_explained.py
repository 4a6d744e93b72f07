"""Every wrong expert is refused in one sentence that names file, tensor, finding and remedy.

``pytest -s -k explained`` prints the messages.
"""

from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING

import pytest
import torch

from cycleqd.checkpoints.compatibility import added_tokens
from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.errors import CheckpointError
from cycleqd.weights.check import check_base, check_expert
from cycleqd.weights.checkpoint import Checkpoint
from tests.checkpoints import (
    WORDS,
    family,
    fine_tuned,
    llama_config,
    random_state,
    write_checkpoint,
    write_tokenizer,
)
from tests.weights.damage import INDEX, WEIGHTS, edit_config, edit_state
from tests.weights.wrong import CASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.runtime


@pytest.fixture
def expert(tmp_path: Path) -> Path:
    return family(tmp_path, experts=("expert",))["expert"]


def _check(expert: Path) -> None:
    base = Checkpoint.open(expert.parent / "base")
    check_base(base)
    check_expert(base, Checkpoint.open(expert).fitted(base))


@pytest.mark.parametrize("name", CASES)
def test_refused(expert: Path, name: str) -> None:
    make, parts = CASES[name]
    make(expert)
    with pytest.raises(CheckpointError) as caught:
        _check(expert)
    message = str(caught.value)
    print(f"\n{name}:\n  {message.replace(str(expert.parent), '')}")
    assert [part for part in parts if part not in message] == []
    assert message.isprintable()
    assert len(message) < 1000


def test_a_good_expert_is_taken(expert: Path) -> None:
    _check(expert)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_another_float_type_is_taken(tmp_path: Path, dtype: str) -> None:
    folders = family(tmp_path, experts=())
    config = llama_config(dtype=dtype)
    state = fine_tuned(random_state(config, 0), 1)
    write_checkpoint(folders["base"].parent / "expert", config, state)
    _check(tmp_path / "expert")


def test_symbolic_links_are_followed(expert: Path, tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / "abc"
    blob.parent.mkdir()
    shutil.move(expert / WEIGHTS, blob)
    (expert / WEIGHTS).symlink_to(blob)
    _check(expert)


def test_a_copied_tied_head_is_taken(expert: Path) -> None:
    embeddings = "model.embed_tokens.weight"
    edit_state(expert, lambda state: state.update({"lm_head.weight": state[embeddings].clone()}))
    _check(expert)
    names = [info.name for info in Checkpoint.open(expert).tensors]
    assert "lm_head.weight" not in names


def test_an_expert_without_a_tokenizer_uses_the_base_s(expert: Path) -> None:
    (expert / "tokenizer.json").unlink()
    edit_config(expert, rope_parameters={"rope_theta": 10000.0, "rope_type": "default"})
    _check(expert)


def test_null_is_a_setting_left_to_its_default(expert: Path) -> None:
    edit_config(expert, text_config=None, quantization_config=None, rope_parameters=None)
    edit_config(expert, head_dim=None, architectures=None)
    _check(expert)


def test_an_expert_that_kept_the_settings_of_a_quantised_base_is_taken(expert: Path) -> None:
    edit_config(expert, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    _check(expert)


def test_a_base_that_was_untied_takes_an_expert_with_a_head(expert: Path) -> None:
    make, _ = CASES["untied_head"]
    make(expert)
    base, name = expert.parent / "base", "model.embed_tokens.weight"
    edit_config(base, tie_word_embeddings=False)
    edit_state(base, lambda state: state.update({"lm_head.weight": state[name].clone()}))
    _check(expert)


def test_tokens_in_unused_rows_are_taken(expert: Path) -> None:
    # The embeddings have 48 rows, the base 42 tokens.
    write_tokenizer(expert, [*WORDS, "<|im_end|>", "<|im_start|>"])
    _check(expert)
    assert added_tokens(expert.parent / "base", expert) == ["<|im_end|>", "<|im_start|>"]


def test_tokens_beyond_the_rows_are_refused(expert: Path) -> None:
    write_tokenizer(expert, [*WORDS, *(f"<|{number}|>" for number in range(10))])
    with pytest.raises(CheckpointError, match=r"token '<\|6\|>': found id 48, the base has None"):
        _check(expert)


def test_infinity_in_settings_that_are_not_ours_is_taken(expert: Path) -> None:
    edit_config(expert, time_step_limit=[0.0, float("inf")])
    _check(expert)


def test_names_with_foreign_digits_are_names(expert: Path) -> None:
    names = {f"model.layers.{digits}.x": torch.ones(1) for digits in ("1²2", "٣", "①", "007")}
    for folder in (expert.parent / "base", expert):
        edit_state(folder, lambda state: state.update(names))
    _check(expert)
    found = [t.name for t in CheckpointHeader.open(expert).tensors if t.name in names]
    assert found == [f"model.layers.{digits}.x" for digits in ("007", "1²2", "٣", "①")]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda base: (base / "tokenizer.json").write_text("{}"), r"tokenizer\.json: not a token"),
        (
            lambda base: edit_config(base, quantization_config={"quant_method": "fp8"}),
            "found 'fp8', but the weights are of full precision; remove quantization_config",
        ),
        (lambda base: edit_config(base, eos_token_id="</s>"), r"config\.json: eos_token_id: found"),
        (lambda base: edit_config(base, eos_token_id=[True]), r"config\.json: eos_token_id: found"),
    ],
)
def test_a_base_that_cannot_serve_its_children_is_refused(
    expert: Path, edit: Callable[[Path], object], message: str
) -> None:
    edit(expert.parent / "base")
    with pytest.raises(CheckpointError, match=message):
        check_base(Checkpoint.open(expert.parent / "base"))


# What is quadratic takes longer than the limit by far, on any machine.
@pytest.mark.timeout(120)
def test_many_names_take_no_time(expert: Path) -> None:
    entry = {"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]}
    names = [f"model.layers.{number % 90}.lm_head.weight.{number}" for number in range(60_000)]
    names.append("model.embed_tokens.weight")
    (expert / WEIGHTS).unlink()
    text = json.dumps(dict.fromkeys(names, entry)).encode()
    (expert / "part.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    index = {"weight_map": dict.fromkeys(names, "part.safetensors")}
    (expert / INDEX).write_text(json.dumps(index))
    header = CheckpointHeader.open(expert)
    assert len(header.tied_heads) == 60_000
    assert [tensor.name for tensor in header.tensors] == ["model.embed_tokens.weight"]


@pytest.mark.timeout(120)
def test_a_name_twice_among_many_is_found_in_no_time(expert: Path) -> None:
    names = ",".join(f'"t{number}":0' for number in range(200_000))
    text = f'{{{names},"t199999":1}}'.encode()
    (expert / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(CheckpointError, match="the header names 't199999' twice"):
        CheckpointHeader.open(expert)
