"""Writing a Hugging Face folder: whole or not at all, in shards, without holding a tensor.

The sizes of all files follow from names, shapes and types, so headers are written first, files get
their final size, and blocks of tensors are put at their offsets as they are computed. The folder is
built under a name that starts with a dot and takes its own name at the end; a killed writer leaves
only such a folder, which the next writer of the same target removes.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType
from typing import TYPE_CHECKING

from cycleqd.checkpoints.configuration import with_setting
from cycleqd.checkpoints.files import (
    COMPANIONS,
    CONFIG_FILE,
    GENERATION_FILE,
    INDEX_FILE,
    SINGLE_FILE,
    TEMPLATE_DOCUMENT,
    TEMPLATE_FILE,
    kind_of,
    read_file,
    read_json,
)
from cycleqd.checkpoints.safetensors_file import ITEM_BYTES, build_header
from cycleqd.errors import InputError
from cycleqd.store.localfile import disk_errors, sync_folder, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_DTYPE_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}

Entry = tuple[str, str, tuple[int, ...]]


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A new folder to fill; it takes the name ``target`` when the block ends well.

    Raises:
        InputError: the target exists and is not empty.
        StoreFull: the disk is full.
        StoreError: the folder cannot be written.
    """
    check_new_folder(target)
    with disk_errors(f"cannot write {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.name}.partial-"
        _remove_abandoned(target.parent, prefix)
        folder = Path(mkdtemp(prefix=prefix, dir=target.parent))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Held until this process ends, however it ends: tells a living writer from a dead one.
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
            folder.chmod(0o755)
            sync_folder(folder)
            folder.replace(target)
            sync_folder(target.parent)
        finally:
            os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)


def check_new_folder(target: Path) -> None:
    """See that a folder can take this name.

    Raises:
        InputError: the target exists and is not empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: exists and is not empty; remove it or choose another folder")


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


class ShardedWriter:
    """The weight files of a folder, open for writing at any offset.

    Args:
        folder: where they go.
        entries: (name, safetensors dtype, shape) of every tensor, in file order.
        shard_bytes: a file is closed when its tensors reach this size.
    """

    def __init__(self, folder: Path, entries: Sequence[Entry], shard_bytes: int) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        with ExitStack() as stack:
            shards = _split(entries, shard_bytes)
            for number, shard in enumerate(shards, 1):
                name = SINGLE_FILE
                if len(shards) > 1:
                    name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
                header, offsets, size = build_header(shard, {"format": "pt"})
                descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                stack.callback(os.close, descriptor)
                os.ftruncate(descriptor, size)
                write_all(descriptor, header, 0)
                self._places.update({t: (descriptor, offset) for t, offset in offsets.items()})
            self._stack = stack.pop_all()
        if len(shards) > 1:
            _write_index(folder, shards)

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """Bytes of a tensor from ``offset`` within it."""
        descriptor, start = self._places[name]
        write_all(descriptor, data, start + offset)

    def sync(self) -> None:
        """Make what was written durable."""
        for descriptor in {place[0] for place in self._places.values()}:
            os.fsync(descriptor)

    def close(self) -> None:
        """Close the files."""
        self._stack.close()


def copy_companions(
    source: Path,
    folder: Path,
    dtypes: Iterable[str],
    chat_template: str | None = None,
    *,
    settings: Mapping[str, object] = MappingProxyType({}),
    tokenizer: Path | None = None,
) -> None:
    """Configuration and tokenizer of the base, the configuration naming the weights' type.

    Args:
        source: the base model's folder.
        folder: the new folder.
        dtypes: safetensors types of the new weights; one of them, if it is the only one, is named.
        chat_template: takes the place of the base's.
        settings: of the language model, that are others than the base's.
        tokenizer: the folder whose tokenizer is copied; the base's when absent.
    """
    config = read_json(source / CONFIG_FILE)
    names = {_DTYPE_NAMES[dtype] for dtype in dtypes}
    if len(names) == 1:
        key = "dtype" if "dtype" in config else "torch_dtype"
        config[key] = names.pop()
    for name, value in settings.items():
        config = with_setting(config, name, value)
    _write_synced(folder / CONFIG_FILE, json.dumps(config, indent=2).encode() + b"\n")
    if chat_template is not None:  # libraries prefer it to what tokenizer_config.json says
        _write_synced(folder / TEMPLATE_FILE, chat_template.encode())
    replaced = () if chat_template is None else (TEMPLATE_FILE, TEMPLATE_DOCUMENT)
    for name in COMPANIONS:
        giving = source if tokenizer is None or name == GENERATION_FILE else tokenizer
        if name not in replaced and kind_of(giving / name) is not None:
            _write_synced(folder / name, read_file(giving / name))


def _split(entries: Sequence[Entry], limit: int) -> list[list[Entry]]:
    shards: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        nbytes = math.prod(entry[2]) * ITEM_BYTES[entry[1]]
        if shards[-1] and size + nbytes > limit:
            shards.append([])
            size = 0
        shards[-1].append(entry)
        size += nbytes
    return shards


def _write_index(folder: Path, shards: list[list[Entry]]) -> None:
    weight_map = {
        name: f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        for number, shard in enumerate(shards, 1)
        for name, _, _ in shard
    }
    total = sum(math.prod(s) * ITEM_BYTES[d] for shard in shards for _, d, s in shard)
    document = {"metadata": {"total_size": total}, "weight_map": weight_map}
    _write_synced(folder / INDEX_FILE, json.dumps(document, indent=2).encode() + b"\n")


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
