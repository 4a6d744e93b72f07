"""What ``config.json`` and ``generation_config.json`` say of a model, field by field. No torch.

Only the fields that this package acts on are looked at; whether the model's class agrees with the
others is for the library that builds it. Multimodal models nest the language model's settings in
``text_config``, newer configurations the rotary base in ``rope_parameters``.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import CONFIG_FILE, GENERATION_FILE, kind_of, read_json
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(value: object) -> bool:
    # Some families give one for each layer.
    return all(map(_number, value)) if isinstance(value, list) else _number(value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _object(value: object) -> bool:
    return isinstance(value, dict)


_NUMBERS = (_numbers, "a number, or a list with one for each layer")
_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "architectures": (_texts, "a list of class names"),
    "model_type": (_text, "a text"),
    "hidden_act": (_text, "a text"),
    "tie_word_embeddings": (_flag, "true or false"),
    "text_config": (_object, "an object"),
    "rope_parameters": (_object, "an object"),
    "hidden_size": _NUMBERS,
    "intermediate_size": _NUMBERS,
    "num_hidden_layers": _NUMBERS,
    "num_attention_heads": _NUMBERS,
    "num_key_value_heads": _NUMBERS,
    "head_dim": _NUMBERS,
    "vocab_size": _NUMBERS,
    "rms_norm_eps": _NUMBERS,
    "layer_norm_eps": _NUMBERS,
    "num_local_experts": _NUMBERS,
    "num_experts_per_tok": _NUMBERS,
    "rope_theta": _NUMBERS,
}

# A class makes modules and names by these numbers before it sees that there are no weights.
_REPEATED = re.compile(r"(?:layers?|experts|blocks|depth|labels)$")
_MAX_REPEATED = 4096


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a checkpoint.

    Raises:
        CheckpointError: it is missing, no JSON, or a field is not what it must be.
    """
    path = folder / CONFIG_FILE
    if kind_of(path) is None:
        raise CheckpointError(f"{path}: missing; a checkpoint folder needs its config.json")
    config = read_json(path)
    _check_repeated(path, config, "")
    _check_fields(path, config, "")
    for name in ("text_config", "rope_parameters"):
        _check_fields(path, config.get(name) or {}, f"{name}.")
    nested = (config.get("text_config") or {}).get("rope_parameters") or {}
    _check_fields(path, nested, "text_config.rope_parameters.")
    return config


def language_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of the language model, old and new spellings made one; null is none."""
    settings = {**config, **(config.get("text_config") or {})}
    rope = settings.get("rope_parameters") or {}
    if "rope_theta" in rope:
        settings["rope_theta"] = rope["rope_theta"]
    return {name: value for name, value in settings.items() if value is not None}


def ties_head(config: dict[str, Any]) -> bool:
    """Whether the output head is the embeddings."""
    nested = config.get("text_config") or {}
    outer = config.get("tie_word_embeddings")
    return bool(nested.get("tie_word_embeddings") if outer is None else outer)


def with_setting(config: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    """A configuration with another value of a setting of the language model, wherever it stands.

    Whether the head is tied, a model of images too asks its own configuration, not the nested one.
    """
    nested = config.get("text_config") or {}
    changed = {**config}
    if name in nested:
        changed["text_config"] = {**nested, name: value}
    if name in config or name not in nested or name == "tie_word_embeddings":
        changed[name] = value
    return changed


def end_tokens(folder: Path) -> frozenset[int]:
    """The tokens that end a text, by the two configurations; there may be several, or none.

    Raises:
        CheckpointError: a configuration cannot be read, or does not name tokens.
    """
    found: set[int] = set()
    for path in (folder / CONFIG_FILE, folder / GENERATION_FILE):
        if kind_of(path) is None:
            continue
        value = read_json(path).get("eos_token_id")
        ids = value if isinstance(value, list) else [] if value is None else [value]
        if not all(
            isinstance(i, int) and not isinstance(i, bool) and 0 <= i < 1 << 31 for i in ids
        ):
            raise CheckpointError(
                f"{path}: eos_token_id: found {quoted(value)}, expected a token's number or a list "
                "of them; correct it or download it again"
            )
        found.update(ids)
    return frozenset(found)


def _check_repeated(path: Path, settings: dict[str, Any], prefix: str) -> None:
    for name, value in settings.items():
        if isinstance(value, dict):
            _check_repeated(path, value, f"{prefix}{name}.")
        elif _REPEATED.search(name) and isinstance(value, int) and value > _MAX_REPEATED:
            raise CheckpointError(
                f"{path}: {quoted(f'{prefix}{name}')}: found {value}, expected at most "
                f"{_MAX_REPEATED}; correct it or download it again"
            )


def _check_fields(path: Path, settings: dict[str, Any], prefix: str) -> None:
    for name, (holds, words) in _FIELDS.items():
        value = settings.get(name)
        if value is not None and not holds(value):
            raise CheckpointError(
                f"{path}: {prefix}{name}: found {quoted(value)}, expected {words}; "
                "correct it or download it again"
            )
