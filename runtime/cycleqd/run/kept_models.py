"""Weights of candidates that are kept in a run's store: once asked for, or as an expert's.

What is kept follows from the candidate, so whoever is killed in the middle writes the rest the next
time, and every process of the run opens the same bytes, wherever the store lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.checkpoints.source import from_store
from cycleqd.errors import InputError, StoreCorrupt
from cycleqd.records import keys
from cycleqd.store.prefixed import PrefixedStore
from cycleqd.weights.checkpoint import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.run.store import RunStore
    from cycleqd.store.base import ObjectStore


def check_member(run: RunStore, candidate: str) -> None:
    """See that a candidate stands in an archive of the last generation.

    Raises:
        InputError: it does not.
    """
    committed = run.committed()
    archive = run.archive(committed) if committed >= 0 else None
    archives = archive.archives.values() if archive is not None else ()
    if candidate not in {member.candidate for a in archives for member in a.members}:
        raise InputError(
            f"{candidate}: is in no archive after generation {committed}; `cycleqd list "
            f"{run.objects.uri}` prints the members"
        )


def keep_model(objects: ObjectStore, candidate: str, folder: Path, digest: str, cache: Path) -> str:
    """Keep an exported candidate.

    Args:
        objects: the run's store.
        candidate: its id.
        folder: the export.
        digest: of its weights.
        cache: for downloads.

    Returns:
        The folder's key.

    Raises:
        StoreCorrupt: other weights are kept there.
    """
    prefix = keys.model_folder(candidate)
    created = [
        objects.create_file(f"{prefix}/{path.name}", path) for path in sorted(folder.iterdir())
    ]
    if not all(created):
        found = Checkpoint.open(kept_model(objects, candidate, cache)).digest()
        if found != digest:
            raise StoreCorrupt(
                f"{objects.uri}/{prefix}: holds weights of digest {found}, {candidate} has "
                f"{digest}; remove this folder and try again"
            )
    return prefix


def kept_model(objects: ObjectStore, candidate: str, cache: Path) -> Path:
    """The local folder of a candidate's kept weights, downloaded if need be.

    Raises:
        CheckpointError: none are kept.
        StoreError: the store failed, or the cache cannot be written.
    """
    kept = PrefixedStore(objects, keys.model_folder(candidate))
    return from_store(kept.uri, kept, cache)
