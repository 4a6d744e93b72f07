"""An engine reads a checkpoint as admission does: same tensors, and an odd folder is explained."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import save_file  # noqa: E402
from tiny_llama import save_tiny_llama  # noqa: E402

from cycleqd.errors import CheckpointError, EngineError  # noqa: E402
from cycleqd.evaluation.chat import load_chat  # noqa: E402
from cycleqd.evaluation.engines.prompts import Tokenizer  # noqa: E402
from cycleqd.evaluation.engines.weights import (  # noqa: E402
    checkpoint_shapes,
    checkpoint_tensors,
)

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(120)]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_tiny_llama(tmp_path / "a")


def test_a_file_beside_the_weights_is_not_read(checkpoint: Path) -> None:
    before = checkpoint_shapes(checkpoint)
    save_file({"other": torch.zeros(2)}, checkpoint / "consolidated.safetensors")
    assert checkpoint_shapes(checkpoint) == before
    assert {name: tuple(t.shape) for name, t in checkpoint_tensors(checkpoint)} == before


def test_a_fifo_for_the_weights_is_refused(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    os.mkfifo(checkpoint / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: is a FIFO, expected a file"):
        checkpoint_shapes(checkpoint)


@pytest.mark.parametrize("ends", ["</s>", [True], -1, {"id": 0}])
def test_end_tokens_of_no_numbers_are_refused(checkpoint: Path, ends: object) -> None:
    (checkpoint / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    with pytest.raises(CheckpointError, match=r"generation_config\.json: eos_token_id: found"):
        Tokenizer(checkpoint, 96)


def test_end_tokens_of_both_configurations_count(checkpoint: Path) -> None:
    (checkpoint / "generation_config.json").write_text('{"eos_token_id": [5, 7]}')
    assert Tokenizer(checkpoint, 96).ends == {0, 5, 7}


def test_a_tokenizer_that_cannot_be_built_is_named(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(EngineError, match="the tokenizer cannot be loaded"):
        Tokenizer(checkpoint, 96)
    with pytest.raises(CheckpointError, match="the tokenizer cannot be loaded"):
        load_chat(checkpoint)


def test_a_chat_template_that_fails_is_named(checkpoint: Path) -> None:
    (checkpoint / "chat_template.jinja").write_text("{{ messages[9]['content'] + 1 }}")
    with pytest.raises(CheckpointError, match=r"its chat template fails: .*switch chat off"):
        load_chat(checkpoint)("hello")
