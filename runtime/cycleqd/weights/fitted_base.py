"""A base that its experts fit: with an output head of its own, with rows for tokens they added.

What a base lacks, no task vector can be added to. Here it is given what changes nothing of what it
computes: a head that equals its embeddings, and rows that nobody asked it for before. A new row is
the mean of the experts that have it, so that every child knows the token from the start: a row of
zeros would shrink with the expert's share, and mean more noise than token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cycleqd.checkpoints.compatibility import check_headers
from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import TOKENIZER_FILE, kind_of
from cycleqd.checkpoints.folder import ShardedWriter, atomic_folder, copy_companions
from cycleqd.checkpoints.header import is_embedding
from cycleqd.checkpoints.tokenizer import read_vocabulary
from cycleqd.checkpoints.vocabulary import (
    HEAD,
    is_own_head,
    is_tied,
    rows_of,
    vocabulary_tensors,
)
from cycleqd.errors import CheckpointError
from cycleqd.weights import digest
from cycleqd.weights.checkpoint import TORCH_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cycleqd.weights.checkpoint import Checkpoint

_SHARD_BYTES = 5_000_000_000
_NESTED = "language_model."


@dataclass(frozen=True)
class FittedBase:
    """What was written.

    Attributes:
        rows: of the vocabulary.
        added: how many of them the base had not.
        head: name of the output head that it was given; None where it has the one it had.
        tokenizer: the folder that the tokenizer is from.
    """

    rows: int
    added: int
    head: str | None
    tokenizer: Path


def write_fitted_base(
    base: Checkpoint, experts: Sequence[Checkpoint], folder: Path, *, untie: bool
) -> FittedBase:
    """Write a base with what some of its experts have more.

    Args:
        base: the base.
        experts: whose added tokens it gets, under the base's names.
        folder: a new folder.
        untie: whether it gets an output head of its own.

    Raises:
        CheckpointError: an expert is no fine-tune of the base, experts added other tokens in one
            row, the base cannot be given a head, or has all that is asked for already.
        InputError: the folder exists and is not empty.
        StoreFull: the disk is full.
    """
    ours = rows_of(base.header)
    if ours is None:
        raise CheckpointError(f"{base.folder}: its configuration has no vocab_size; add it")
    for expert in experts:
        fitted = expert.fitted(base, base_vocabulary=True)
        check_headers(base.header, fitted.header, base_vocabulary=True)
    rows = max([ours, *(rows_of(expert.header) or 0 for expert in experts)])
    tokenizer = _tokenizer(base, experts, rows)
    head = _new_head(base) if untie else None
    if rows == ours and head is None and tokenizer == base.folder:
        raise CheckpointError(
            f"{base.folder}: has the tokens of these experts already; use it as it is"
        )
    sources = {info.name: info.name for info in base.tensors}
    growing = {info.name for info in vocabulary_tensors(base.header)}
    embedding = _embedding(base)
    if head is not None:
        sources[head] = embedding
        growing.add(head)
    entries = []
    for name, source in sources.items():
        info = base.header.by_name[source]
        shape = (rows, *info.shape[1:]) if name in growing else info.shape
        entries.append((name, info.dtype, shape))
    settings: dict[str, object] = {"vocab_size": rows}
    if head is not None:
        settings["tie_word_embeddings"] = False
    with atomic_folder(folder) as partial:
        dtypes = {dtype for _, dtype, _ in entries}
        copy_companions(base.folder, partial, dtypes, settings=settings, tokenizer=tokenizer)
        writer = ShardedWriter(partial, entries, _SHARD_BYTES)
        try:
            for name, dtype, _ in entries:
                own = digest.tensor_bytes(base.tensor(sources[name]))
                writer.write(name, 0, own)
                if name in growing and rows > ours:
                    added = _added(name, experts, ours, rows).to(TORCH_TYPES[dtype])
                    writer.write(name, len(own), digest.tensor_bytes(added))
            writer.sync()
        finally:
            writer.close()
    return FittedBase(rows, rows - ours, head, tokenizer)


def _tokenizer(base: Checkpoint, experts: Sequence[Checkpoint], rows: int) -> Path:
    """The folder of the tokenizer that knows all tokens, the base's where nobody added one."""
    folders = [base.folder, *(expert.folder for expert in experts)]
    known = {
        folder: read_vocabulary(folder / TOKENIZER_FILE).ids
        for folder in folders
        if kind_of(folder / TOKENIZER_FILE) is not None
    }
    if base.folder not in known:  # other tokenizers are compared whole
        return base.folder
    most = max(known, key=lambda folder: len(known[folder]))
    for folder, ids in known.items():
        for token, number in ids.items():
            if known[most].get(token) != number:
                raise CheckpointError(
                    f"{folder / TOKENIZER_FILE}: token {quoted(token)}: found id {number}, "
                    f"{most / TOKENIZER_FILE} has {known[most].get(token)}; these two added other "
                    "tokens: give the base those of one of them, and write `vocabulary: Base` "
                    "beside the other's uri"
                )
    last = max(known[most].values(), default=0)
    if last >= rows:
        raise CheckpointError(
            f"{most / TOKENIZER_FILE}: has a token of id {last}, but the embeddings {rows} rows; "
            "save the model with its embeddings resized"
        )
    return most


def _new_head(base: Checkpoint) -> str:
    if not is_tied(base.header):
        raise CheckpointError(
            f"{base.folder}: has an output head of its own already; leave out --untie"
        )
    # Models of images too, as they were saved once, nest all of the language model.
    return f"{_NESTED if _embedding(base).startswith(_NESTED) else ''}{HEAD}"


def _embedding(base: Checkpoint) -> str:
    names = [t.name for t in vocabulary_tensors(base.header) if is_embedding(t.name)]
    if len(names) != 1:
        raise CheckpointError(
            f"{base.folder}: found {len(names)} embeddings of tokens, expected one; the "
            "vocabulary of such a model cannot be changed"
        )
    return names[0]


def _added(name: str, experts: Sequence[Checkpoint], begin: int, end: int) -> torch.Tensor:
    """Rows that the base has not: of each the mean of the experts that have it."""
    found = [expert.tensor(_name_in(expert, name))[begin:].float() for expert in experts]
    shape = (end - begin, *found[0].shape[1:])
    total, count = torch.zeros(shape), torch.zeros(end - begin, *[1] * (len(shape) - 1))
    for rows in found:
        total[: len(rows)] += rows
        count[: len(rows)] += 1
    return total / count


def _name_in(expert: Checkpoint, name: str) -> str:
    """An expert's tensor; its embeddings where it has no head of its own."""
    if name in expert.header.by_name or not is_own_head(name):
        return name
    return _embedding(expert)
