"""``compare.json``, which programs read, and the files that keep single held-out evaluations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from cycleqd.manifest.values import Name
from cycleqd.records.document import Document
from cycleqd.records.documents import CandidateId, Count, Score


class ModelScores(Document):
    """A model on held-out items.

    Attributes:
        candidate: its id in the run.
        scores: share of solved items by task.
        mean: mean over tasks.
        min: the lowest of them.
    """

    candidate: CandidateId
    scores: dict[Name, Score]
    mean: float
    min: float


class ReferenceScores(ModelScores):
    """A model that none of the compared searches has made.

    Attributes:
        name: ``base``, ``expert NAME`` or ``uniform merge``; or the name of a reference's manifest,
            whose run's balanced member it is.
        error: standard error of the mean, over items.
        gain: mean difference to the first manifest's balanced members, paired by item; None where
            those could not be evaluated.
        gain_error: its standard error, over items.
    """

    name: str
    error: float
    gain: float | None
    gain_error: float | None


class SwarmScores(Document):
    """All archives of a run, their members measured again on held-out items.

    Attributes:
        qd_score: sum of the qualities of all archives' elites among the members.
        coverage: share of all archives' cells that a member holds.
        hypervolume: of all members together.
        members: how many there are, each counted once.
        preferred: how many of them are the best for some preference
            (`cycleqd.compare.preferences`).
    """

    qd_score: float
    coverage: float
    hypervolume: float
    members: float
    preferred: float


class RunRow(Document):
    """One run.

    Attributes:
        name: of its manifest.
        seed: its seed.
        seconds: worker-seconds of the search, those of tuning and factoring included.
        evaluations: candidates evaluated, experts and those that failed included.
        balanced: the member of highest geometric mean on the search items, or on those that are
            kept out of tuning; None where it could not be evaluated.
        aggregate: the aggregate of all archives, None likewise.
        qd_score: sum of all archives' elites' qualities, on the search items.
        coverage: share of all archives' cells that hold an elite.
        hypervolume: of all members together.
        members: how many there are, each counted once.
        preferred: how many of them are the best for some preference, on the search items.
        verified: by task, number of search items that somebody had solved after each generation;
            the first number is the experts', and what the last one exceeds it by was first solved
            by their descendants. None where a candidate left no answers: earlier versions kept
            none.
        held_out: the archives on held-out items, None unless it was asked for.
    """

    name: str
    seed: Count
    seconds: float
    evaluations: Count
    balanced: ModelScores | None
    aggregate: ModelScores | None
    qd_score: float
    coverage: float
    hypervolume: float
    members: Count
    preferred: Count
    verified: dict[Name, tuple[Count, ...]] | None
    held_out: SwarmScores | None


class MethodScores(Document):
    """The models that a manifest's runs chose by one rule, over all seeds.

    Attributes:
        scores: mean over seeds of the share of solved items, by task.
        mean: mean over tasks.
        error: its standard error, over items.
        min: mean over seeds of the lowest task's score.
        lowest: the lowest mean of a seed.
        highest: the highest.
        gain: mean difference to the first manifest's, paired by item; None for that itself.
        gain_error: its standard error over items, the seeds taken as they are.
        gain_seed_error: its standard error over seeds, paired by seed; None with fewer than two.
    """

    scores: dict[Name, Score]
    mean: float
    error: float
    min: float
    lowest: float
    highest: float
    gain: float | None
    gain_error: float | None
    gain_seed_error: float | None


class MethodRow(Document):
    """A manifest over all seeds; numbers are means over its runs.

    Attributes:
        name: of the manifest.
        balanced: the balanced members, None where none could be evaluated.
        aggregate: the aggregates, None likewise.
        seconds: see `RunRow`, as all that follow.
        evaluations: candidates.
        qd_score: on the search items.
        coverage: share of cells.
        hypervolume: on the search items.
        members: each counted once.
        preferred: on the search items.
        verified: of all tasks together, by generation.
        held_out: on held-out items, None unless it was asked for.
    """

    name: str
    balanced: MethodScores | None
    aggregate: MethodScores | None
    seconds: float
    evaluations: float
    qd_score: float
    coverage: float
    hypervolume: float
    members: float
    preferred: float
    verified: tuple[float, ...] | None
    held_out: SwarmScores | None


class ComparisonDocument(Document):
    """``compare.json``.

    Attributes:
        tasks: in the manifests' order.
        items: number of held-out items by task.
        seeds: of every manifest's runs.
        rows: one for each run, manifests in the order given, then seeds.
        references: models that no search has made.
        methods: one for each manifest; the first is what others are compared with.
        steps: one for each manifest after the first, compared with the one before it; empty unless
            that was asked for.
    """

    format: Literal["cycleqd-compare/1"] = "cycleqd-compare/1"
    tasks: tuple[Name, ...]
    items: dict[Name, Count]
    seeds: tuple[Count, ...]
    rows: tuple[RunRow, ...]
    references: tuple[ReferenceScores, ...]
    methods: tuple[MethodRow, ...]
    steps: tuple[MethodRow, ...]


class Subject(Document):
    """All that the outcomes of a held-out evaluation depend on.

    Attributes:
        weights: digest of the weights.
        engine: what generated.
        evaluation: ``spec.evaluation``.
        threads: of the engine.
        base: digest of the base, whose tokenizer and chat template are used.
        tasks: by name what is asked, as the manifest says it.
        items: by task, digest of the file.
        counts: by task, how many items of it.
        chat_templates: digests of those that tasks take from experts, by expert.
    """

    weights: str
    engine: str
    evaluation: dict[str, Any]
    threads: Count
    base: str
    tasks: dict[Name, dict[str, Any]]
    items: dict[Name, str]
    counts: dict[Name, Count]
    chat_templates: dict[Name, str] = Field(default={}, exclude_if=lambda found: not found)


class HeldOutDocument(Document):
    """``held-out/<digest of the subject>.json``.

    Attributes:
        subject: what was evaluated.
        outcomes: for each task one character an item, ``1`` solved, ``0`` not.
    """

    format: Literal["cycleqd-held-out/1"] = "cycleqd-held-out/1"
    subject: Subject
    outcomes: dict[Name, str] = Field(min_length=1)
