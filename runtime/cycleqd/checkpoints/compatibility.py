"""Whether an expert is a fine-tune of the base, judged by what needs no weights. No torch.

Merging adds weights element by element, which means something only for models of one architecture
with one vocabulary. Each refusal names the file, what was found and expected, and what to do; the
most specific one comes first. Settings are compared here as they are written; what they mean where
they are left out, the library that builds the model says (`cycleqd.evaluation.engines.settings`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cycleqd.checkpoints.configuration import language_settings
from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import CONFIG_FILE, TOKENIZER_FILE, kind_of, read_file
from cycleqd.checkpoints.safetensors_file import FLOAT_TYPES
from cycleqd.checkpoints.tokenizer import Vocabulary, read_vocabulary
from cycleqd.checkpoints.vocabulary import UNTIE
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.checkpoints.header import CheckpointHeader
    from cycleqd.checkpoints.safetensors_file import TensorInfo

# Settings that change what the weights mean; the child runs with those of the base.
_SETTINGS = (
    "architectures", "model_type", "hidden_size", "intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size", "hidden_act",
    "rms_norm_eps", "layer_norm_eps", "num_local_experts", "num_experts_per_tok", "rope_theta",
    "tie_word_embeddings",
)  # fmt: skip
_OTHER_VOCABULARIES = ("tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


def check_headers(
    base: CheckpointHeader, expert: CheckpointHeader, *, base_vocabulary: bool = False
) -> None:
    """Compare configuration, tensors and tokenizer of an expert with the base's.

    Args:
        base: the base.
        expert: the expert, in the form of the base (`cycleqd.checkpoints.vocabulary.fitted`).
        base_vocabulary: whether it is taken with the base's vocabulary, if it has another.

    Raises:
        CheckpointError: the expert cannot be merged with the base.
    """
    check_types(expert)
    _check_settings(base, expert)
    _check_tensors(base, expert)
    check_tokenizer(base, expert.folder, base_vocabulary=base_vocabulary)


def check_types(checkpoint: CheckpointHeader) -> None:
    """Refuse quantised and integer weights.

    Raises:
        CheckpointError: a tensor is not fp32, fp16 or bf16.
    """
    for info in (*checkpoint.tensors, *checkpoint.tied_heads):
        if info.dtype not in FLOAT_TYPES:
            method = _quantisation(checkpoint)
            how = (
                f" ({CONFIG_FILE} has a quantization_config of {quoted(method)})" if method else ""
            )
            raise CheckpointError(
                f"{info.file}: tensor {quoted(info.name)}: found dtype {info.dtype}, expected one "
                f"of {', '.join(sorted(FLOAT_TYPES))}{how}; quantised and integer weights cannot "
                "be merged, use the full-precision checkpoint"
            )


def check_full_precision(base: CheckpointHeader) -> None:
    """Refuse a base whose weights are floats, but whose configuration says that they are not.

    A fine-tune of a quantised model often keeps such a setting when it was merged into full
    precision. Of an expert it does not matter: children run with the base's configuration.

    Raises:
        CheckpointError: the engine would take the weights for quantised ones.
    """
    method = _quantisation(base)
    if method:
        raise CheckpointError(
            f"{base.folder / CONFIG_FILE}: quantization_config: found {quoted(method)}, but the "
            "weights are of full precision; remove quantization_config from that file"
        )


def added_tokens(base: Path, expert: Path) -> list[str]:
    """Tokens that an expert's tokenizer has beyond the base's, in rows that the base leaves unused.

    Children use the base's tokenizer, which writes such a token as several others.

    Args:
        base: the base's folder.
        expert: the expert's folder, a checkpoint or an adapter.
    """
    ours, theirs = base / TOKENIZER_FILE, expert / TOKENIZER_FILE
    if kind_of(ours) is None or kind_of(theirs) is None:
        return []
    known = read_vocabulary(ours).ids
    return sorted(read_vocabulary(theirs).ids.keys() - known.keys())


def _quantisation(checkpoint: CheckpointHeader) -> str | None:
    method = language_settings(checkpoint.config).get("quantization_config")
    if not method:
        return None
    return str(method.get("quant_method", "unknown") if isinstance(method, dict) else method)


def _check_settings(base: CheckpointHeader, expert: CheckpointHeader) -> None:
    ours, theirs = language_settings(base.config), language_settings(expert.config)
    for key in _SETTINGS:
        # A setting that one side leaves to its default is not a difference; shapes tell the rest.
        if key in ours and key in theirs and ours[key] != theirs[key]:
            remedy = f"an expert must be a fine-tune of {base.folder}"
            if key == "vocab_size":
                remedy = other_rows(theirs[key] > ours[key])
            raise CheckpointError(
                f"{expert.folder / CONFIG_FILE}: {key}: found {quoted(theirs[key])}, the "
                f"base has {quoted(ours[key])}; {remedy}"
            )


def other_rows(more: bool) -> str:
    """What to do where an expert has more rows for tokens than the base, or fewer."""
    if more:
        return (
            "write `vocabulary: Base` beside its uri to leave the added rows out, or keep them: "
            "`cycleqd fit-base BASE --tokens-of EXPERT --out FOLDER`, and name FOLDER as "
            "spec.base.uri"
        )
    return "write `vocabulary: Base` beside its uri to keep the base's for the rows that it lacks"


def _check_tensors(base: CheckpointHeader, expert: CheckpointHeader) -> None:
    ours, theirs = base.by_name, expert.by_name
    missing = [name for name in ours if name not in theirs]
    # A placeholder without elements is no weight.
    extra = [name for name, info in theirs.items() if name not in ours and 0 not in info.shape]
    if missing:
        also = f"; it has {quoted(extra[0])}{_more(extra)} instead" if extra else ""
        remedy = "save the whole model with save_pretrained"
        if extra:
            remedy = (
                "if that is the same model under other names, open base and expert with one "
                "version of transformers and save both with save_pretrained"
            )
        raise CheckpointError(
            f"{expert.folder}: tensor {quoted(missing[0])}: missing{_more(missing)}, expected "
            f"every tensor of the base{also}; {remedy}"
        )
    if extra:
        hint = "drop added heads before saving"
        if any("lora_" in name for name in extra):
            hint = "merge the adapters into the weights (merge_and_unload) before saving"
        elif any(name.split(".")[-2:] == ["lm_head", "weight"] for name in extra):
            hint = UNTIE
        raise CheckpointError(
            f"{theirs[extra[0]].file}: tensor {quoted(extra[0])}: not in the base{_more(extra)}; "
            f"{hint}"
        )
    for name in ours:
        info = theirs[name]
        if 0 in info.shape and 0 not in ours[name].shape:
            raise CheckpointError(
                f"{info.file}: tensor {quoted(name)}: found shape {quoted(list(info.shape))}, a "
                "placeholder; the weights were not gathered before saving, as with DeepSpeed "
                "ZeRO-3; save them again with stage3_gather_16bit_weights_on_model_save"
            )
        if info.shape != ours[name].shape and not _is_short(expert, info, ours[name]):
            raise CheckpointError(
                f"{info.file}: tensor {quoted(name)}: found shape {quoted(list(info.shape))}, the "
                f"base has {quoted(list(ours[name].shape))}; an expert must keep the base's "
                "architecture and vocabulary"
            )


def _is_short(expert: CheckpointHeader, found: TensorInfo, expected: TensorInfo) -> bool:
    """Whether a tensor only lacks rows that stay the base's."""
    if found.name not in expert.short or len(found.shape) != len(expected.shape):
        return False
    return found.shape[1:] == expected.shape[1:] and found.shape[0] < expected.shape[0]


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def check_tokenizer(base: CheckpointHeader, expert: Path, *, base_vocabulary: bool = False) -> None:
    """Compare the vocabularies; an expert saved without a tokenizer is used with the base's.

    Args:
        base: the base.
        expert: the expert's folder, a checkpoint or an adapter.
        base_vocabulary: whether either may have tokens that the other lacks.

    Raises:
        CheckpointError: a token means something else to the expert.
    """
    for name in (TOKENIZER_FILE, *_OTHER_VOCABULARIES):
        ours, theirs = base.folder / name, expert / name
        if kind_of(ours) is None or kind_of(theirs) is None:
            continue
        if read_file(ours) != read_file(theirs):
            if name != TOKENIZER_FILE:
                raise CheckpointError(
                    f"{theirs}: another vocabulary than {ours}; fine-tune with the base's tokenizer"
                )
            rows = language_settings(base.config).get("vocab_size")
            found, expected = read_vocabulary(theirs), read_vocabulary(ours)
            if base_vocabulary:
                found, expected = _shared(found, expected), _shared(expected, found)
            _compare(theirs, found, expected, rows)
        if name == TOKENIZER_FILE:
            return


