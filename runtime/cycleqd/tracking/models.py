"""What tracking tools are told of the models of a run: where they are, never their weights. Pure.

A member is its genome, so a model is a few hundred bytes of facts: the store's address, the key of
the genome, and the command that makes a checkpoint of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cycleqd.evolution.final import recommended
from cycleqd.records import keys
from cycleqd.records.documents import ArchiveDocument
from cycleqd.records.final_table import SummaryDocument, SummaryRow
from cycleqd.tracking.translation import members_of

Parents = Callable[[str], Sequence[str]]
"""Gives the ids of a candidate's parents."""


@dataclass(frozen=True)
class ModelFacts:
    """A model of a run.

    Attributes:
        candidate: its id.
        roles: why it is shown: ``elite``, ``published``, and the kinds of its rows in the table.
        search: its scores on the search items by task.
        test: the same on the held-out items, empty where it is not in the table.
        cells: the cells that it holds, as text by the task of the archive.
        parents: ids of its parents.
        step: evaluations of the run at that time.
        generation: the committed generation that this is as of.
    """

    candidate: str
    roles: tuple[str, ...]
    search: Mapping[str, float]
    test: Mapping[str, float]
    cells: Mapping[str, str]
    parents: tuple[str, ...]
    step: int
    generation: int

    def tags(self, store: str, run_id: str) -> dict[str, str]:
        """What says where the model is and how to have it.

        Args:
            store: URI of the run's store.
            run_id: the run.
        """
        tags = {
            "cycleqd.run": run_id,
            "cycleqd.store": store,
            "cycleqd.candidate": self.candidate,
            "cycleqd.genome": f"{store}/{keys.genome(self.candidate)}",
            "cycleqd.export": export_command(store, self.candidate),
            "cycleqd.roles": ", ".join(self.roles),
            "cycleqd.generation": str(self.generation),
        }
        if self.parents:
            tags["cycleqd.parents"] = ", ".join(self.parents)
        if self.cells:
            tags["cycleqd.cells"] = "; ".join(f"{t}: {cell}" for t, cell in self.cells.items())
        return tags

    def metrics(self) -> dict[str, float]:
        """Its scores as numbers with a name."""
        return {
            **{f"search/{task}": score for task, score in self.search.items()},
            **{f"test/{task}": score for task, score in self.test.items()},
        }


@dataclass(frozen=True)
class PublicationFacts:
    """Which model a run stands for after a final table.

    Attributes:
        generation: the committed generation that the table is made of.
        model: the model to take.
        held: the one that was to take its place and was held back by the gate; None where none was.
        gated: whether there is a gate at all (``spec.publication``).
    """

    generation: int
    model: ModelFacts
    held: ModelFacts | None
    gated: bool


def export_command(store: str, candidate: str) -> str:
    """The command that makes a checkpoint of a candidate."""
    return shlex.join(["cycleqd", "export", store, "--member", candidate, "--out", candidate])


def publication(
    summary: SummaryDocument, archive: ArchiveDocument, parents: Parents
) -> PublicationFacts | None:
    """Which model a run stands for after a final table; None where there is none.

    Args:
        summary: the table.
        archive: the commit that it is made of.
        parents: gives the parents of a candidate.
    """
    best = recommended(summary)
    if best is None:
        return None
    record = summary.published
    held = None if record is None else record.held
    return PublicationFacts(
        generation=archive.generation,
        model=_facts(best.candidate, summary, archive, parents),
        held=None if held is None else _facts(held, summary, archive, parents),
        gated=record is not None,
    )


def final_models(
    summary: SummaryDocument, archive: ArchiveDocument, parents: Parents
) -> list[ModelFacts]:
    """Every elite of the last archives, the aggregate and the model to take, each once.

    Args:
        summary: the final table.
        archive: the last commit.
        parents: gives the parents of a candidate.
    """
    best = recommended(summary)
    candidates = dict.fromkeys(
        [
            *([] if best is None else [best.candidate]),
            *(row.candidate for row in summary.rows if row.kind == "aggregate"),
            *sorted(members_of(archive)),
        ]
    )
    return [_facts(candidate, summary, archive, parents) for candidate in candidates]


def _facts(
    candidate: str, summary: SummaryDocument, archive: ArchiveDocument, parents: Parents
) -> ModelFacts:
    rows: list[SummaryRow] = [row for row in summary.rows if row.candidate == candidate]
    cells = {
        task: ",".join(map(str, member.cell))
        for task, record in archive.archives.items()
        for member in record.members
        if member.candidate == candidate
    }
    best = recommended(summary)
    roles = [
        *(["elite"] if cells else []),
        *(row.kind for row in rows if row.kind != "published"),
        *(["published"] if best is not None and best.candidate == candidate else []),
    ]
    known = members_of(archive).get(candidate)
    found = [row.search for row in rows if row.search]
    return ModelFacts(
        candidate=candidate,
        roles=tuple(dict.fromkeys(roles)),
        search=known or next(iter(found), {}),
        test=rows[0].test if rows else {},
        cells=cells,
        parents=tuple(parents(candidate)),
        step=archive.evaluations,
        generation=archive.generation,
    )
