"""What a coordinator tells the cluster about its run: one small JSON document, overwritten.

The coordinator of a pod patches it into the run's progress ConfigMap; the operator, which has no
access to the store, turns it into the run's status. It is a view, never a source: everything in it
follows from the store. It imports only pydantic, like the manifest.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from cycleqd.contract.pods import TERMINATION_MESSAGE_BYTES

Whole = Annotated[int, Field(ge=-1, le=2**53)]
"""A count; bounded, since the reader makes objects and a status of what it is told."""

StageFolder = Annotated[str, StringConstraints(pattern=r"^(generations|final)/[0-9]{6,9}$")]
"""A stage's folder, of which the reader makes the names of Jobs."""


class ProgressPart(BaseModel):
    """Base of all parts: frozen, camelCase; unknown fields of newer versions are ignored."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True
    )


class OpenStage(ProgressPart):
    """A planned stage that is not yet committed.

    Attributes:
        stage: its folder in the store, ``generations/000012`` or ``final/000010``.
        entries: number of planned entries.
        finished: how many have a result.
    """

    stage: StageFolder
    entries: Whole
    finished: Whole


class RevisitingProgress(ProgressPart):
    """Members that are evaluated on what is new, while experts, tasks or items join.

    Attributes:
        revision: the accepted change that takes effect with it.
        generation: the one that is spent on it.
        who: who joins, in a few words.
        done: how many models have been evaluated.
        of: how many there are, newcomers included.
    """

    revision: Whole
    generation: Whole
    who: str
    done: Whole
    of: Whole


class BestMember(ProgressPart):
    """The best elite of one archive.

    Attributes:
        task: name of the task.
        candidate: id of the elite.
        score: its quality, 0 to 1.
    """

    task: str
    candidate: str
    score: float


class Progress(ProgressPart):
    """Where a run stands.

    Attributes:
        format: version of this document.
        phase: ``Admitting`` before the run's first object is stored, ``Evolving``, ``Finishing``
            during the held-out comparison, ``Complete`` once the summary is stored.
        observed_generation: ``metadata.generation`` of the manifest that the coordinator last
            accepted.
        rejected: why a newer manifest could not be accepted; the run goes on with the old one.
        rejected_generation: ``metadata.generation`` of that manifest, 0 where none was rejected.
        revision: the accepted change that the last committed generation is of.
        accepted_revision: the one that was accepted last, maybe of the future; -1 where a
            coordinator of an earlier version has not said it.
        accepted_from: the generation from which that holds.
        revisiting: what is under way while somebody joins, None otherwise.
        run_id: name and digest of the run, empty while admitting.
        store: URI of the run's folder.
        generation: highest committed generation, -1 before generation 0.
        generations: how many the accepted manifest asks for.
        stages: planned stages, oldest first; at most ``pipelineDepth`` many.
        succeeded: candidates evaluated.
        failed: candidates that could not be evaluated.
        coverage: share of all archives' cells that hold an elite, 0 to 1.
        qd_score: sum of all elites' qualities over all archives.
        best: best elite of each archive.
        goal_reached: whether ``spec.goal`` ended the run before its last generation.
        report: URI of the report, empty before it is written.
        store_error: what the store answers while it cannot be used, empty otherwise.
        store_error_reason: ``StoreUnavailable`` without an answer, ``StoreRefused`` where it denies
            (credentials, rights, bucket), ``StoreFull``; empty while all is well.
        tracking_error: why a tracking server has not all of the run, empty where it has.
    """

    format: Literal["cycleqd-progress/1"] = "cycleqd-progress/1"
    phase: Literal["Admitting", "Evolving", "Finishing", "Complete"] = "Admitting"
    observed_generation: Whole = 0
    rejected: str = ""
    rejected_generation: Whole = 0
    revision: Whole = 0
    accepted_revision: Whole = -1
    accepted_from: Whole = 0
    revisiting: RevisitingProgress | None = None
    run_id: str = ""
    store: str = ""
    generation: Whole = -1
    generations: Whole = 0
    stages: Annotated[tuple[OpenStage, ...], Field(max_length=128)] = ()
    succeeded: Whole = 0
    failed: Whole = 0
    coverage: float = 0.0
    qd_score: float = 0.0
    best: tuple[BestMember, ...] = ()
    goal_reached: bool = False
    report: str = ""
    store_error: str = ""
    store_error_reason: Literal["", "StoreUnavailable", "StoreRefused", "StoreFull"] = ""
    tracking_error: str = ""

    @property
    def answered_generation(self) -> int:
        """``metadata.generation`` of the newest manifest that was accepted or rejected."""
        return max(self.observed_generation, self.rejected_generation)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse what `to_json` wrote.

        Raises:
            pydantic.ValidationError: it is not such a document.
        """
        return cls.model_validate_json(text)


class PodFailure(ProgressPart):
    """Why a pod of a run ended: its termination message.

    Attributes:
        reason: name of the error class of `cycleqd.errors`, such as ``CheckpointError``.
        message: what happened and the remedy.
        exit_code: the process's exit status.
    """

    reason: str
    message: str
    exit_code: int

    def to_json(self) -> str:
        """One line of JSON that Kubernetes keeps whole."""
        text = json.dumps(self.model_dump(mode="json", by_alias=True))
        if len(text.encode()) <= TERMINATION_MESSAGE_BYTES:
            return text
        return self.model_copy(update={"message": self.message[:600] + " ..."}).to_json()
