"""A search problem that behaves like merging experts, without a model.

Each expert brings one skill. A skill's items ask for strength of its own expert in the blocks that
matter to the item, and are disturbed by the other experts in the blocks where they interfere; too
much of anything harms. As with real merges (measured on SmolLM2-135M), every expert is good at its
own skill only, the uniform merge is below the experts on each skill, and coefficients per block
leave more to find than one factor for each expert.

Evaluation is exact and takes microseconds, so thousands of candidates cost a second: this measures
the search alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.genome import Genome, GenomeLayout, TensorSlot, expert_genome
from cycleqd.evolution.search import (
    Commit,
    as_told,
    ask,
    expert_order,
    first_commit,
    numbers_of,
    read_generation,
    tell,
)
from cycleqd.evolution.strategies import make_strategy
from cycleqd.manifest.model import Spec
from cycleqd.records.documents import ResultDocument, Telemetry
from cycleqd.records.keys import child

Float64 = npt.NDArray[np.float64]

BLOCKS = 5
RANK = 4
HARM = 0.35


def layout_of(experts: int) -> GenomeLayout:
    """One matrix and one norm in each block."""
    tensors = []
    for block in range(BLOCKS):
        tensors.append(TensorSlot(f"blocks.{block}.weight", (6, RANK), RANK, block))
        tensors.append(TensorSlot(f"blocks.{block}.norm", (RANK,), 0, block))
    return GenomeLayout(tuple(f"skill-{e}" for e in range(experts)), tuple(tensors))


@dataclass(frozen=True)
class Landscape:
    """Items of all skills.

    Attributes:
        layout: of the genomes.
        need: (skills, items, blocks) float64, how much an item wants its own expert there.
        disturbance: (skills, items, experts, blocks) float64, how much others harm it there.
        threshold: (skills, items) float64, the strength from which on an item is solved.
        saturation: how early more of an expert brings little more of its skill. Small values make
            a landscape in which large sums of coefficients pay.
    """

    layout: GenomeLayout
    need: Float64
    disturbance: Float64
    threshold: Float64
    saturation: float

    @classmethod
    def make(
        cls, seed: int, *, skills: int = 3, items: int = 100, saturation: float = 3.0
    ) -> Landscape:
        """A landscape of a seed."""
        random = np.random.default_rng(seed)
        # A skill lives in some blocks more than in others; its items vary around that.
        profile = random.dirichlet(np.full(BLOCKS, 0.7), size=skills)
        need = profile[:, None] + 0.3 * random.dirichlet(np.ones(BLOCKS), size=(skills, items))
        need /= need.sum(axis=2, keepdims=True)
        harm = random.gamma(0.5, HARM, size=(skills, 1, skills, BLOCKS))
        disturbance = harm * random.uniform(0.3, 1.0, size=(skills, items, skills, BLOCKS))
        for skill in range(skills):
            disturbance[skill, :, skill] = 0.0
        # Some items stay out of reach of the expert itself.
        threshold = random.beta(3.0, 2.0, size=(skills, items)) * 1.1
        return cls(layout_of(skills), need, disturbance, threshold, saturation)

    def strength(self, genome: Genome) -> Float64:
        """(experts, blocks) float64: how much of an expert is in a block."""
        layout = self.layout
        strength = np.zeros((len(layout.experts), BLOCKS))
        for number, slot in enumerate(layout.tensors):
            share = 0.8 if slot.rank else 0.2
            strength[:, slot.block] += share * genome.scale[:, number]
            if slot.rank and genome.gain is not None:
                gains = genome.gain[:, layout.directions_of(number)]
                strength[:, slot.block] += share * gains.mean(axis=1)
        return strength

    def solved(self, strength: Float64) -> npt.NDArray[np.bool_]:
        """(skills, items) bool: which items a model of some strength of all experts solves."""
        # The first half of a task vector brings most of the skill; more of it than 1 only harms.
        useful = np.expm1(-self.saturation * strength) / np.expm1(-self.saturation)
        given = np.einsum("sib,sb->si", self.need, np.minimum(useful, 1.0))
        # Disturbance grows with the square: two small contributions harm less than a large one.
        taken = np.einsum("sieb,eb->si", self.disturbance, strength**2)
        crowded = np.maximum(np.abs(strength).sum(axis=0) - 1.5, 0.0).mean() * 0.3
        return np.asarray(given - taken - crowded > self.threshold)

    def outcomes(self, genome: Genome) -> dict[str, str]:
        """For each skill one character an item."""
        solved = self.solved(self.strength(genome))
        return {
            name: "".join("1" if s else "0" for s in row)
            for name, row in zip(self.layout.experts, solved, strict=True)
        }

    def result(self, entry: int, candidate: str, genome: Genome) -> ResultDocument:
        """What a worker would have stored."""
        outcomes = self.outcomes(genome)
        return ResultDocument(
            entry=entry,
            candidate=candidate,
            scores={task: marks.count("1") / len(marks) for task, marks in outcomes.items()},
            outcomes=outcomes,
            telemetry=Telemetry(worker=0, host="landscape", seconds=0.0),
        )


def spec_of(landscape: Landscape, *, seed: int, **evolution: object) -> Spec:
    """A run on the landscape; ``evolution`` in the manifest's spelling."""
    names = landscape.layout.experts
    items = {"search": "none", "test": "none"}
    return Spec.model_validate(
        {
            "seed": seed,
            "base": {"uri": "none"},
            "experts": tuple({"name": name, "uri": "none"} for name in names),
            "tasks": tuple({"name": name, "type": "exact", "items": items} for name in names),
            "evolution": evolution,
        }
    )


def evolve(landscape: Landscape, spec: Spec) -> list[Commit]:
    """A whole run: the commit of every generation."""
    genomes = {
        candidate: expert_genome(landscape.layout, name)
        for candidate, name in zip(expert_order(spec), landscape.layout.experts, strict=True)
    }
    results = [landscape.result(n, c, g) for n, (c, g) in enumerate(genomes.items())]
    commits = [first_commit(spec, results)]
    told = [as_told(results)]
    strategy = make_strategy(spec, landscape.layout)
    for generation in range(1, spec.evolution.generations + 1):
        read = read_generation(generation, spec)
        known = [one for told_then in told[: read + 1] for one in told_then]
        state = replace(commits[read].state, told=lambda known=known: known)
        proposals = ask(strategy, state, numbers_of(generation, spec), genomes.__getitem__)
        genomes |= {child(p.number): p.genome for p in proposals}
        results = [
            landscape.result(entry, child(p.number), p.genome) for entry, p in enumerate(proposals)
        ]
        commits.append(tell(commits[-1], results, spec.evolution.max_failed_candidates))
        told.append(as_told(results))
    return commits


def qd_score(commit: Commit) -> float:
    """Sum over all archives."""
    return float(sum(archive.qd_score for archive in commit.state.archives.values()))
