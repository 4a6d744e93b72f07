"""The JSON documents of a run, as frozen and versioned models.

Each is created once under a deterministic key (`cycleqd.records.keys`) and never changed. Documents
that others recompute (plans, archives, summaries) hold nothing that depends on time, host, number
of workers or order; what does (`Telemetry`) stands in results only.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from cycleqd.errors import StoreCorrupt
from cycleqd.manifest.values import Label, Name
from cycleqd.records.json_text import MAX_SHOWN, parse_json

CandidateId = Label
"""Made from a number or a name of the manifest, so it is as safe in keys and paths as those."""

Score = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Split = Literal["search", "test"]

NOT_ASKED = "-"
"""Mark of an item that a stopped candidate was not asked."""


class Document(BaseModel):
    """Base of all documents: frozen, camelCase, canonical bytes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        allow_inf_nan=False,
    )

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, two spaces, a newline at the end."""
        return dump_json(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def from_bytes(cls, data: bytes, key: str) -> Self:
        """Parse what `to_bytes` wrote.

        Raises:
            StoreCorrupt: the bytes are not this document, or of a version we do not know.
        """
        try:
            document = cls.model_validate(parse_json(data))
        except ValidationError as error:
            raise StoreCorrupt(
                f"{key}: not a {cls.__name__} of this version of cycleqd ({first_fault(error)})"
            ) from error
        except ValueError as error:
            raise StoreCorrupt(f"{key}: not a {cls.__name__} of cycleqd ({error})") from error
        if "format" in cls.model_fields and "format" not in document.model_fields_set:
            raise StoreCorrupt(f"{key}: not a {cls.__name__} of cycleqd (format: Field required)")
        return document


def dump_json(document: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Canonical JSON bytes of a value."""
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def first_fault(error: ValidationError) -> str:
    """Where the first fault is, and what it is."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part)[:MAX_SHOWN] for part in first["loc"])
    return f"{where}: {first['msg']}"


class SourceRecord(Document):
    """A checkpoint as it was when the run began.

    Attributes:
        uri: as the manifest writes it.
        digest: of its weights.
        location: where a relative path was found, absolute; written for such paths only. It says
            where to look first, never what is looked for: that is the digest.
        member: the candidate of the run whose weights it is; ``uri`` is then the folder in the
            run's store that holds them.
    """

    uri: str
    digest: str
    location: str | None = Field(default=None, exclude_if=lambda location: location is None)
    member: CandidateId | None = Field(default=None, exclude_if=lambda member: member is None)


class ItemsRecord(Document):
    """A task's items of one split, copied into the store."""

    uri: str
    digest: str
    count: Count


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


class RevisionDocument(Document):
    """``revisions/<n>.json``: an accepted change of a run.

    Attributes:
        format: the second where experts or tasks join, which earlier versions cannot follow.
        manifest: the manifest from now on.
        from_generation: the first generation planned under it.
        experts: checkpoints of the experts that join, by name.
        items: of the tasks that join, by task and split.
        layout: of genomes from now on; None where no expert joins.
        chat_templates: SHA-256 of those that new tasks take from experts, by expert.
    """

    format: Literal["cycleqd-revision/1", "cycleqd-revision/2"] = "cycleqd-revision/1"
    manifest: dict[str, Any]
    from_generation: Count
    experts: dict[Name, SourceRecord] = Field(default={}, exclude_if=lambda joins: not joins)
    items: dict[Name, dict[Split, ItemsRecord]] = Field(
        default={}, exclude_if=lambda joins: not joins
    )
    layout: dict[str, Any] | None = Field(default=None, exclude_if=lambda layout: layout is None)
    chat_templates: dict[Name, str] = Field(default={}, exclude_if=lambda found: not found)

    @property
    def joins(self) -> bool:
        """Whether experts or tasks join."""
        return bool(self.experts or self.items)

    @model_validator(mode="after")
    def _of_its_format(self) -> Self:
        if self.joins != (self.format == "cycleqd-revision/2"):
            raise ValueError("only the second format tells of experts and tasks that join")
        return self


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
        revisit: the generation that tasks join in, where a member is evaluated on them; 0 where a
            candidate is evaluated for the first time.
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
    """Who did it and how long it took; never read back into the search."""

    worker: int
    host: str
    seconds: float
    materialize_seconds: float = 0.0
    evaluate_seconds: float = 0.0


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
    scores: dict[Name, Score] = {}
    outcomes: dict[Name, str] = {}
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


class SummaryRow(Document):
    """One model of the final table.

    Attributes:
        name: how the table calls it.
        kind: why it takes part.
        candidate: its id.
        search: scores on the search split by task; empty where it is in no archive.
        unseen: the same of the items that are kept out of tuning; empty where none are.
        test: scores on the held-out split by task.
        mean: mean of the test scores.
        minimum: the lowest of them.
        standard_error: of the mean, over items.
        gain: mean difference to the uniform merge, paired by item.
        gain_error: its standard error.
    """

    name: str
    kind: Literal["base", "expert", "uniform-merge", "best-of-task", "balanced", "aggregate"]
    candidate: CandidateId
    search: dict[Name, Score]
    unseen: dict[Name, Score] = Field(default={}, exclude_if=lambda unseen: not unseen)
    test: dict[Name, Score]
    mean: float
    minimum: float
    standard_error: float
    gain: float | None
    gain_error: float | None


class SummaryDocument(Document):
    """``final/<generations>/summary.json``: the run is complete."""

    format: Literal["cycleqd-summary/1"] = "cycleqd-summary/1"
    generations: Count
    rows: tuple[SummaryRow, ...]
