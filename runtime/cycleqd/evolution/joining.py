"""Experts, tasks and items that join a living run or retire: the generation spent on it, purely.

Nothing that was evaluated is lost or repeated. New experts are evaluated on all tasks. On a new
task the members of the archives are evaluated, and the older experts, which set its axis; on the
others their stored scores hold. Axes, cells and archives then follow from scores alone.

A task may get other search items, too. Where they are added to those that it had, members and
experts are evaluated on these alone; where they replace them, on all (`cycleqd.evolution.added`).

Where a task retires, its archive and its axis go. Cells of the others that only that axis told
apart become one, which keeps the better elite. An expert that retires stays a row of all genomes;
tasks that had it in focus get another, by the experts' stored scores.

An expert is not left to chance: the best members, each with a part of its task vector added, are
evaluated in the same generation (*introduced* members), so that the next one has children of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cycleqd.errors import RunFailed
from cycleqd.evolution.added import Added
from cycleqd.evolution.archive import Axis, Member, axis_from_experts, make_archives
from cycleqd.evolution.front import members_of
from cycleqd.evolution.genome import Genome
from cycleqd.evolution.search import Commit, expert_order, failures, focus_experts, within_limit
from cycleqd.evolution.strategies import SearchState
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import ResultDocument

_PARTS = (0.5, 0.25)
"""Factors of a new expert's task vector: all of the best members get the first of them, the most
balanced one the second too. Full experts of about the same skill sum up well at 0.3 to 0.7."""


@dataclass(frozen=True)
class Joining:
    """Who joins, and who retires.

    Attributes:
        experts: names of new experts, in the manifest's order.
        tasks: names of new tasks, in the manifest's order.
        retired: names of the tasks that the run goes on without.
        retired_experts: names of the experts that new children get no more of.
    """

    experts: tuple[str, ...]
    tasks: tuple[str, ...]
    retired: tuple[str, ...] = ()
    retired_experts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether a generation is spent on it."""
        return bool(self.experts or self.tasks or self.retired or self.retired_experts)


def joining(before: Spec, spec: Spec) -> Joining:
    """How two specs, both without what is retired in them, differ in experts and tasks."""
    experts = {expert.name for expert in before.experts}
    tasks = {task.name for task in before.tasks}
    remain = {task.name for task in spec.tasks}
    used = {expert.name for expert in spec.experts}
    return Joining(
        tuple(expert.name for expert in spec.experts if expert.name not in experts),
        tuple(task.name for task in spec.tasks if task.name not in tasks),
        tuple(task.name for task in before.tasks if task.name not in remain),
        tuple(expert.name for expert in before.experts if expert.name not in used),
    )


def revisited(before: Spec, commit: Commit) -> list[str]:
    """Who is evaluated on what is new: the experts so far, then all other members, once each."""
    experts = expert_order(before)
    members = {
        member.candidate
        for archive in commit.state.archives.values()
        for member in archive.cells.values()
    }
    return [*experts, *sorted(members - {*experts})]


@dataclass(frozen=True)
class Introduction:
    """A member with a part of a new expert.

    Attributes:
        candidate: its id.
        genome: its coefficients.
        parents: the member and the expert.
    """

    candidate: str
    genome: Genome
    parents: tuple[str, str]


def introductions(
    commit: Commit, generation: int, experts: Sequence[str], genome_of: Callable[[str], Genome]
) -> list[Introduction]:
    """The best member of each archive and the most balanced one, with a part of each new expert.

    Args:
        commit: the generation before.
        generation: the one that the experts join in.
        experts: their names.
        genome_of: genomes of members in the new layout, in the form in which they may be parents.
    """
    balanced = members_of(commit.state.archives)[0].candidate
    best = [archive.ranked()[0].candidate for archive in commit.state.archives.values()]
    made: list[Introduction] = []
    for expert in experts:
        for candidate in dict.fromkeys([balanced, *best]):
            for part in _PARTS if candidate == balanced else _PARTS[:1]:
                genome = genome_of(candidate)
                scale = genome.scale.copy()
                scale[genome.layout.expert_index(expert)] += np.float32(part)
                made.append(
                    Introduction(
                        keys.introduced(generation, len(made)),
                        replace(genome, scale=scale),
                        (candidate, keys.expert(expert)),
                    )
                )
    return made


def introduced_in(commit: Commit) -> list[str]:
    """The introduced members of a generation that experts joined in, where they are elites."""
    members = {m.candidate for a in commit.state.archives.values() for m in a.cells.values()}
    return sorted(m for m in members if keys.joined_in(m) == commit.generation)


