"""The documents of a final table: held-out scores, and which model the run stands for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cycleqd.manifest.values import Name
from cycleqd.records.document import Document
from cycleqd.records.documents import CandidateId, Count, Score

RowKind = Literal[
    "base", "expert", "uniform-merge", "best-of-task", "balanced", "aggregate", "published"
]


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
    kind: RowKind
    candidate: CandidateId
    search: dict[Name, Score]
    unseen: dict[Name, Score] = Field(default={}, exclude_if=lambda unseen: not unseen)
    test: dict[Name, Score]
    mean: float
    minimum: float
    standard_error: float
    gain: float | None
    gain_error: float | None


class LossRecord(Document):
    """What a model loses of a task that takes another's place, on the search items.

    Attributes:
        mean: share of the items, negative where it solves more.
        error: standard error of the paired mean.
    """

    mean: float
    error: float


class PublicationRecord(Document):
    """Which model the run stands for, where ``spec.publication`` asks for one.

    Attributes:
        candidate: the model.
        held: the one that was to take its place and was held back; None where none was.
        losses: by task, of the one that was to take the place; empty where there was no other
            before, or one of the two could not be evaluated.
    """

    candidate: CandidateId
    held: CandidateId | None = None
    losses: dict[Name, LossRecord] = Field(default={})


class SummaryDocument(Document):
    """``final/<generations>/summary.json``: a final table, at the end or before somebody joins.

    Attributes:
        generations: the committed generation it is made of.
        rows: its models.
        published: which of them the run stands for; None without ``spec.publication``.
    """

    format: Literal["cycleqd-summary/1"] = "cycleqd-summary/1"
    generations: Count
    rows: tuple[SummaryRow, ...]
    published: PublicationRecord | None = Field(
        default=None, exclude_if=lambda published: published is None
    )
