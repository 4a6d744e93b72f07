"""An expert's embeddings and output head beside those of its base. No torch.

Two differences are one of form alone, and the expert is read in the base's form: a tied head is its
embeddings under another name, and a head of its own that equals its embeddings is tied (whether it
equals them, `cycleqd.weights.check` sees). Another number of rows is another vocabulary: only where
the manifest says so are rows beyond the base's left out, and rows that the expert lacks the base's.
All of that is said of headers: rows are laid out one after the other, so that a tensor without its
last ones begins at the same byte.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cycleqd.checkpoints.configuration import language_settings, ties_head, with_setting
from cycleqd.checkpoints.header import CheckpointHeader, is_embedding, is_head, ordered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cycleqd.checkpoints.safetensors_file import FileHeader, TensorInfo

HEAD = "lm_head.weight"
_HEADS = (f".{HEAD}", ".embed_out.weight")
UNTIE = (
    "an output head of the expert's own, while the base ties its to the embeddings; give the base "
    "one too: `cycleqd fit-base BASE --untie --out FOLDER`, and name FOLDER as spec.base.uri (the "
    "other experts stay as they are)"
)


def fitted(
    expert: CheckpointHeader, base: CheckpointHeader, *, base_vocabulary: bool
) -> CheckpointHeader:
    """An expert in the form of its base.

    Args:
        expert: under the base's names.
        base: the base.
        base_vocabulary: whether it is taken with the base's rows, if it has others.
    """
    if base_vocabulary:
        expert = _with_rows(expert, base)
    if is_tied(base) and not is_tied(expert):
        return _tied(expert, base)
    if is_tied(expert) and not is_tied(base):
        return _untied(expert, base)
    return expert


def is_tied(checkpoint: CheckpointHeader) -> bool:
    """Whether its output head is its embeddings.

    Configurations of classes that tie by default often do not say so; then there is no head.
    """
    settings = language_settings(checkpoint.config)
    if "tie_word_embeddings" in settings:
        return ties_head(checkpoint.config)
    return not any(f".{info.name}".endswith(_HEADS) for info in checkpoint.tensors)


def rows_of(checkpoint: CheckpointHeader) -> int | None:
    """How many rows its vocabulary has, None where its configuration does not say."""
    rows = language_settings(checkpoint.config).get("vocab_size")
    return rows if isinstance(rows, int) else None


def vocabulary_tensors(checkpoint: CheckpointHeader) -> tuple[TensorInfo, ...]:
    """The tensors that have a row for each token, stored copies of a tied head among them."""
    rows = rows_of(checkpoint)
    return tuple(
        info
        for info in (*checkpoint.tensors, *checkpoint.tied_heads)
        if (is_embedding(info.name) or is_head(info.name)) and info.shape[:1] == (rows,)
    )


def with_rows(file: FileHeader, rows: int | None) -> FileHeader:
    """An adapter's file with at most so many rows of what it saves whole for each token."""

    def fitting(info: TensorInfo) -> TensorInfo:
        whole = "lora_" not in info.name and (is_embedding(info.name) or is_head(info.name))
        if rows is None or not whole or len(info.shape) not in (1, 2) or info.shape[0] <= rows:
            return info
        return _cut(info, rows)

    return replace(file, tensors=tuple(map(fitting, file.tensors)))


def _cut(info: TensorInfo, rows: int) -> TensorInfo:
    """The first rows of a tensor."""
    size = info.nbytes // info.shape[0] * rows
    return replace(info, shape=(rows, *info.shape[1:]), nbytes=size)


def _with_rows(expert: CheckpointHeader, base: CheckpointHeader) -> CheckpointHeader:
    ours, theirs = rows_of(base), rows_of(expert)
    if ours is None or theirs is None or ours == theirs:
        return expert
    found = vocabulary_tensors(expert)
    config = with_setting(expert.config, "vocab_size", ours)
    if theirs < ours:
        return replace(expert, config=config, short=frozenset(info.name for info in found))
    changed = {info.name: _cut(info, ours) for info in found}

    def other(tensors: Iterable[TensorInfo]) -> tuple[TensorInfo, ...]:
        return tuple(changed.get(info.name, info) for info in tensors)

    return replace(
        expert,
        config=config,
        files=tuple(replace(file, tensors=other(file.tensors)) for file in expert.files),
        tensors=other(expert.tensors),
        tied_heads=other(expert.tied_heads),
    )


def _tied(expert: CheckpointHeader, base: CheckpointHeader) -> CheckpointHeader:
    """Its own head as a copy of its embeddings, which is what the base's is."""
    known = base.by_name
    heads = tuple(t for t in expert.tensors if is_own_head(t.name) and t.name not in known)
    if not heads:
        return expert
    return replace(
        expert,
        config=with_setting(expert.config, "tie_word_embeddings", True),
        tensors=tuple(info for info in expert.tensors if info not in heads),
        tied_heads=(*expert.tied_heads, *heads),
        retied=True,
    )


def _untied(expert: CheckpointHeader, base: CheckpointHeader) -> CheckpointHeader:
    """Its embeddings once more, under the name of the base's head."""
    known = expert.by_name
    names = [name for name in base.by_name if is_own_head(name) and name not in known]
    sources = [info for info in vocabulary_tensors(expert) if is_embedding(info.name)]
    if len(names) != 1 or len(sources) != 1:
        return expert
    config = with_setting(expert.config, "tie_word_embeddings", False)
    stored = [info for info in expert.tied_heads if info.name == names[0]]
    head = stored[0] if stored else replace(sources[0], name=names[0])
    files = expert.files
    if not stored:
        files = tuple(
            replace(file, tensors=(*file.tensors, head)) if file.path == head.file else file
            for file in files
        )
    short = {head.name} if sources[0].name in expert.short else set()
    return replace(
        expert,
        config=config,
        files=files,
        tensors=ordered((*expert.tensors, head)),
        short=expert.short | short,
        retied=True,
    )


def is_own_head(name: str) -> bool:
    """Whether a tensor is the weights of an output head."""
    return f".{name}".endswith(f".{HEAD}")
