"""The JSON documents of a run, as frozen and versioned models.

Each is created once under a deterministic key (`cycleqd.records.keys`) and never changed. Documents
that others recompute (plans, archives, summaries) hold nothing that depends on time, host, number
of workers or order; what does (`Telemetry`) stands in results only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cycleqd.manifest.values import Label, Name
from cycleqd.records.document import Document

CandidateId = Label
"""Made from a number or a name of the manifest, so it is as safe in keys and paths as those."""

Score = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Split = Literal["search", "test"]
RevisionFormat = Literal[
    "cycleqd-revision/1", "cycleqd-revision/2", "cycleqd-revision/3", "cycleqd-revision/4"
]
RETIRING: RevisionFormat = "cycleqd-revision/4"
"""Of revisions in which somebody retires, whoever else joins."""

NOT_ASKED = "-"
"""Mark of an item that a stopped candidate was not asked."""


class SourceRecord(Document):
    """A checkpoint as it was when the run began.

    Attributes:
        uri: as the manifest writes it.
        digest: of its weights.
        location: where a relative path was found, absolute; written for such paths only. It says
            where to look first, never what is looked for: that is the digest.
        member: the candidate of the run whose weights these are; ``uri`` is then a key prefix.
    """

    uri: str
    digest: str
    location: str | None = Field(default=None, exclude_if=lambda location: location is None)
    member: CandidateId | None = Field(default=None, exclude_if=lambda member: member is None)


class ItemsRecord(Document):
    """A task's items of one split, copied into the store.

    Attributes:
        uri: as the manifest writes it.
        digest: SHA-256 of what is stored, in hexadecimal.
        count: how many of them are used.
        version: how often the task had others before.
        extends: numbers of items of the versions before that this one continues, oldest first; none
            where its items replaced others.
    """

    uri: str
    digest: str
    count: Count
    version: Count = Field(default=0, exclude_if=lambda version: version == 0)
    extends: tuple[Count, ...] = Field(default=(), exclude_if=lambda extends: not extends)

    def holds(self, other: ItemsRecord) -> bool:
        """Whether another version is this one or its beginning: what was solved there counts."""
        return self.version - len(self.extends) <= other.version <= self.version


class RevisionDocument(Document):
    """``revisions/<n>.json``, or part of ``run.json``: an accepted change of a run.

    Attributes:
        format: the second where experts or tasks join, the third where a task gets other items, the
            fourth where somebody retires; versions that know only earlier ones cannot follow.
        manifest: the manifest from now on.
        from_generation: the first generation planned under it.
        experts: checkpoints of the experts that join, by name.
        items: of the tasks that join, and those that others get, by task and split.
        layout: of genomes from now on; None where no expert joins.
        chat_templates: SHA-256 of those that new tasks take from experts, by expert.
    """

    format: RevisionFormat = "cycleqd-revision/1"
    manifest: dict[str, Any]
    from_generation: Count
    experts: dict[Name, SourceRecord] = Field(default={}, exclude_if=lambda joins: not joins)
    items: dict[Name, dict[Split, ItemsRecord]] = Field(default={}, exclude_if=lambda new: not new)
    layout: dict[str, Any] | None = Field(default=None, exclude_if=lambda layout: layout is None)
    chat_templates: dict[Name, str] = Field(default={}, exclude_if=lambda found: not found)

    @property
    def joins(self) -> bool:
        """Whether somebody joins, or search items, or somebody retires: a generation is spent."""
        searched = any("search" in splits for splits in self.items.values())
        return bool(self.experts) or searched or self.format == RETIRING

    @model_validator(mode="after")
    def _of_its_format(self) -> Self:
        if self.format not in (RETIRING, revision_format(self.experts, self.items)):
            raise ValueError("is not the format of what joins")
        return self


class RunDocument(Document):
    """``run.json``: what was accepted when the run began.

    Attributes:
        run_id: name of the run and a digest of what defines it.
        manifest: the manifest, defaults written out.
        engine: the engine that ``Auto`` resolved to.
        base: the base checkpoint.
        experts: expert checkpoints by name.
        items: by task and split.
        layout: `cycleqd.evolution.genome.GenomeLayout` as JSON.
        chat_templates: SHA-256 of those that tasks take from experts, by expert.
        revisions: changes that were accepted then: the steps of its curriculum, in their order.
    """

    format: Literal["cycleqd-run/1"] = "cycleqd-run/1"
    run_id: Label
    manifest: dict[str, Any]
    engine: Literal["transformers", "vllm"]
    base: SourceRecord
    experts: dict[Name, SourceRecord]
    items: dict[Name, dict[Split, ItemsRecord]]
    layout: dict[str, Any]
    chat_templates: dict[Name, str] = Field(default={}, exclude_if=lambda found: not found)
    revisions: tuple[RevisionDocument, ...] = Field(default=(), exclude_if=lambda found: not found)


def revision_format(
    experts: Mapping[str, SourceRecord], items: Mapping[str, Mapping[Split, ItemsRecord]]
) -> RevisionFormat:
    """The earliest format that tells of these experts and items, where nobody retires."""
    if any(record.version for splits in items.values() for record in splits.values()):
        return "cycleqd-revision/3"
    return "cycleqd-revision/2" if experts or items else "cycleqd-revision/1"


class FactorEntry(Document):
    """Work: factor an expert's task vector."""

    kind: Literal["Factor"] = "Factor"
    expert: Name


