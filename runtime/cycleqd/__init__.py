"""CycleQD: evolve swarms of language models by quality diversity and model merging.

Read a manifest, run it on this machine, look at what came of it::

    import cycleqd

    manifest = cycleqd.load_manifest("agents.yaml")
    run = cycleqd.evolve(manifest, "out/agents")     # may be killed; the same call goes on
    print(run.status())
    run.export("balanced", "my-model")               # a Hugging Face folder

    run = cycleqd.open_run("s3://bucket/agents")     # any run, also of a cluster
    for member in run.members():
        print(member.candidate, member.scores)

Names below are the stable API; what they need is imported when they are first used. Errors are
those of `cycleqd.errors`, with `CycleQDError` at the root. ``docs/python-api.md`` tells more.

Inside, the package holds the algorithm (``evolution``), the weights path (``weights``), the
evaluation of models on tasks (``evaluation``), the store (``store``), a run as its store tells it
(``run``) and the two roles that work on it (``roles``). It knows nothing of Kubernetes. Arrows
between the parts point one way and are checked by import-linter; see ``docs/architecture.md``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cycleqd.api.evolving import evolve
    from cycleqd.api.run import Run, open_run
    from cycleqd.api.views import Elite, FinalRow, Member, Result, Revisiting, Status, TaskStatus
    from cycleqd.errors import CycleQDError
    from cycleqd.manifest.model import Manifest
    from cycleqd.manifest.reader import load_manifest
    from cycleqd.version import __version__

# The operator and the commands import parts of this package: none of them pays for the others.
_HOMES = {
    "__version__": "cycleqd.version",
    "CycleQDError": "cycleqd.errors",
    "Elite": "cycleqd.api.views",
    "FinalRow": "cycleqd.api.views",
    "Manifest": "cycleqd.manifest.model",
    "Member": "cycleqd.api.views",
    "Result": "cycleqd.api.views",
    "Revisiting": "cycleqd.api.views",
    "Run": "cycleqd.api.run",
    "Status": "cycleqd.api.views",
    "TaskStatus": "cycleqd.api.views",
    "evolve": "cycleqd.api.evolving",
    "load_manifest": "cycleqd.manifest.reader",
    "open_run": "cycleqd.api.run",
}

__all__ = [
    "CycleQDError",
    "Elite",
    "FinalRow",
    "Manifest",
    "Member",
    "Result",
    "Revisiting",
    "Run",
    "Status",
    "TaskStatus",
    "__version__",
    "evolve",
    "load_manifest",
    "open_run",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'cycleqd' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
