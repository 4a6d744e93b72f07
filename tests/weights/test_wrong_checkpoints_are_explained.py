"""Each of 37 wrong experts is refused with a message naming file, tensor, finding and remedy.

``pytest -s -k explained`` prints the messages.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from cycleqd.errors import CheckpointError
from cycleqd.weights.check import check_base, check_expert
from cycleqd.weights.checkpoint import Checkpoint
from tests.checkpoints import family, fine_tuned, llama_config, random_state, write_checkpoint
from tests.weights.wrong import CASES, WEIGHTS, edit_config, edit_state

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime


@pytest.fixture
def expert(tmp_path: Path) -> Path:
    return family(tmp_path, experts=("expert",))["expert"]


def _check(expert: Path) -> None:
    base = Checkpoint.open(expert.parent / "base")
    check_base(base)
    check_expert(base, Checkpoint.open(expert))


@pytest.mark.parametrize("name", CASES)
def test_refused(expert: Path, name: str) -> None:
    make, parts = CASES[name]
    make(expert)
    with pytest.raises(CheckpointError) as caught:
        _check(expert)
    message = str(caught.value)
    print(f"\n{name}:\n  {message.replace(str(expert.parent), '')}")
    assert [part for part in parts if part not in message] == []
    assert "\n" not in message


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
