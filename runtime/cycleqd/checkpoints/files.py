"""The files of a checkpoint folder: their names, and how each is opened with suspicion. No torch.

A folder comes from wherever the user downloaded it. In a file's place may lie a FIFO, which would
hang whoever opens it, a device without an end, a folder or a circle of links; the file may be of a
terabyte that takes no space on the disk. So everything that reads a checkpoint opens its files
here: only regular files (links to them are followed, the hub's cache is made of those), documents
only up to a limit, and each refusal names the file, what was found and what to do.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from cycleqd.checkpoints.documents import parse_object, quoted
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG_FILE = "config.json"
SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
TOKENIZER_FILE = "tokenizer.json"
GENERATION_FILE = "generation_config.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
TEMPLATE_FILE = "chat_template.jinja"
TEMPLATE_DOCUMENT = "chat_template.json"
ADAPTER_CONFIG_FILE = "adapter_config.json"
ADAPTER_FILE = "adapter_model.safetensors"

# What a model needs besides its weights; no Python files, which could run code when opened.
COMPANIONS = (
    GENERATION_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model",
    TEMPLATE_FILE, TEMPLATE_DOCUMENT,
)  # fmt: skip

# What `git clone` leaves in the place of a large file where Git LFS is not installed.
_POINTER = b"version https://git-lfs"

# Of a document that is read as a whole: several times the largest tokenizer there is.
MAX_DOCUMENT_BYTES = 100_000_000

_KINDS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISSOCK, "socket"),
)


def kind_of(path: Path) -> str | None:
    """What lies at a path: ``file``, ``folder`` or another word; None where nothing does.

    Raises:
        CheckpointError: it cannot be told, for lack of permission for instance.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "broken link" if path.is_symlink() else None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return next((kind for holds, kind in _KINDS if holds(mode)), "device")


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file, open for reading, and its size.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    kind = kind_of(path)
    if kind is None:
        raise CheckpointError(f"{path}: missing; download or save the checkpoint again")
    if kind != "file":
        raise CheckpointError(f"{path}: is a {kind}, expected a file; put the file itself there")
    try:
        # Without waiting: what was a file a moment ago may be a FIFO by now.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            yield file, os.fstat(descriptor).st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def read_file(path: Path) -> bytes:
    """The content of a document: a configuration, an index, a tokenizer's file.

    Raises:
        CheckpointError: there is none, it is too large, or it cannot be read.
    """
    with opened(path) as (file, size):
        _check_size(path, size)
        return file.read(MAX_DOCUMENT_BYTES)


def read_json(path: Path, *, unique: bool = False) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint.

    Args:
        path: the file.
        unique: refuse a name that stands twice in an object. Else the last one counts, as for the
            libraries that read the file later.

    Raises:
        CheckpointError: it cannot be read or holds no JSON object.
    """
    data = read_file(path)
    refuse_pointer(path, data)
    try:
        return parse_object(data, unique=unique)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; download or save it again") from error


def refuse_pointer(path: Path, begin: bytes) -> None:
    """See that a file is there itself, and not what Git LFS puts in its place.

    Args:
        path: the file.
        begin: its first eight bytes, or more.

    Raises:
        CheckpointError: it is a pointer.
    """
    if len(begin) >= 8 and begin.startswith(_POINTER[: len(begin)]):
        raise CheckpointError(
            f"{path}: is a pointer of Git LFS, not the file itself; run `git lfs pull` in its "
            "repository, or download it from the hub"
        )


def check_companions(folder: Path) -> None:
    """See that what lies beside the weights can be opened by whoever needs it.

    Raises:
        CheckpointError: something in a file's place is none, or too large.
    """
    for name in COMPANIONS:
        if kind_of(folder / name) is not None:
            with opened(folder / name) as (_, size):
                _check_size(folder / name, size)


def _check_size(path: Path, size: int) -> None:
    if size > MAX_DOCUMENT_BYTES:
        raise CheckpointError(
            f"{path}: has {size} bytes, expected at most {MAX_DOCUMENT_BYTES}; "
            "download or save it again"
        )


def _unreadable(path: Path, error: OSError | ValueError) -> CheckpointError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    shown = str(path) if str(path).isprintable() else quoted(str(path))
    return CheckpointError(
        f"{shown}: cannot be read: {reason}; see that this user can read a file of this name there"
    )
