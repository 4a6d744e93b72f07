"""One candidate as its page shows it: scores with errors, items, cells and ancestors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cycleqd.evolution.metrics import mean_and_error
from cycleqd.records import keys
from cycleqd.run.members import Members
from cycleqd.store.keys import is_name
from cycleqd.ui.views import Ancestor, MemberLook, Outcomes, Score

if TYPE_CHECKING:
    from cycleqd.records.documents import ResultDocument
    from cycleqd.ui.reading import RunReader
    from cycleqd.ui.views import RunLook

MOST_ANCESTORS = 30
"""The nearest ones; each costs the plan of the generation that made it."""


def member_look(reader: RunReader, look: RunLook, candidate: str) -> MemberLook | None:
    """A candidate; None where the run has none of this id.

    Raises:
        StoreError: the store failed.
    """
    run = reader.run
    if not is_name(candidate) or not run.objects.exists(keys.genome(candidate)):
        return None
    with reader.lock:
        members = Members(run)
        made = members.find_entry(candidate)
        result: ResultDocument | None = None
        if made is not None:
            stage = keys.generation(made[0])
            if made[1] in run.finished_entries(stage):
                result = run.result(stage, made[1])
        scores = members.scores(candidate)
        search = members.outcomes(candidate) or ({} if result is None else result.outcomes)
        tested = dict(_tested(reader, look, candidate))
        ancestors, more = _ancestors(members, candidate)
        parents = members.parents(candidate)
    failure = None if result is None or result.failure is None else result.failure
    return MemberLook(
        candidate=candidate,
        generation=None if made is None else made[0],
        focus=None if made is None else made[2].focus,
        failure=None if failure is None else f"{failure.cause}: {failure.message}",
        stopped=result is not None and result.stopped,
        scores={task: Score(value, _error(search.get(task))) for task, value in scores.items()},
        test={task: _score(marks) for task, marks in tested.items()},
        outcomes=(
            *(Outcomes(t, "search", search[t]) for t in look.tasks if t in search),
            *(Outcomes(t, "test", tested[t]) for t in look.tasks if t in tested),
        ),
        cells=_cells(reader, look, candidate),
        parents=parents,
        ancestors=ancestors,
        more=more,
        command=reader.export_command(candidate),
    )


def _tested(reader: RunReader, look: RunLook, candidate: str) -> Iterator[tuple[str, str]]:
    """Outcomes on held-out items by task, from the final table of the last generation."""
    stage = keys.final(max(0, look.generation))
    plan = reader.run.plan(stage) if look.phase in ("comparing", "complete") else None
    if plan is None:
        return
    finished = reader.run.finished_entries(stage)
    for index, entry in enumerate(plan.entries):
        tests = entry.kind == "Evaluate" and entry.split == "test" and entry.candidate == candidate
        if tests and index in finished:
            yield from reader.run.result(stage, index).outcomes.items()


def _cells(reader: RunReader, look: RunLook, candidate: str) -> Mapping[str, tuple[int, ...]]:
    if look.generation < 0:
        return {}
    archives = reader.commit(look.generation).archives
    return {
        task: member.cell
        for task in look.tasks
        for member in archives[task].members
        if member.candidate == candidate
    }


def _ancestors(members: Members, candidate: str) -> tuple[tuple[Ancestor, ...], bool]:
    """The nearest ancestors, and whether there are more."""
    steps = {candidate: 0}
    found: list[Ancestor] = []
    for name in (waiting := [candidate]):
        for parent in members.parents(name):
            if parent in steps:
                continue
            if len(found) == MOST_ANCESTORS:
                return tuple(found), True
            steps[parent] = steps[name] + 1
            found.append(Ancestor(parent, steps[parent]))
            waiting.append(parent)
    return tuple(found), False


def _score(marks: str) -> Score:
    asked = [float(mark == "1") for mark in marks if mark != "-"]
    return Score(*mean_and_error([asked])) if asked else Score(0.0)


def _error(marks: str | None) -> float | None:
    return None if marks is None else _score(marks).error
