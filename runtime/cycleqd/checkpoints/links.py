"""A folder of links to exactly the files that were read as a checkpoint. No torch.

Libraries choose among the files of a folder by rules of their own: one prefers an index of shards
that are gone, another takes every ``*.safetensors`` there is, an adapter's or an older format's
included. Engines are therefore given a folder that holds nothing but what `CheckpointHeader.open`
chose, so that they open what was admitted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cycleqd.checkpoints.files import COMPANIONS, CONFIG_FILE, INDEX_FILE, SINGLE_FILE, kind_of
from cycleqd.scratch import scratch_folder
from cycleqd.store.localfile import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cycleqd.checkpoints.header import CheckpointHeader


@contextmanager
def linked(header: CheckpointHeader) -> Iterator[Path]:
    """A folder with links to the checkpoint's files while the block runs.

    Args:
        header: what was read.

    Raises:
        StoreError: the folder cannot be made.
    """
    weights = [file.path.name for file in header.files]
    names = [CONFIG_FILE, *COMPANIONS, *weights]
    if weights != [SINGLE_FILE]:
        names.append(INDEX_FILE)
    with scratch_folder("engine") as folder:
        with disk_errors(f"cannot write {folder}"):
            for name in names:
                if kind_of(header.folder / name) is not None:
                    (folder / name).symlink_to((header.folder / name).absolute())
        yield folder