class TuneOrder(Document):
    """How a candidate learns before it is evaluated.

    Attributes:
        begin: SHA-256 of its ``begin.safetensors``, the genome that is trained.
        answers: the generation up to which members' answers are taught.
        shares: how often the answers of each task are shown in an epoch; 0.5 shows half of them.
    """

    begin: str
    answers: Count
    shares: dict[Name, Annotated[float, Field(ge=0)]]


class RaceOrder(Document):
    """What a candidate must be able to reach, as its first items show it, lest it be stopped.

    Attributes:
        best: highest quality by task.
        balance: geometric mean of the balanced member's scores.
    """

    best: dict[Name, Score]
    balance: Score


class EvaluateEntry(Document):
    """Work: evaluate a candidate.

    Attributes:
        candidate: its id.
        genome: SHA-256 of its ``genome.safetensors``.
        split: which items.
        tasks: which tasks.
        focus: the task in focus when it was made, None where there was none.
        parents: the ids of its parents.
        tune: what it learns before, None where it is as its genome says.
        race: when it is stopped early, None where it is asked all items whatever it solves.
        revisit: the generation that tasks or items join in, where a member is evaluated on them; 0
            where a candidate is evaluated for the first time.
        first_items: by task the place of the first item that is asked, where those before it were
            asked earlier; all are asked of tasks that are not named.
    """

    kind: Literal["Evaluate"] = "Evaluate"
    candidate: CandidateId
    genome: str
    split: Split
    tasks: tuple[Name, ...]
    focus: Name | None = None
    parents: tuple[CandidateId, ...] = ()
    tune: TuneOrder | None = Field(default=None, exclude_if=lambda tune: tune is None)
    race: RaceOrder | None = Field(default=None, exclude_if=lambda race: race is None)
    revisit: Count = Field(default=0, exclude_if=lambda revisit: revisit == 0)
    first_items: dict[Name, Count] = Field(default={}, exclude_if=lambda first: not first)


Entry = Annotated[FactorEntry | EvaluateEntry, Field(discriminator="kind")]


class PlanDocument(Document):
    """``plan.json`` of a stage: entries, addressed by their index."""

    format: Literal["cycleqd-plan/1"] = "cycleqd-plan/1"
    entries: tuple[Entry, ...]


