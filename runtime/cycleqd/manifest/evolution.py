"""The search as a manifest describes it: strategy, parents, operators, the final model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cycleqd.manifest.choices import OneOf, with_settings
from cycleqd.manifest.mutability import Change
from cycleqd.manifest.registry import STRATEGIES
from cycleqd.manifest.values import DECIMAL, Fraction, Model


class Selection(Model):
    """How the two parents of a child are drawn from the archive in focus."""

    method: Literal["Elite", "ReferenceElite", "Uniform"] = "Elite"
    """``Elite``: probability proportional to the product of one factor per dimension,
    ``low + norm * (high - low)`` on raw scores (the paper). ``ReferenceElite``:
    ``low + norm * high`` on quality and bin numbers (the authors' runner). ``Uniform``: all
    alike."""

    low: Annotated[float, Field(gt=0, le=10), DECIMAL] = 0.5
    """Factor of the worst elite in a dimension (paper: 0.5)."""

    high: Annotated[float, Field(gt=0, le=10), DECIMAL] = 0.8
    """Factor of the best elite in a dimension (paper: 0.8)."""

    partner: Annotated[
        Literal["Elite", "Attraction"], Field(exclude_if=lambda partner: partner == "Elite")
    ] = "Elite"
    """The second parent. ``Elite``: drawn like the first, from the other elites (the paper).
    ``Attraction``: probability proportional to what it adds, the search items that it solves and
    the first does not, each divided by the number of elites that solve it (M2N2); like ``Elite``
    where nobody adds any."""


class Line(Model):
    """How far a child of ``crossover.method: Line`` may lie from its parents."""

    spread: Annotated[float, Field(ge=0, le=10), DECIMAL] = 0.3
    """Standard deviation of the child's place between its parents, whose mean is the middle."""

    scale_spread: Annotated[float, Field(ge=0, le=2), DECIMAL] = 0.15
    """All coefficients of the child are multiplied by ``exp(N(0, scaleSpread^2))``, since what
    suits one expert alone seldom suits their sum."""

    step: Annotated[float, Field(ge=0, le=2), DECIMAL] = 0.1
    """Standard deviation of a step of each expert's factor, drawn at the grain of
    ``granularity``."""

    split_share: Fraction = 0.3
    """Share of the children that take one parent's part below a layer drawn at random and the
    other's above it."""


class Soup(Model):
    """Children that are the plain mean of several members."""

    share: Fraction = 0.3
    """Share of the children that are not tuned."""

    members: Annotated[int, Field(ge=2, le=32)] = 4
    """How many members are averaged, fewer where there are fewer."""

    temperature: Annotated[float, Field(gt=0, le=100), DECIMAL] = 0.05
    """They are drawn from the members of all archives with probabilities softmax(balance /
    temperature), where the balance is the geometric mean of a member's scores, those of items that
    are kept out of tuning where some are."""


class Crossover(Model):
    """How two parents become a child."""

    method: Literal["Linear", "Line"] = "Linear"
    """``Linear``: base + w1/(w1+w2) tau_1 + w2/(w1+w2) tau_2 (the paper). ``Line``: a place on the
    line through both parents, a scale of its own and a step aside, so that the sum of the experts'
    factors is free."""

    granularity: Literal["Model", "Band", "Block", "Tensor"] = "Model"
    """Grain of what is drawn: once for the model (the paper), for each band of neighbouring blocks,
    for each block of layers, or for each tensor. Finer grains leave the search more to find."""

    bands: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of bands of ``granularity: Band``; 6 when absent."""

    line: Line | None = None
    """Settings of ``method: Line``; their defaults when absent."""

    soup: Soup | None = None
    """A share of the children is no crossing of two but a mean of more (model soups): what each
    learned by heart is averaged away, and what they all learned stays. None when absent."""

    mean: Annotated[float, Field(gt=0, le=10), DECIMAL] = 1.0
    """Mean of the normal distribution of w1 and w2 (the authors' runner: 1)."""

    stddev: Annotated[float, Field(ge=0, le=10), DECIMAL] = 0.5
    """Standard deviation of w1 and w2 (the authors' runner: 0.01, practically the average; AC/DC:
    0.5)."""


class Start(Model):
    """Merges that are evaluated before the first children, where good ones are likely."""

    rays: Annotated[int, Field(ge=0, le=1000)] = 6
    """Merges of all experts with one factor, evenly from a quarter of ``largest`` up to it."""

    design: Annotated[int, Field(ge=0, le=10_000)] = 18
    """Points of a Latin hypercube over the factors of every expert at the grain of
    ``crossover.granularity``."""

    largest: Annotated[float, Field(gt=0, le=10), DECIMAL] = 1.0
    """Largest factor of an expert."""


class Mutation(Model):
    """How a child is changed after crossover."""

    method: Literal["ExpertSVD", "ChildSVD", "Gaussian", "None"] = "ExpertSVD"
    """``ExpertSVD`` adds U diag(w s) V^T of the focus task's expert, ``w ~ U[0, maxScale]`` for
    each singular direction (the authors' runner). ``ChildSVD`` multiplies the singular values of
    the child's own task vector by ``1 + w``; every child then stores a task vector. ``Gaussian``
    adds N(0, stddev^2) to every element (the paper's ablation)."""

    max_scale: Annotated[float, Field(ge=0, le=10), DECIMAL] = 0.1
    """Upper limit of w."""

    rank: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Mutate only the leading so many singular directions of each matrix; all when absent.
    Smaller ranks make factors, genomes and materialisation cheaper."""

    stddev: Annotated[float, Field(gt=0, le=1), DECIMAL] = 0.0003
    """Standard deviation of ``Gaussian`` (the authors' runner: 0.0003)."""


class Tune(Model):
    """How children learn from answers that passed their checks, whoever of the run gave them."""

    share: Fraction = 0.3
    """Share of the children that are tuned."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    """Rank of the low-rank adapter (LoRA) that is trained beside each linear layer."""

    alpha: Annotated[float, Field(gt=0, le=10_000), DECIMAL] = 32.0
    """The adapter's product is scaled by ``alpha / rank``."""

    learning_rate: Annotated[float, Field(gt=0, le=1), DECIMAL] = 0.001
    """Of AdamW, after a warm-up of a tenth of the steps; it falls to a tenth."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    """How often each answer is shown."""

    batch_size: Annotated[int, Field(ge=1, le=4096)] = 10
    """Answers of one step."""

    answers: Annotated[int, Field(ge=1, le=100)] = 1
    """How many different answers of an item are taught, where there are so many."""

    choice: Literal["Shortest", "Frequent", "Diverse"] = "Frequent"
    """Which of an item's answers: the shortest, those that most members gave, or such as differ. A
    short answer may have passed by luck, one that many gave hardly has."""

    preference: Annotated[float, Field(ge=1, le=100), DECIMAL] = 2.0
    """The skill in focus is taught up to so many times as often as without a preference, the others
    as many times less; how much is drawn for each child. 1 prefers nothing."""

    rays: Annotated[int, Field(ge=0, le=1000, exclude_if=lambda rays: rays == 0)] = 0
    """Up to so many of ``start.rays`` are tuned before the first children, the largest factor
    first: what adds the experts at nearly full strength scores low until a tune has sorted it out.
    """

    newcomers: Annotated[int, Field(ge=0, le=1000, exclude_if=lambda count: count == 0)] = 0
    """When experts have joined a run, up to so many members with a part of one are tuned before
    all other children: what adds a newcomer scores low until a tune has sorted it out."""

    distillation: Annotated[
        float, Field(ge=0, le=1, exclude_if=lambda weight: weight == 0), DECIMAL
    ] = 0.0
    """Weight of knowledge distillation: so much of the loss compares the child with what the expert
    that gave an answer holds likely in each place, the rest with the answer alone. Of an item's
    answers those of experts are taken first, whatever ``choice`` says. 0 loads no expert."""

    hold_out_share: Annotated[
        float, Field(ge=0, le=0.9, exclude_if=lambda share: share == 0), DECIMAL
    ] = 0.0
    """Share of each task's search items that no answer is taught of. Models to take are chosen by
    these items, where a score does not flatter who was trained; a dozen items of a task tell less
    than all of them, so keep out 50 or more. 0 keeps none out: all items teach, and all choose."""


class Race(Model):
    """Children that are asked all items only if they may be better than what the archives hold."""

    share: Annotated[float, Field(gt=0, le=0.9), DECIMAL] = 0.33
    """Share of each task's search items that are asked first; those that are kept out of tuning
    before others."""

    errors: Annotated[float, Field(ge=0, le=10), DECIMAL] = 1.0
    """A child is stopped where it is more than so many standard errors below the best of every
    archive, and below the balanced member."""


class Aggregate(Model):
    """How the elites of all archives merge into one model at the end."""

    method: Annotated[
        Literal["Softmax", "Front"], Field(exclude_if=lambda method: method == "Softmax")
    ] = "Softmax"
    """``Softmax``: elites of each archive, weighted by their qualities (the paper). ``Front``:
    means of the most balanced members of the Pareto front, where it is short also of others, are
    tried on the search items; of them and the balanced member, the mean of most members whose
    geometric mean is at most one standard error below the best is the aggregate."""

    members: Annotated[int, Field(ge=2, le=32)] | None = None
    """``Front`` tries the mean of the best so many members, of half of them, and so on down to two;
    5 when absent. Each costs two evaluations."""

    top_per_archive: Annotated[int, Field(ge=1, le=100)] = 1
    """Elites taken from each archive, best quality first (paper: 1)."""

    temperature: Annotated[float, Field(gt=0, le=100), DECIMAL] = 1.0
    """The weights are softmax(quality / temperature) (paper: 1)."""


@with_settings(STRATEGIES, "strategy")
class Evolution(Model):
    """The search."""

    preset: (
        Literal["Rounds", "Distilled", "Default", "GradientFree", "Paper", "Reference"] | None
    ) = None
    """Sections chosen together; one that you write with other values than its defaults stands as
    you write it. ``Default``: start points, free scale, children that are tuned on verified
    answers and soups. ``Distilled``: the same, and experts teach their answers as they hold them
    likely. ``Rounds``: most children are tuned, one generation upon the other, and all search items
    teach. ``GradientFree``: start points and free scale alone. ``Paper``: as in the paper, which
    is also what absent sections mean without a preset. ``Reference``: as in the authors' runner."""

    strategy: Annotated[
        str,
        OneOf(STRATEGIES),
        Field(description=f"Who proposes candidates: {STRATEGIES.summaries()}."),
    ] = "CycleQD"

    generations: Annotated[int, Field(ge=1, le=1_000_000), Change.RAISED] = 100
    """Generations after generation 0 (the experts). May be raised on a finished run."""

    candidates_per_generation: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Children of one generation. Take at least as many as there are workers."""

    cycle_interval: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """The task in focus changes after so many children (paper: 1)."""

    pipeline_depth: Annotated[int, Field(ge=1, le=100)] = 2
    """A generation is planned from the archive committed so many generations before it. 1 waits for
    every child; 2 keeps workers busy while a generation ends."""

    selection: Selection = Selection()
    """Choice of parents."""

    start: Start | None = None
    """What ``CycleQD`` evaluates before its first children; the experts alone when absent."""

    crossover: Crossover = Crossover()
    """Merging of parents."""

    mutation: Mutation = Mutation()
    """Change of the merged child."""

    tune: Tune | None = None
    """Candidates that are trained on verified answers: a ``share`` of the children of ``CycleQD``,
    or all of ``TunedScalar`` after its grid, without ``share``, ``preference``, ``rays`` and
    ``newcomers``. Other strategies train nobody, whatever stands here; none when absent."""

    race: Race | None = None
    """Stops the children of ``CycleQD`` and ``RandomGenomes``, but for tuned ones, that fall short
    on their first items. Other strategies are told all scores, so theirs are never stopped. None
    are when absent."""

    aggregate: Aggregate = Aggregate()
    """The final model."""

    max_failed_candidates: Annotated[int, Field(ge=0, le=1_000_000_000), Change.FREE] = 10
    """The run fails once more than so many candidates could not be evaluated."""

    @property
    def settings(self) -> Model | None:
        """The settings of the strategy alone, None where it has none."""
        return STRATEGIES.settings(self.strategy, self)
