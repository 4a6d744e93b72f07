"""Members of a run that become its experts: their weights made for the look at them, then kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from cycleqd.errors import InputError
from cycleqd.records.documents import SourceRecord
from cycleqd.run.admitted_checkpoints import Sought
from cycleqd.run.refusals import Refusals
from cycleqd.run.store import RunStore
from cycleqd.scratch import scratch_folder
from cycleqd.store.base import ObjectStore
from cycleqd.store.localfile import disk_errors


def export_members(
    objects: ObjectStore,
    checkpoints: Path,
    sought: Sought,
    *,
    refusals: Refusals,
    kept: ExitStack,
    say: Callable[[str], None],
) -> dict[str, Path]:
    """Folders of the members that are to become experts, by these' names.

    Args:
        objects: the run's store.
        checkpoints: folder for downloaded checkpoints.
        sought: who is to join.
        refusals: takes those that are no members.
        kept: keeps the folders.
        say: told what is being done.
    """
    folders: dict[str, Path] = {}
    models = None
    for number, expert in enumerate(sought.spec.experts):
        if expert.member is None or expert.name not in sought.experts:
            continue
        # torch is only needed here, whenever a member becomes an expert.
        from cycleqd.run.kept_models import check_member  # noqa: PLC0415
        from cycleqd.run.models import RunModels  # noqa: PLC0415

        with refusals.of(f"spec.experts[{number}].member"):
            if sought.known is None:
                raise InputError(
                    f"{expert.member}: a run that begins has no members yet; name a checkpoint by "
                    "uri, and append a member once the run has one"
                )
            run, scratch = RunStore(objects), checkpoints.parent
            check_member(run, expert.member)
            say(f"making the weights of {expert.member}")
            with disk_errors(f"cannot write {scratch}"):
                scratch.mkdir(parents=True, exist_ok=True)
            models = models or RunModels(run, scratch).under_way()
            folder = kept.enter_context(scratch_folder("model", scratch)) / "model"
            models.export(expert.member, folder)
            folders[expert.name] = folder
    return folders


def keep_members(
    objects: ObjectStore,
    checkpoints: Path,
    sought: Sought,
    experts: Mapping[str, SourceRecord],
) -> None:
    """Keep the weights of members that become experts in the store, where every process opens them.

    Args:
        objects: the run's store.
        checkpoints: folder for downloaded checkpoints.
        sought: who is to join, with the folders of members.
        experts: what the run says of their checkpoints.

    Raises:
        StoreCorrupt: other weights are kept there.
    """
    for name, folder in sought.members.items():
        from cycleqd.run.kept_models import keep_model  # noqa: PLC0415 - torch

        source = experts[name]
        assert source.member is not None
        keep_model(objects, source.member, folder, source.digest, checkpoints)
