"""Whatever bytes a checkpoint's files hold, they are read or refused in one sentence.

Hypothesis writes the files: arbitrary bytes, and valid forms with arbitrary values in every field.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cycleqd.checkpoints.adapter_header import AdapterHeader
from cycleqd.checkpoints.compatibility import check_headers
from cycleqd.checkpoints.configuration import end_tokens
from cycleqd.checkpoints.header import CheckpointHeader, layout
from cycleqd.checkpoints.safetensors_file import build_header, read_header
from cycleqd.checkpoints.tokenizer import read_vocabulary
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.runtime

fuzz = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
# What Python's JSON writer would not write.
ODD = [
    "9" * 5000,
    "1e999",
    "NaN",
    "-0",
    '"\\ud800"',
    "[" * 300 + "]" * 300,
    "1" + "0" * 30,
    "{",
    "",
]
TEXTS = VALUES.map(json.dumps) | st.sampled_from(ODD)
SIZES = st.integers(-1, 4) | st.sampled_from([1 << 31, (1 << 63) - 1, 1 << 64])
NAMES = st.sampled_from(
    ["a", "b", "model.layers.1.x", "lm_head.weight", "model.embed.weight", "h.²3.x", "__metadata__"]
) | st.text(max_size=5)
TYPES = st.sampled_from(["BF16", "F32", "U8"])
FIELDS = st.sampled_from(
    [
        "architectures", "model_type", "hidden_size", "rope_theta", "tie_word_embeddings",
        "text_config", "rope_parameters", "quantization_config", "eos_token_id", "other",
    ]
)  # fmt: skip


def entry(dtype: str, shape: str, offsets: str) -> str:
    return f'{{"dtype": {dtype}, "shape": {shape}, "data_offsets": {offsets}}}'


ENTRIES = st.builds(
    entry,
    TYPES.map(json.dumps) | TEXTS,
    st.lists(SIZES, max_size=3).map(json.dumps) | TEXTS,
    st.lists(SIZES, min_size=2, max_size=2).map(json.dumps) | TEXTS,
)


def document(pairs: list[tuple[str, str]]) -> str:
    """A JSON object, also one that has a name twice."""
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in pairs) + "}"


def in_a_sentence(act: Callable[[], object]) -> bool:
    """Whether it went well; anything but a good sentence fails the test."""
    try:
        act()
    except CheckpointError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 2000
        return False
    return True


def write_weights(folder: Path, text: bytes, data: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@fuzz
@given(data=st.binary(max_size=64), prefixed=st.booleans())
def test_any_bytes_for_the_weights(tmp_path: Path, data: bytes, prefixed: bool) -> None:
    path = write_weights(tmp_path, data, b"") if prefixed else tmp_path / "model.safetensors"
    if not prefixed:
        path.write_bytes(data)
    in_a_sentence(lambda: read_header(path))


@fuzz
@given(
    pairs=st.lists(st.tuples(NAMES, ENTRIES | TEXTS), max_size=4),
    size=st.integers(0, 40),
)
def test_any_values_in_a_header(tmp_path: Path, pairs: list[tuple[str, str]], size: int) -> None:
    (tmp_path / "config.json").write_text("{}")
    path = write_weights(tmp_path, document(pairs).encode(), bytes(size))
    if in_a_sentence(lambda: read_header(path)):
        tensors = read_header(path).tensors
        assert sum(tensor.nbytes for tensor in tensors) == size
        if in_a_sentence(lambda: CheckpointHeader.open(tmp_path)):
            layout(CheckpointHeader.open(tmp_path), ["expert"], None)


def write_good(folder: Path) -> CheckpointHeader:
    header, _, size = build_header([("model.embed.weight", "BF16", (2, 2))], {})
    (folder / "model.safetensors").write_bytes(header + bytes(size - len(header)))
    (folder / "config.json").write_text('{"hidden_size": 2, "rope_theta": 1.0}')
    return CheckpointHeader.open(folder)


@fuzz
@given(pairs=st.lists(st.tuples(FIELDS, TEXTS), max_size=4), nested=st.booleans())
def test_any_values_in_a_configuration(
    tmp_path: Path, pairs: list[tuple[str, str]], nested: bool
) -> None:
    base = write_good(tmp_path)
    text = document(pairs)
    (tmp_path / "config.json").write_text(f'{{"text_config": {text}}}' if nested else text)
    if in_a_sentence(lambda: CheckpointHeader.open(tmp_path)):
        in_a_sentence(lambda: check_headers(base, CheckpointHeader.open(tmp_path)))
    in_a_sentence(lambda: end_tokens(tmp_path))


@fuzz
@given(
    pairs=st.lists(
        st.tuples(NAMES, st.text(max_size=9).map(json.dumps) | st.just('"part"') | TEXTS),
        max_size=3,
    ),
    whole=TEXTS | st.none(),
)
def test_any_values_in_an_index(
    tmp_path: Path, pairs: list[tuple[str, str]], whole: str | None
) -> None:
    write_good(tmp_path)
    (tmp_path / "model.safetensors").replace(tmp_path / "part")
    text = document(pairs) if whole is None else whole
    (tmp_path / "model.safetensors.index.json").write_text(f'{{"weight_map": {text}}}')
    in_a_sentence(lambda: CheckpointHeader.open(tmp_path))


@fuzz
@given(vocabulary=TEXTS, merges=TEXTS, added=TEXTS)
def test_any_values_in_a_tokenizer(
    tmp_path: Path, vocabulary: str, merges: str, added: str
) -> None:
    path = tmp_path / "tokenizer.json"
    model = document([("vocab", vocabulary), ("merges", merges)])
    path.write_text(document([("model", model), ("added_tokens", added)]))
    in_a_sentence(lambda: read_vocabulary(path))


SETTINGS = st.sampled_from(
    [
        "peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern",
        "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern",
        "modules_to_save", "bias", "init_lora_weights", "ensure_weight_tying",
    ]
) | st.text(max_size=5)  # fmt: skip
PATTERNS = st.dictionaries(st.sampled_from(["q", "(", "(?i)q", "a|", "*", "\\1"]), st.integers())
PART = st.sampled_from(
    ["lora_A.weight", "lora_B.weight", "lora_embedding_A", "lora_embedding_B", "weight", "lora_C"]
)
MODULE = st.sampled_from(["model.embed", "model.q", "lm_head", "model.embed.base_layer", "x", ""])


@fuzz
@given(
    pairs=st.lists(st.tuples(SETTINGS, TEXTS | PATTERNS.map(json.dumps)), max_size=3),
    parts=st.sets(st.tuples(MODULE, PART), max_size=4),
    shape=st.sampled_from([(2, 2), (2,), (0, 2), (2, 2, 2), ()]),
    tied=st.booleans(),
)
def test_any_values_in_an_adapter(
    tmp_path: Path,
    pairs: list[tuple[str, str]],
    parts: set[tuple[str, str]],
    shape: tuple[int, ...],
    tied: bool,
) -> None:
    write_good(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"tie_word_embeddings": tied}))
    base = CheckpointHeader.open(tmp_path)
    folder = tmp_path / "adapter"
    folder.mkdir(exist_ok=True)
    good = [("peft_type", '"LORA"'), ("r", "2"), ("target_modules", '["embed", "q"]')]
    (folder / "adapter_config.json").write_text(document([*good, *pairs]))
    names = sorted({f"base_model.model.{module}.{part}" for module, part in parts})
    header, _, size = build_header([(name, "BF16", shape) for name in names], {})
    path = folder / "adapter_model.safetensors"
    path.write_bytes(header + bytes(size - len(header)))
    in_a_sentence(lambda: AdapterHeader.open(folder, base))
