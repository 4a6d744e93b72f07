"""What the experts of a run are told apart by from their own checkpoints, before the run begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cycleqd.evaluation.prompts_fit import Sample
    from cycleqd.run.admitted_checkpoints import Sought


def tell_differences(
    sought: Sought,
    base: Path,
    experts: Mapping[str, Path],
    samples: Sequence[Sample],
    say: Callable[[str], None],
) -> None:
    """Say which experts a run makes other models of than they are by themselves.

    Adapters are left out: by themselves they are no models.

    Args:
        sought: says which experts.
        base: the base's folder.
        experts: folders by name, all of them admitted.
        samples: some prompts of each task.
        say: told what is found.
    """
    # torch is only needed here, once in a run's life.
    from cycleqd.checkpoints.header import CheckpointHeader  # noqa: PLC0415
    from cycleqd.evaluation.plain_opening import OwnCheckpoint, differences  # noqa: PLC0415
    from cycleqd.weights.checkpoint import Checkpoint  # noqa: PLC0415
    from cycleqd.weights.experts import open_expert  # noqa: PLC0415

    opened = Checkpoint.open(base)
    full: dict[str, OwnCheckpoint] = {}
    for expert in sought.spec.experts:
        if expert.name in sought.experts:
            folder, other = experts[expert.name], expert.vocabulary == "Base"
            found = open_expert(folder, opened, base_vocabulary=other)
            if isinstance(found, Checkpoint):
                full[expert.name] = OwnCheckpoint(CheckpointHeader.open(folder), found)
    for line in differences(opened.header, full, samples):
        say(line)
