"""Whether an expert is a fine-tune of the base, judged by what needs no weights. No torch.

Merging adds weights element by element, which means something only for models of one architecture
with one vocabulary. Each refusal names the file, what was found and expected, and what to do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cycleqd.checkpoints.header import CheckpointHeader, read_json
from cycleqd.checkpoints.safetensors_file import FLOAT_TYPES
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

# Settings that change what the weights mean; the child runs with those of the base.
_SETTINGS = (
    "architectures", "model_type", "hidden_size", "intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size", "hidden_act",
    "rms_norm_eps", "layer_norm_eps", "num_local_experts", "num_experts_per_tok", "rope_theta",
    "tie_word_embeddings",
)  # fmt: skip
_OTHER_VOCABULARIES = ("tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


def check_headers(base: CheckpointHeader, expert: CheckpointHeader) -> None:
    """Compare configuration, tensors and tokenizer of an expert with the base's.

    Raises:
        CheckpointError: the expert cannot be merged with the base.
    """
    check_types(expert)
    _check_settings(base, expert)
    _check_tensors(base, expert)
    _check_tokenizer(base.folder, expert.folder)


def check_types(checkpoint: CheckpointHeader) -> None:
    """Refuse quantised and integer weights.

    Raises:
        CheckpointError: a tensor is not fp32, fp16 or bf16.
    """
    method = _settings(checkpoint.config).get("quantization_config")
    if method:
        name = method.get("quant_method", "unknown") if isinstance(method, dict) else method
        raise CheckpointError(
            f"{checkpoint.folder / 'config.json'}: quantization_config: found {name!r}, expected "
            "none; quantised weights cannot be merged, use the full-precision checkpoint"
        )
    for info in (*checkpoint.tensors, *checkpoint.tied_heads):
        if info.dtype not in FLOAT_TYPES:
            raise CheckpointError(
                f"{info.file}: tensor {info.name!r}: found dtype {info.dtype}, expected one of "
                f"{', '.join(sorted(FLOAT_TYPES))}; quantised and integer weights cannot be "
                "merged, use the full-precision checkpoint"
            )


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of the language model, old and new spellings made one."""
    nested = config.get("text_config")
    settings = {**config, **nested} if isinstance(nested, dict) else dict(config)
    rope = settings.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:
        settings["rope_theta"] = rope["rope_theta"]
    return settings


def _check_settings(base: CheckpointHeader, expert: CheckpointHeader) -> None:
    ours, theirs = _settings(base.config), _settings(expert.config)
    for key in _SETTINGS:
        # A setting that one side leaves to its default is not a difference; shapes tell the rest.
        if key in ours and key in theirs and ours[key] != theirs[key]:
            raise CheckpointError(
                f"{expert.folder / 'config.json'}: {key}: found {json.dumps(theirs[key])}, the "
                f"base has {json.dumps(ours[key])}; an expert must be a fine-tune of {base.folder}"
            )


def _check_tensors(base: CheckpointHeader, expert: CheckpointHeader) -> None:
    ours, theirs = base.by_name, expert.by_name
    missing = [name for name in ours if name not in theirs]
    if missing:
        raise CheckpointError(
            f"{expert.folder}: tensor {missing[0]!r}: missing{_more(missing)}, expected every "
            "tensor of the base; save the whole model with save_pretrained"
        )
    extra = [name for name in theirs if name not in ours]
    if extra:
        hint = "merge adapters into the weights and drop added heads before saving"
        if "lm_head.weight" in extra:
            hint = "the base ties its output head to the embeddings; tie the expert's before saving"
        raise CheckpointError(
            f"{theirs[extra[0]].file}: tensor {extra[0]!r}: not in the base{_more(extra)}; {hint}"
        )
    for name, info in theirs.items():
        if info.shape != ours[name].shape:
            raise CheckpointError(
                f"{info.file}: tensor {name!r}: found shape {list(info.shape)}, the base has "
                f"{list(ours[name].shape)}; an expert must keep the base's architecture and "
                "vocabulary"
            )


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _check_tokenizer(base: Path, expert: Path) -> None:
    """Compare the vocabularies; an expert saved without a tokenizer is used with the base's."""
    ours, theirs = base / "tokenizer.json", expert / "tokenizer.json"
    if ours.is_file() and theirs.is_file():
        if ours.read_bytes() != theirs.read_bytes():
            _compare_vocabularies(ours, theirs)
        return
    for name in _OTHER_VOCABULARIES:
        ours, theirs = base / name, expert / name
        if ours.is_file() and theirs.is_file() and ours.read_bytes() != theirs.read_bytes():
            raise CheckpointError(
                f"{theirs}: another vocabulary than {ours}; fine-tune with the base's tokenizer"
            )


def _compare_vocabularies(ours: Path, theirs: Path) -> None:
    """Templates, padding and truncation may differ; what a token id means may not."""
    expected, found = _vocabulary(ours), _vocabulary(theirs)
    remedy = "fine-tune with the base's tokenizer"
    for token in sorted(
        expected.keys() | found.keys(), key=lambda t: (expected.get(t, 1 << 62), t)
    ):
        if expected.get(token) != found.get(token):
            raise CheckpointError(
                f"{theirs}: token {token!r}: found id {found.get(token)}, the base has "
                f"{expected.get(token)}; {remedy}"
            )
    if _merges(ours) != _merges(theirs):
        raise CheckpointError(f"{theirs}: the merge rules differ from the base's; {remedy}")


def _vocabulary(path: Path) -> dict[str, int]:
    document = read_json(path)
    try:
        vocabulary = document["model"]["vocab"]
        # Unigram models list [piece, score] pairs, the others map tokens to ids.
        if isinstance(vocabulary, list):
            vocabulary = {pair[0]: number for number, pair in enumerate(vocabulary)}
        added = {token["content"]: token["id"] for token in document.get("added_tokens") or ()}
        return {**vocabulary, **added}
    except (KeyError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"{path}: not a tokenizer of the tokenizers library ({error!r}); save it again"
        ) from error


def _merges(path: Path) -> list[tuple[str, ...]]:
    merges = read_json(path)["model"].get("merges") or ()
    # Written as "a b" by older versions, as ["a", "b"] by newer ones.
    return [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]
