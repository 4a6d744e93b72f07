"""The seam between the loop and a strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from cycleqd.manifest.registry import Registered
from cycleqd.manifest.values import Model

if TYPE_CHECKING:
    from cycleqd.evolution.archive import Archive
    from cycleqd.evolution.genome import Genome, GenomeLayout
    from cycleqd.manifest.evolution import Evolution
    from cycleqd.manifest.model import Spec

S = TypeVar("S", bound=Model | None)


@dataclass(frozen=True)
class Told:
    """A candidate that was evaluated, whether an archive keeps it or not.

    Attributes:
        candidate: its id.
        scores: search scores by task; none where it could not be evaluated.
        outcomes: by task one character a search item, ``1`` where it is solved.
    """

    candidate: str
    scores: Mapping[str, float]
    outcomes: Mapping[str, str] = field(default_factory=dict)


def _nothing() -> Sequence[Told]:
    return ()


@dataclass(frozen=True)
class SearchState:
    """What a plan may depend on: one committed generation.

    Attributes:
        archives: archives by task, in the run's order.
        focus_experts: for each task the expert of its skill.
        told: gives all candidates up to that generation: the experts, then children by number. They
            are read when this is called; a strategy that needs its elites alone never does.
        introduced: members with a part of the experts that joined in that generation.
    """

    archives: Mapping[str, Archive]
    focus_experts: Mapping[str, str]
    told: Callable[[], Sequence[Told]] = field(default=_nothing, compare=False)
    introduced: Sequence[str] = ()


@dataclass(frozen=True)
class Tuning:
    """That a candidate learns from verified answers before it is evaluated.

    Attributes:
        begin: the genome that is trained.
        shares: how often the answers of each task are shown in an epoch.
    """

    begin: Genome
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Proposal:
    """A candidate to evaluate.

    Attributes:
        number: its number in the run, from 0.
        genome: its coefficients.
        focus: the task whose archive the parents were drawn from, None for baselines.
        parents: candidate ids.
        tuning: what it learns before, None where it is as its genome says.
    """

    number: int
    genome: Genome
    focus: str | None = None
    parents: tuple[str, ...] = ()
    tuning: Tuning | None = None


class Strategy(Registered, ABC, Generic[S]):
    """Proposes candidates; deterministic in the spec, the state and the number.

    Attributes:
        races: whether its children may be stopped early (`cycleqd.evolution.race`); not where it
            adapts to how much worse each of them is.
        spec: the run.
        layout: the shape of its genomes.
        settings: the strategy's own, a ``settings_model``, or None.
    """

    races: ClassVar[bool] = False

    def __init__(self, spec: Spec, layout: GenomeLayout) -> None:
        self.spec = spec
        self.layout = layout
        self.settings = cast("S", spec.evolution.settings)

    @classmethod
    def uses_directions(cls, evolution: Evolution) -> bool:  # noqa: ARG003 - some look at it
        """Whether genomes have gains on the experts' singular directions, which cost factors."""
        return False

    @classmethod
    def described(cls, evolution: Evolution) -> tuple[tuple[str, str], ...]:
        """What the report tells of the search: names and values of the settings in effect."""
        if evolution.settings is None:
            return ()
        values = evolution.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
        return tuple((name, str(value)) for name, value in values.items())

    @classmethod
    def operators(cls, evolution: Evolution) -> str:  # noqa: ARG003 - some look at it
        """What makes a child of its parents, in a few words."""
        return cls.name

    def without_retired(self, genome: Genome) -> Genome:
        """A genome of scales alone with none of the experts that are retired.

        Args:
            genome: made of all rows of the layout.
        """
        used = {expert.name for expert in self.spec.experts}
        rows = [row for row, name in enumerate(self.layout.experts) if name not in used]
        if not rows:
            return genome
        scale = genome.scale.copy()
        scale[rows] = 0
        return replace(genome, scale=scale)

    @abstractmethod
    def propose(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome]
    ) -> Proposal | None:
        """The candidate of this number.

        Args:
            number: 0-based over the whole run.
            state: the committed generation that the plan reads.
            genome_of: the genome of a member of the archives, in the form in which it may be a
                parent (`cycleqd.evolution.combination.as_parent`).

        Returns:
            The proposal, or None when the strategy has no more candidates.
        """
