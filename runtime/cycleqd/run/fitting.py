"""A base made to fit experts, and seen to be one that a run takes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.checkpoints.source import resolve
from cycleqd.store.access import settings_of
from cycleqd.store.cache import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cycleqd.weights.fitted_base import FittedBase


def fit_base(base: str, experts: Sequence[str], out: Path, *, untie: bool) -> FittedBase:
    """Write a base with a head of its own, or with tokens that experts added.

    Args:
        base: URI of the base.
        experts: URIs of the experts whose added tokens it gets.
        out: a new folder.
        untie: whether it gets an output head of its own.

    Raises:
        CheckpointError: a checkpoint cannot be read, or does not fit; nothing is written then.
        InputError: the folder exists and is not empty.
        StoreError: a store failed, or the folder cannot be written.
    """
    from cycleqd.checkpoints.header import CheckpointHeader  # noqa: PLC0415
    from cycleqd.evaluation.engines.skeleton import read_skeleton  # noqa: PLC0415 - torch
    from cycleqd.weights.check import check_base  # noqa: PLC0415
    from cycleqd.weights.checkpoint import Checkpoint  # noqa: PLC0415
    from cycleqd.weights.fitted_base import write_fitted_base  # noqa: PLC0415

    def opened(uri: str) -> Checkpoint:
        return Checkpoint.open(resolve(uri, cache_folder() / "checkpoints", settings_of()))

    source = opened(base)
    check_base(source)
    read_skeleton(source.header)
    made = write_fitted_base(
        source, [opened(uri).aligned(source) for uri in experts], out, untie=untie
    )
    try:
        read_skeleton(CheckpointHeader.open(out))
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return made