def join(
    previous: Commit,
    before: Spec,
    spec: Spec,
    results: Sequence[ResultDocument],
    *,
    limit: int,
    added: Added,
) -> Commit:
    """The state after the generation that experts, tasks or items joined in.

    Args:
        previous: the generation before.
        before: the run until then.
        spec: the run from now on.
        results: of its plan's evaluations, in the plan's order.
        limit: ``maxFailedCandidates``.
        added: what tells scores on all items of those on the new ones.

    Raises:
        RunFailed: a new expert, or an older one on what is new, could not be evaluated.
        TooManyFailedCandidates: more candidates failed than the limit allows.
    """
    new = joining(before, spec)
    asked_again = (*added.first_items, *new.tasks)
    needed = {*expert_order(spec)}
    for lost in failures(r for r in results if r.candidate in needed):
        raise RunFailed(
            f"{lost.candidate} could not be evaluated ({lost.cause}: {lost.message}); every "
            "expert is needed where somebody joins. Mend what is named and go on with the run as "
            "it was in another store"
        )
    failed = within_limit(previous, results, limit)
    whole = [result for result in results if result.failure is None and result.candidate]
    again = {*revisited(before, previous)} if asked_again else set()
    experts = {
        r.candidate: added.scores(added.experts[r.candidate] if r.candidate in again else {}, r)
        for r in whole
        if r.candidate in needed
    }
    axes = tuple(_axes(previous, before, spec, experts, added.first_items))
    archives = make_archives(axes)
    found = {r.candidate: r for r in whole if r.candidate in again}
    for member in _known_members(before, previous):
        grown = _with_new_scores(member, found, added) if asked_again else member
        if grown is not None:
            grown = _without_scores(grown, new.retired)
            for archive in archives.values():
                archive.offer(grown)
    fresh = [r for r in whole if r.candidate not in again]
    for result in fresh:
        assert result.candidate is not None
        member = Member(result.candidate, result.scores, added.hold_out.scores(result.outcomes))
        for archive in archives.values():
            archive.offer(member)
    known = previous.state.focus_experts
    chosen = focus_experts(spec, _focus_scores(known, new, added, experts, spec))
    focus = {task: name for task, name in {**known, **chosen}.items() if task in archives}
    return Commit(
        generation=previous.generation + 1,
        evaluations=previous.evaluations + len(results),
        candidates=previous.candidates + len(fresh) - len(new.experts),
        axes=axes,
        state=SearchState(archives, focus),
        failed=failed,
        stopped=previous.stopped,
    )


def _focus_scores(
    known: Mapping[str, str],
    new: Joining,
    added: Added,
    experts: Mapping[str, Mapping[str, float]],
    spec: Spec,
) -> dict[str, list[float]]:
    """Scores of all experts on the tasks that get another in focus.

    Args:
        known: the experts in focus until now, by task.
        new: who joins and who retires.
        added: the scores before.
        experts: scores of those who were evaluated now.
        spec: the run from now on.
    """
    left = {task for task, name in known.items() if name in new.retired_experts}
    scores = {**added.experts, **experts}
    return {
        task.name: [scores[candidate][task.name] for candidate in expert_order(spec)]
        for task in spec.tasks
        if task.name in (*added.first_items, *new.tasks, *left)
    }


def _known_members(before: Spec, commit: Commit) -> list[Member]:
    """All members, once each, in the order of `revisited`: it decides between equals."""
    members = {
        member.candidate: member
        for archive in commit.state.archives.values()
        for member in archive.cells.values()
    }
    return [members[name] for name in revisited(before, commit) if name in members]


def _with_new_scores(
    member: Member, found: Mapping[str, ResultDocument], added: Added
) -> Member | None:
    """A member with its scores on what is new; None where it could not be evaluated on that."""
    result = found.get(member.candidate)
    if result is None:
        return None
    return Member(
        member.candidate, added.scores(member.scores, result), added.unseen(member.unseen, result)
    )


def _without_scores(member: Member, tasks: Sequence[str]) -> Member:
    """A member without its scores on retired tasks; the results in the store keep them."""
    if not tasks:
        return member
    scores, unseen = (
        {task: score for task, score in known.items() if task not in tasks}
        for known in (member.scores, member.unseen)
    )
    return Member(member.candidate, scores, unseen)


def _axes(
    previous: Commit,
    before: Spec,
    spec: Spec,
    experts: Mapping[str, Mapping[str, float]],
    first_items: Mapping[str, int],
) -> Iterable[Axis]:
    """The axes of all tasks: those of other items from all experts, the others' made wider."""
    settings = spec.archive
    known = {axis.task: axis for axis in previous.axes if axis.task not in first_items}
    fresh = {keys.expert(name) for name in joining(before, spec).experts}
    for task in spec.tasks:
        if task.bounds is not None:
            yield Axis(task.name, task.bounds.min, task.bounds.max, settings.bins)
            continue
        axis = known.get(task.name)
        scores = [
            found[task.name]
            for candidate, found in experts.items()
            if axis is None or candidate in fresh
        ]
        if axis is not None and not scores:
            yield axis
            continue
        own = axis_from_experts(
            task.name,
            scores,
            bins=settings.bins,
            lower_margin=settings.lower_margin,
            upper_margin=settings.upper_margin,
        )
        if axis is None:
            yield own
        else:
            yield replace(axis, lower=min(axis.lower, own.lower), upper=max(axis.upper, own.upper))
