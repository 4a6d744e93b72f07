"""Made-up runs of any number of tasks that look like real ones.

``python -m tests.report.sample FOLDER`` writes reports of several of them, to look at.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from cycleqd.evolution.metrics import geometric_mean
from cycleqd.report.data import (
    Ancestor,
    ArchiveView,
    BehaviourAxis,
    Cell,
    Elite,
    ExpertPoint,
    FailedCandidate,
    Family,
    FirstAnswer,
    HistoryRow,
    Recommendation,
    ReportData,
    RowKind,
    RunFacts,
    TableRow,
    TaskKnowledge,
)

NAMES = ("python", "sql", "shell", "history", "math", "cooking", "translation", "rhymes")


class Evolution:
    """Archives that take candidates."""

    def __init__(
        self, skills: tuple[str, ...], experts: tuple[ExpertPoint, ...], bins: int
    ) -> None:
        self.skills = skills
        self.cells: dict[str, dict[Cell, Elite]] = {skill: {} for skill in skills}
        self.axes = {}
        for skill in skills:
            scores = [expert.scores[skill] for expert in experts]
            low, high = 0.85 * min(scores), min(1.0, 1.15 * max(scores))
            edges = tuple(low + (high - low) * i / bins for i in range(bins + 1))
            self.axes[skill] = BehaviourAxis(skill, edges)

    def bin_of(self, skill: str, score: float) -> int:
        return sum(score > edge for edge in self.axes[skill].edges[1:-1])

    def offer(self, elite: Elite) -> None:
        for skill in self.skills:
            cell = tuple(self.bin_of(o, elite.scores[o]) for o in self.skills if o != skill)
            held = self.cells[skill].get(cell)
            if held is None or elite.scores[skill] > held.scores[skill]:
                self.cells[skill][cell] = elite

    def views(self) -> tuple[ArchiveView, ...]:
        return tuple(
            ArchiveView(
                skill,
                tuple(self.axes[other] for other in self.skills if other != skill),
                dict(self.cells[skill]),
            )
            for skill in self.skills
        )


def sample(
    tasks: int,
    *,
    bins: int = 15,
    evaluations: int = 320,
    complete: bool = True,
    names: tuple[str, ...] = NAMES,
    known: bool = False,
    seed: int = 0,
) -> ReportData:
    """A run whose candidates trade one skill for another and slowly get better."""
    chance = random.Random(seed)
    skills = tuple(
        names[i % len(names)] + ("" if i < len(names) else f"-{i}") for i in range(tasks)
    )
    experts = tuple(
        ExpertPoint(
            skill,
            {
                other: round(chance.uniform(0.68, 0.84), 3)
                if other == skill
                else round(chance.uniform(0.02, 0.3), 3)
                for other in skills
            },
        )
        for skill in skills
    )
    evolution = Evolution(skills, experts, bins)
    ancestors: dict[str, Ancestor] = {}
    history: list[HistoryRow] = []
    for expert in experts:
        name = f"e-{expert.name}"
        ancestors[name] = Ancestor(name, generation=0, scores=expert.scores, expert=expert.name)
        evolution.offer(Elite(name, expert.scores))
    for number in range(evaluations):
        focus = skills[number % tasks]
        held = sorted(evolution.cells[focus].values(), key=lambda e: e.candidate)
        mother, father = chance.choice(held), chance.choice(held)
        grown = number / max(evaluations, 1)
        scores = {}
        share = chance.random()
        for skill in skills:
            mixed = share * mother.scores[skill] + (1 - share) * father.scores[skill]
            gain = chance.gauss(0.01 + 0.02 * grown, 0.06)
            scores[skill] = min(max(round(mixed + gain, 3), 0.0), 0.93)
        limit = (0.75 + 0.36 * (tasks - 1)) * (0.85 + 0.25 * grown)
        excess = max(sum(scores.values()) / limit, 1.0)
        scores = {skill: round(score / excess, 3) for skill, score in scores.items()}
        name = f"c{number:06d}"
        parents = (mother.candidate, father.candidate)
        ancestors[name] = Ancestor(
            name, parents, f"Linear + ExpertSVD, focus {focus}", 1 + number // 8, scores
        )
        evolution.offer(Elite(name, scores))
        if number % 8 == 7 or number == evaluations - 1:
            now = evolution.views()
            history.append(
                HistoryRow(
                    1 + number // 8,
                    tasks + number + 1,
                    {view.task: view.qd_score for view in now},
                    {view.task: view.coverage for view in now},
                    {view.task: view.ranked()[0][1].scores[view.task] for view in now},
                )
            )
    archives = evolution.views()
    families = tuple(
        Family(f"Best in {view.task}", view.ranked()[0][1].candidate) for view in archives
    )
    failures = tuple(
        FailedCandidate(f"c{n:06d}", "EngineError", "the engine ran out of memory")
        for n in (17, 93)
    )
    run = RunFacts(
        name="agents",
        run_id="agents-4f1c2a9be0d7",
        seed=seed,
        engine="vllm",
        base="hf://HuggingFaceTB/SmolLM2-135M-Instruct",
        strategy="CycleQD",
        generation=evaluations // 8,
        generations=40 if complete else 60,
        evaluations=tasks + evaluations,
        complete=complete,
        store="s3://runs/cycleqd/agents",
        details=(
            ("Crossover", "Linear, one pair of weights for each block"),
            ("Mutation", "ExpertSVD, rank 16, w up to 0.1"),
            ("Items", "120 search and 200 held-out items a task"),
        ),
    )
    even = max(
        (elite for view in archives for elite in view.cells.values()),
        key=lambda elite: (geometric_mean(elite.scores.values()), elite.candidate),
    )
    table = _table(skills, experts, archives, even, chance) if complete else ()
    choice = Recommendation("balanced member", even.candidate, geometric_mean(even.scores.values()))
    return ReportData(
        run=run,
        tasks=skills,
        archives=archives,
        experts=experts,
        history=tuple(history),
        table=table,
        ancestors=ancestors,
        families=families,
        failures=failures,
        recommendation=choice,
        knowledge=tuple(knowledge_sample(skill) for skill in skills) if known else (),
    )


def _table(
    skills: tuple[str, ...],
    experts: tuple[ExpertPoint, ...],
    archives: tuple[ArchiveView, ...],
    even: Elite,
    chance: random.Random,
) -> tuple[TableRow, ...]:
    uniform = {skill: round(chance.uniform(0.2, 0.55), 3) for skill in skills}
    uniform_mean = sum(uniform.values()) / len(skills)

    def row(name: str, kind: RowKind, scores: dict[str, float], candidate: str | None) -> TableRow:
        mean = sum(scores.values()) / len(scores)
        known = name != "uniform-merge"
        return TableRow(
            name=name,
            kind=kind,
            scores=scores,
            mean=mean,
            minimum=min(scores.values()),
            standard_error=0.018,
            difference=mean - uniform_mean if known else None,
            difference_error=0.014 if known else None,
            candidate=candidate,
        )

    rows = [row("base", "base", dict.fromkeys(skills, 0.01), None)]
    rows += [row(e.name, "expert", dict(e.scores), f"e-{e.name}") for e in experts]
    rows.append(row("uniform-merge", "baseline", uniform, "b-uniform"))
    for archive in archives:
        best = archive.ranked()[0][1]
        rows.append(row(f"best {archive.task}", "member", dict(best.scores), best.candidate))
    held_out = {skill: max(0.0, score - 0.02) for skill, score in even.scores.items()}
    rows.append(row("balanced member", "member", held_out, even.candidate))
    merged = {skill: min(uniform[skill] + 0.07, 1.0) for skill in skills}
    rows.append(row("aggregate", "aggregate", merged, "aggregate"))
    return tuple(rows)


def knowledge_sample(task: str) -> TaskKnowledge:
    """What a swarm knows of a task after a few generations."""
    query = (
        "SELECT name, COUNT(*) FROM orders\n"
        "JOIN people ON people.id = orders.person\nGROUP BY name HAVING COUNT(*) > 2"
    )
    new = tuple(FirstAnswer(f"{task}-{n}", f"c{n:06d}", n // 8 + 1, query) for n in (7, 31, 90))
    alone = (("c000090", (f"{task}-90", f"{task}-3")), (f"e-{task}", (f"{task}-44",)))
    unsolved = tuple(f"{task}-{n}" for n in range(100, 125))
    solved = (52, 53, 53, 53, 54, 54, 54, 54, 54, 54, 54, 54, 55)
    return TaskKnowledge(task, 80, solved, new, alone, unsolved, new[:2], 52)


def started() -> ReportData:
    """A run of which nothing is known yet."""
    run = RunFacts(
        "agents", "agents-0", 0, "transformers", "models/base", "CycleQD", -1, 40, 0, False
    )
    edges = tuple(i / 15 for i in range(16))
    axes = [BehaviourAxis(skill, edges) for skill in NAMES[:3]]
    archives = tuple(
        ArchiveView(own.task, tuple(a for a in axes if a is not own), {}) for own in axes
    )
    return ReportData(run, NAMES[:3], archives)


if __name__ == "__main__":
    from cycleqd.report.write import write_report
    from tests.report.grown import with_life

    LONG = tuple(f"{name}-with-a-name-of-forty-characters"[:40] for name in NAMES)
    SAMPLES = {
        "k1": sample(1, evaluations=60),
        "k2": sample(2),
        "k3": sample(3, known=True),
        "k3-few-bins": sample(3, bins=5, complete=False),
        "k4": sample(4, names=LONG),
        "k7": sample(7, bins=6),
        "grown": with_life(sample(5, bins=6), 3),
        "grown-often": with_life(sample(14, bins=2, evaluations=60, names=LONG), 2),
        "started": started(),
        "thousands": sample(3, bins=60, evaluations=6000),
    }
    for label, data in SAMPLES.items():
        print(write_report(data, Path(sys.argv[1]) / label).html)