def _compare(path: Path, found: Vocabulary, expected: Vocabulary, rows: object) -> None:
    """Templates, padding and truncation may differ; what a token id means may not.

    Embeddings often have more rows than the base has tokens. A token that an expert added in one of
    those takes nothing from the base's.
    """
    remedy = "fine-tune with the base's tokenizer"
    used = set(expected.ids.values())
    added = {
        token: number
        for token, number in found.ids.items()
        if token not in expected.ids and number not in used and _is_row(number, rows)
    }
    kept = found.ids.items() - added.items()
    differing = {token for token, _ in kept ^ expected.ids.items()}
    if differing:
        first = min(differing, key=lambda token: (expected.ids.get(token, 1 << 62), token))
        raise CheckpointError(
            f"{path}: token {quoted(first)}: found id {found.ids.get(first)}, the base has "
            f"{expected.ids.get(first)}; {remedy}"
        )
    if found.merges != expected.merges:
        raise CheckpointError(f"{path}: the merge rules differ from the base's; {remedy}")


def _shared(of: Vocabulary, other: Vocabulary) -> Vocabulary:
    """A vocabulary without the tokens that another one has neither by name nor by number."""
    taken = set(other.ids.values())
    ids = {token: n for token, n in of.ids.items() if token in other.ids or n in taken}
    return replace(of, ids=ids)


def _is_row(number: int, rows: object) -> bool:
    return isinstance(rows, int) and number < rows