class Failure(Document):
    """Why a candidate could not be evaluated."""

    cause: str
    message: str

    @field_validator("message")
    @classmethod
    def _writable(cls, message: str) -> str:
        """Messages quote what failed, so they may hold surrogates, which no file can."""
        return message.encode("utf-8", "replace").decode()


class Telemetry(Document):
    """Who did it, where and how long it took; never read back into the search.

    Attributes:
        worker: its index.
        host: its machine.
        seconds: in all.
        materialize_seconds: of these until the weights were in the engine.
        evaluate_seconds: of these for completions and verdicts.
        containment: what contained generated code (``container``, ``namespaces`` or ``plain``);
            None where none was run.
    """

    worker: int
    host: str
    seconds: float
    materialize_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    containment: str | None = Field(default=None, exclude_if=lambda found: found is None)


class ResultDocument(Document):
    """``results/<entry>.json``: the outcome of one entry.

    Attributes:
        entry: index in the plan.
        candidate: id of the candidate, None for a factor entry.
        scores: share of solved items by task, of those that it was asked.
        outcomes: for each task one character an item, ``1`` solved, ``0`` not, ``-`` not asked.
        stopped: whether it fell short on its first items, and was not asked the others.
        digest: SHA-256 of the weights that were evaluated, or of the factors.
        failure: set where the candidate could not be evaluated; scores are then empty.
        telemetry: where and how fast.
    """

    format: Literal["cycleqd-result/1"] = "cycleqd-result/1"
    entry: Count
    candidate: CandidateId | None
    scores: dict[Name, Score] = Field(default={})
    outcomes: dict[Name, str] = Field(default={})
    stopped: bool = Field(default=False, exclude_if=lambda stopped: not stopped)
    digest: str | None = None
    failure: Failure | None = None
    telemetry: Telemetry


class AnswersDocument(Document):
    """``candidates/<candidate>/answers.json``: what a candidate has proved that it can answer.

    Attributes:
        candidate: who gave them.
        answers: by task the completions that solved a search item, by the item's id.
    """

    format: Literal["cycleqd-answers/1"] = "cycleqd-answers/1"
    candidate: CandidateId
    answers: dict[Name, dict[str, str]]


class AxisRecord(Document):
    """Limits and number of bins of one task's score."""

    lower: float
    upper: float
    bins: Annotated[int, Field(ge=1, le=1000)]


class MemberRecord(Document):
    """An occupied cell.

    Attributes:
        cell: its bins.
        candidate: the elite.
        scores: on the search items by task.
        unseen: the same of the items that are kept out of tuning; empty where none are.
    """

    cell: tuple[Count, ...]
    candidate: CandidateId
    scores: dict[Name, Score]
    unseen: dict[Name, Score] = Field(default={}, exclude_if=lambda unseen: not unseen)


class ArchiveRecord(Document):
    """One task's archive."""

    members: tuple[MemberRecord, ...]
    coverage: float
    qd_score: float
    best: float


class FailedCandidate(Document):
    """A candidate that could not be evaluated."""

    candidate: str
    cause: str
    message: str


class ArchiveDocument(Document):
    """``archive.json``: the commit of a generation.

    Attributes:
        generation: its number; 0 holds the experts.
        evaluations: candidates evaluated so far, experts and those that failed included.
        candidates: children proposed so far.
        focus_experts: expert of each task's skill.
        axes: binning by task.
        archives: by task.
        hypervolume: of all members of all archives together.
        failed: candidates that could not be evaluated, in the order of their numbers.
        stopped: candidates that fell short on their first items, and are in no archive.
    """

    format: Literal["cycleqd-archive/1"] = "cycleqd-archive/1"
    generation: Count
    evaluations: Count
    candidates: Count
    focus_experts: dict[Name, Name]
    axes: dict[Name, AxisRecord]
    archives: dict[Name, ArchiveRecord]
    hypervolume: float
    failed: tuple[FailedCandidate, ...]
    stopped: Count = Field(default=0, exclude_if=lambda stopped: stopped == 0)
