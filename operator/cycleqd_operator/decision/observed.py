"""What the controller knows of one run at one moment.

The cache makes it, `cycleqd_operator.decision.reconcile.reconcile` reads it; neither changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cycleqd_operator.kube.objects import Json


@dataclass(frozen=True)
class Observed:
    """A run and its children.

    Attributes:
        run: the ``CycleQDRun``.
        jobs: its Jobs by name.
        pods: its pods by name; those already removed from the API server are not among them.
        config_maps: its ConfigMaps by name.
        refused: what the API server answered to the last `Create` or `Patch` that it refused as
            invalid or forbidden, by ``<kind>/<name>``; without those that succeeded since.
    """

    run: Json
    jobs: Mapping[str, Json]
    pods: Mapping[str, Json]
    config_maps: Mapping[str, Json]
    refused: Mapping[str, str] = field(default_factory=dict)
