"""The status of a ``CycleQDRun``: a bounded summary, never a list that grows with the run.

The custom resource definition's status schema is generated from these models, and ``reconcile``
fills them. Scores are decimal strings, as the API conventions ask.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

ConditionType = Literal[
    "ManifestAccepted",
    "StorageReady",
    "WorkersReady",
    "Progressing",
    "Suspended",
    "Complete",
    "Failed",
]
CONDITION_TYPES: tuple[ConditionType, ...] = (
    "ManifestAccepted",
    "StorageReady",
    "WorkersReady",
    "Progressing",
    "Suspended",
    "Complete",
    "Failed",
)

Message = Annotated[str, StringConstraints(max_length=1024)]
Text = Annotated[str, StringConstraints(max_length=1024)]
Decimal = Annotated[str, StringConstraints(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?$")]
Count = Annotated[int, Field(ge=0, le=2**53)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class StatusPart(BaseModel):
    """Base of all parts: frozen, camelCase."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        use_attribute_docstrings=True,
    )


class Condition(StatusPart):
    """One aspect of a run's state, as ``metav1.Condition``."""

    type: ConditionType
    """Name of the aspect."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    """One CamelCase word for programs."""

    message: Message = ""
    """A sentence for people: the cause and the remedy."""

    last_transition_time: Time
    """When ``status`` last changed."""

    observed_generation: Count
    """``metadata.generation`` that this was found for."""


class Evaluations(StatusPart):
    """Counts of candidates."""

    succeeded: Count = 0
    """Candidates that were evaluated."""

    failed: Count = 0
    """Candidates that could not be evaluated."""

    open: Count = 0
    """Planned entries without a result when the last generation was planned or committed."""


class Revisiting(StatusPart):
    """Members that are evaluated on what is new, while experts, tasks or items join."""

    revision: Count
    """The accepted change that takes effect with it."""

    generation: Count
    """The generation that is spent on it."""

    who: Text
    """Who joins."""

    done: Count
    """Models that have been evaluated, in steps of a twentieth or more."""

    of: Count
    """All of them, newcomers included."""


class ArchiveSummary(StatusPart):
    """Measures over all archives at the last commit."""

    coverage: Decimal = "0"
    """Share of all cells that hold an elite, 0 to 1."""

    qd_score: Decimal = "0"
    """Sum of all elites' qualities."""


class Best(StatusPart):
    """The best elite of one archive."""

    task: Text
    """Name of the task."""

    candidate: Text
    """Id of the elite."""

    score: Decimal
    """Its quality, 0 to 1."""


class WorkerCounts(StatusPart):
    """Pods of the worker Jobs."""

    desired: Count = 0
    """Pods asked for."""

    ready: Count = 0
    """Pods ready."""

    failed_pods: Count = 0
    """Failed worker and coordinator pods that count towards ``spec.workers.maxFailedPods``;
    disruptions do not."""

    failed_pods_seen: Count = 0
    """Failed pods counted that still existed at the last look; what exceeds them is new."""

    queue: Text = ""
    """Kueue queue that the pods wait for or were admitted by."""


class RunStatus(StatusPart):
    """What the operator found at its last look."""

    observed_generation: Count = 0
    """``metadata.generation`` that this status describes."""

    conditions: Annotated[tuple[Condition, ...], Field(max_length=8)] = ()
    """Aspects of the state by type; the reason of ``Progressing`` is the short answer."""

    succeeded: Annotated[int, Field(ge=0, le=1)] = 0
    """1 while ``Complete`` holds, for tools that compare a number and read no list."""

    failed: Annotated[int, Field(ge=0, le=1)] = 0
    """1 while ``Failed`` holds."""

    manifest_refused: bool = False
    """Whether the manifest's last change cannot be followed and the run goes on without it; the
    message of ``Progressing`` says why."""

    revision: Count = 0
    """The accepted change of the manifest that the last committed generation is of; 0 for the run
    as it began."""

    accepted_revision: Count | None = None
    """The one that was accepted last, which may hold from a later generation on."""

    revisiting: Revisiting | None = None
    """What is under way while somebody joins; absent otherwise."""

    run_id: Text = ""
    """Name and digest of the run in the store."""

    store: Text = ""
    """URI of the run's folder."""

    report: Text = ""
    """URI of the report, once written."""

    generation: Annotated[int, Field(ge=-1, le=1_000_000)] = -1
    """Highest committed generation, -1 before generation 0."""

    generations: Count = 0
    """Generations asked for by the manifest in force."""

    evaluations: Evaluations = Evaluations()
    """Candidates."""

    archive: ArchiveSummary = ArchiveSummary()
    """Measures of the swarm."""

    best: Annotated[tuple[Best, ...], Field(max_length=64)] = ()
    """Best elite of each archive."""

    workers: WorkerCounts = WorkerCounts()
    """Pods."""

    start_time: Time | None = None
    """When the run was first reconciled."""

    completion_time: Time | None = None
    """When it completed or failed."""

    active_seconds: Count = 0
    """Time spent not suspended before ``activeSinceTime``, for ``activeDeadlineSeconds``."""

    active_since_time: Time | None = None
    """Since when it has been active; absent while suspended or finished."""
