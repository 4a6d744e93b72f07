"""Reads what the members of a run have proved that they can answer."""

from __future__ import annotations

from collections.abc import Iterator

from cycleqd.errors import ObjectNotFound, StoreCorrupt
from cycleqd.evolution.knowledge import Knowledge, Told, known
from cycleqd.evolution.search import expert_order
from cycleqd.records import keys
from cycleqd.records.documents import AnswersDocument, EvaluateEntry
from cycleqd.records.json_text import parse_json
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore


def what_is_known(run: RunStore, generations: int) -> tuple[dict[str, Knowledge], int]:
    """What is known of each task after some committed generations.

    Returns:
        By task, in the manifest's order, and the number of candidates that left no answers though
        they were evaluated: earlier versions of cycleqd kept none.
    """
    archive = run.committed_archive(generations)
    revision = run.history.as_of(generations)
    failed = {candidate.candidate for candidate in archive.failed}
    silent = 0

    def told() -> Iterator[Told]:
        nonlocal silent
        for number in range(generations + 1):
            plan = run.plan(keys.generation(number))
            for entry in plan.entries if plan is not None else ():
                if not isinstance(entry, EvaluateEntry) or entry.candidate in failed:
                    continue
                answers = _answers(run, entry)
                if answers is None:
                    silent += 1
                else:
                    counted = revision.holding(run.history.as_of(number))
                    found = {t: a for t, a in answers.answers.items() if t in counted}
                    yield Told(entry.candidate, number, found)

    items = {task: _items(run, revision, task) for task in revision.tasks}
    knowledge = known(items, told(), generations, expert_order(revision.spec))
    return knowledge, silent


def _answers(run: RunStore, entry: EvaluateEntry) -> AnswersDocument | None:
    candidate = entry.candidate
    key = keys.answers(candidate, entry.revisit)
    try:
        document = AnswersDocument.from_bytes(run.objects.read(key), key)
    except ObjectNotFound:
        return None
    if document.candidate != candidate:
        raise StoreCorrupt(f"{key}: holds the answers of {document.candidate}")
    return document


def _items(run: RunStore, revision: Revision, task: str) -> list[str]:
    """Ids of a task's search items in their order."""
    key = revision.items_key(task, "search")
    lines = [line for line in run.objects.read(key).splitlines() if line.strip()]
    ids: list[str] = []
    for number, line in enumerate(lines[: revision.items[task]["search"].count], 1):
        try:
            item = parse_json(line)
        except ValueError as error:
            raise StoreCorrupt(f"{key}: line {number}: {error}") from error
        name = item.get("id") if isinstance(item, dict) else None
        if isinstance(name, str):
            ids.append(name)
    return ids
