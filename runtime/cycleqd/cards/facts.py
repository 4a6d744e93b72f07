"""What a run's store, and the checkpoints beside it, say of a member for its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import yaml

from cycleqd.cards.text import CardFacts, Estimate, Ingredient
from cycleqd.evolution.metrics import mean_and_error
from cycleqd.manifest.schema import canonical
from cycleqd.records import keys
from cycleqd.records.documents import NOT_ASKED, SourceRecord
from cycleqd.run.members import Members
from cycleqd.run.store import RunStore
from cycleqd.run.timeline import held_out_answers
from cycleqd.version import __version__

CARD_FILE = "README.md"

SETTINGS = (
    "seed",
    "base",
    "experts",
    "tasks",
    "curriculum",
    "archive",
    "evolution",
    "evaluation",
    "goal",
    "publication",
)
"""Parts of the manifest that a card shows; storage and pods are nobody else's business."""

MAX_CARD_BYTES = 1 << 20
"""A card of a checkpoint that is larger is not read."""

LicenceOf = Callable[[SourceRecord], str | None]
"""What a checkpoint says of its licence."""


def card_facts(run: RunStore, candidate: str, licence_of: LicenceOf) -> CardFacts:
    """Everything that a card says of a member.

    Args:
        run: the run's store.
        candidate: the member's id.
        licence_of: says what a checkpoint states.

    Raises:
        StoreError: the store failed.
    """
    committed = run.committed()
    run.history.refresh()
    revision = run.history.as_of(committed)
    archive = run.committed_archive(committed)
    members = Members(run)
    genome = run.genome(candidate)
    scale = genome.scale.astype(np.float64).mean(axis=1)
    shares = dict(zip(genome.layout.experts, map(float, scale), strict=True))
    spec = canonical(run.latest().manifest)["spec"]
    base = revision.base
    return CardFacts(
        run=revision.manifest.metadata.name,
        run_id=run.document.run_id,
        version=__version__,
        candidate=candidate,
        generation=committed,
        evaluations=archive.evaluations,
        base=Ingredient("base", base.uri, base.digest, licence_of(base)),
        experts=tuple(
            Ingredient(name, source.uri, source.digest, licence_of(source), shares.get(name, 0.0))
            for name, source in revision.experts.items()
        ),
        search=_estimates(members.outcomes(candidate) or {}),
        held_out=_held_out(run, candidate),
        parents=members.lineage(candidate),
        settings={part: spec[part] for part in SETTINGS if part in spec},
    )


def _held_out(run: RunStore, candidate: str) -> dict[str, Estimate]:
    """Scores of the last final table that the candidate took part in."""
    names = run.objects.children(keys.FINALS)
    for number in sorted((n for x in names if (n := keys.number(x)) is not None), reverse=True):
        asked = held_out_answers(run, number)
        found = {task: told.outcomes for (who, task), told in asked.items() if who == candidate}
        if found:
            return _estimates(found)
    return {}


def _estimates(outcomes: Mapping[str, str]) -> dict[str, Estimate]:
    found = {}
    for task, marks in outcomes.items():
        if marks and NOT_ASKED not in marks:
            found[task] = Estimate(*mean_and_error([[float(mark == "1") for mark in marks]]))
    return found


def stated_licence(folder: Path) -> str | None:
    """The licence in the front matter of a checkpoint's card; None where none is stated."""
    path = folder / CARD_FILE
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            return None
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    begin, matter, *_ = (*text.split("---\n", 2), "", "")
    if begin.strip("\ufeff \n"):
        return None
    try:
        document = yaml.safe_load(matter)
    except yaml.YAMLError:
        return None
    licence = document.get("license") if isinstance(document, dict) else None
    return licence if isinstance(licence, str) and licence else None
