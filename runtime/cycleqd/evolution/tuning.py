"""Which children learn from verified answers, and from whose more: draws keyed by their number.

A child is crossed first and then trained, so what its parents learned is where it begins. The skill
in focus is preferred by a strength of its own: children of one pair differ in what they are taught,
and crossing those pays again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.evolution.rng import stream

if TYPE_CHECKING:
    from cycleqd.manifest.evolution import Tune
    from cycleqd.manifest.model import Spec


def is_tuned(tune: Tune, seed: int, number: int) -> bool:
    """Whether a child is trained instead of mutated."""
    return bool(stream(seed, number, "operator").uniform(1)[0] < tune.share)


def even_shares(spec: Spec) -> dict[str, float]:
    """Every answer of the tasks that teach is shown once in an epoch.

    Args:
        spec: the run.
    """
    return {task.name: float(task.train) for task in spec.tasks}


def shares(spec: Spec, tune: Tune, focus: str, number: int) -> dict[str, float]:
    """How often the answers of each task are shown to a child in an epoch.

    Args:
        spec: the run.
        tune: its ``evolution.tune``.
        focus: the task in focus.
        number: of the child.
    """
    strength = float(stream(spec.seed, number, "preference").uniform(1)[0])
    factor = 1.0 + (tune.preference - 1.0) * strength
    return {
        task.name: (factor if task.name == focus else 1.0 / factor) if task.train else 0.0
        for task in spec.tasks
    }
