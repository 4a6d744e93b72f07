"""What `cycleqd_operator.decision.reconcile.reconcile` asks to be done.

Every action is safe to repeat and safe to be late: a `Create` that finds the object there, a
`Patch` or `Delete` that finds it gone, and a `Delete` whose uid is another one's all count as done.
The next look at the world decides anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from cycleqd_operator.api.status import RunStatus
from cycleqd_operator.kube.objects import Json


@dataclass(frozen=True)
class Create:
    """Create an object in the run's namespace; AlreadyExists is success.

    Attributes:
        manifest: the object, with apiVersion, kind and metadata.
    """

    manifest: Json


@dataclass(frozen=True)
class Patch:
    """Change an object by a JSON merge patch; NotFound is success.

    Attributes:
        kind: ``Job`` or ``ConfigMap``.
        name: its name.
        body: the merge patch.
    """

    kind: str
    name: str
    body: Json


@dataclass(frozen=True)
class Delete:
    """Delete an object in the background; NotFound, and Conflict about the uid, are success.

    Attributes:
        kind: ``Job``, ``ConfigMap`` or ``CycleQDRun``.
        name: its name.
        uid: its uid, a precondition: an object made anew under the same name stays.
    """

    kind: str
    name: str
    uid: str


Action: TypeAlias = Create | Patch | Delete


@dataclass(frozen=True)
class Event:
    """Something to tell the user of the run once.

    Attributes:
        type: ``Normal`` or ``Warning``.
        reason: one CamelCase word.
        message: a sentence.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Decision:
    """All that follows from one look at a run's world.

    Attributes:
        actions: to be carried out in this order.
        status: the run's whole status; equal to the present one when nothing changed.
        events: to be emitted once the status was written.
        requeue_seconds: when to look again even if nothing changes; None for never.
    """

    actions: tuple[Action, ...]
    status: RunStatus
    events: tuple[Event, ...] = ()
    requeue_seconds: float | None = None
