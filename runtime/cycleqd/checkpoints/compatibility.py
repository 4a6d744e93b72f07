"""Whether an expert is a fine-tune of the base, judged by what needs no weights. No torch.

Merging adds weights element by element, which means something only for models of one architecture
with one vocabulary. Each refusal names the file, what was found and expected, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.checkpoints.configuration import language_settings
from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import CONFIG_FILE, TOKENIZER_FILE, kind_of, read_file
from cycleqd.checkpoints.safetensors_file import FLOAT_TYPES
from cycleqd.checkpoints.tokenizer import Vocabulary, read_vocabulary
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.checkpoints.header import CheckpointHeader

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
    check_tokenizer(base.folder, expert.folder)


def check_types(checkpoint: CheckpointHeader) -> None:
    """Refuse quantised and integer weights.

    Raises:
        CheckpointError: a tensor is not fp32, fp16 or bf16.
    """
    method = language_settings(checkpoint.config).get("quantization_config")
    if method:
        name = method.get("quant_method", "unknown") if isinstance(method, dict) else method
        raise CheckpointError(
            f"{checkpoint.folder / CONFIG_FILE}: quantization_config: found {quoted(name)}, "
            "expected none; quantised weights cannot be merged, use the full-precision checkpoint"
        )
    for info in (*checkpoint.tensors, *checkpoint.tied_heads):
        if info.dtype not in FLOAT_TYPES:
            raise CheckpointError(
                f"{info.file}: tensor {quoted(info.name)}: found dtype {info.dtype}, expected one "
                f"of {', '.join(sorted(FLOAT_TYPES))}; quantised and integer weights cannot be "
                "merged, use the full-precision checkpoint"
            )


def _check_settings(base: CheckpointHeader, expert: CheckpointHeader) -> None:
    ours, theirs = language_settings(base.config), language_settings(expert.config)
    for key in _SETTINGS:
        # A setting that one side leaves to its default is not a difference; shapes tell the rest.
        if key in ours and key in theirs and ours[key] != theirs[key]:
            raise CheckpointError(
                f"{expert.folder / CONFIG_FILE}: {key}: found {quoted(theirs[key])}, the "
                f"base has {quoted(ours[key])}; an expert must be a fine-tune of {base.folder}"
            )


def _check_tensors(base: CheckpointHeader, expert: CheckpointHeader) -> None:
    ours, theirs = base.by_name, expert.by_name
    missing = [name for name in ours if name not in theirs]
    if missing:
        raise CheckpointError(
            f"{expert.folder}: tensor {quoted(missing[0])}: missing{_more(missing)}, expected "
            "every tensor of the base; save the whole model with save_pretrained"
        )
    extra = [name for name in theirs if name not in ours]
    if extra:
        hint = "merge adapters into the weights and drop added heads before saving"
        if "lm_head.weight" in extra:
            hint = "the base ties its output head to the embeddings; tie the expert's before saving"
        raise CheckpointError(
            f"{theirs[extra[0]].file}: tensor {quoted(extra[0])}: not in the base{_more(extra)}; "
            f"{hint}"
        )
    for name, info in theirs.items():
        if info.shape != ours[name].shape:
            raise CheckpointError(
                f"{info.file}: tensor {quoted(name)}: found shape {quoted(list(info.shape))}, the "
                f"base has {quoted(list(ours[name].shape))}; an expert must keep the base's "
                "architecture and vocabulary"
            )


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def check_tokenizer(base: Path, expert: Path) -> None:
    """Compare the vocabularies; an expert saved without a tokenizer is used with the base's.

    Args:
        base: the base's folder.
        expert: the expert's folder, a checkpoint or an adapter.

    Raises:
        CheckpointError: a token means something else to the expert.
    """
    for name in (TOKENIZER_FILE, *_OTHER_VOCABULARIES):
        ours, theirs = base / name, expert / name
        if kind_of(ours) is None or kind_of(theirs) is None:
            continue
        if read_file(ours) != read_file(theirs):
            if name != TOKENIZER_FILE:
                raise CheckpointError(
                    f"{theirs}: another vocabulary than {ours}; fine-tune with the base's tokenizer"
                )
            _compare(theirs, read_vocabulary(theirs), read_vocabulary(ours))
        if name == TOKENIZER_FILE:
            return


def _compare(path: Path, found: Vocabulary, expected: Vocabulary) -> None:
    """Templates, padding and truncation may differ; what a token id means may not."""
    remedy = "fine-tune with the base's tokenizer"
    differing = {token for token, _ in found.ids.items() ^ expected.ids.items()}
    if differing:
        first = min(differing, key=lambda token: (expected.ids.get(token, 1 << 62), token))
        raise CheckpointError(
            f"{path}: token {quoted(first)}: found id {found.ids.get(first)}, the base has "
            f"{expected.ids.get(first)}; {remedy}"
        )
    if found.merges != expected.merges:
        raise CheckpointError(f"{path}: the merge rules differ from the base's; {remedy}")
