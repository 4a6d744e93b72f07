"""A curriculum: who joins a run in which generation, as rules and as a row of shorter manifests.

``spec.experts`` and ``spec.tasks`` list everybody in the order in which they join. Whoever no step
of ``spec.curriculum`` names is there from the beginning, or joins a run that has begun as soon as
possible. So what a run is from a step on is its manifest cut short: no expert, task or step beyond.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cycleqd.errors import InputError
from cycleqd.manifest.problems import nearest, path_of, shown
from cycleqd.manifest.registry import STRATEGIES

if TYPE_CHECKING:
    from cycleqd.manifest.model import Manifest, Spec
    from cycleqd.manifest.part import Part

LISTS = ("experts", "tasks")
"""What steps name, and the lists of the spec that they stand in."""


@dataclass(frozen=True)
class Arrival:
    """Experts and tasks that come together.

    Attributes:
        manifest: the manifest without all who come after them.
        step: the step of the curriculum that they come in; None where none names them.
    """

    manifest: Manifest
    step: int | None = None

    @property
    def generation(self) -> int | None:
        """The one that they join in; None: the beginning, or as soon as possible."""
        return None if self.step is None else self.manifest.spec.curriculum[self.step].generation


def arrivals(
    manifest: Manifest, known: Spec | None = None, *, changed: bool = False
) -> list[Arrival]:
    """Who comes when, in this order.

    Args:
        manifest: what is asked for.
        known: what the run is already, with which its lists begin; None where none has begun.
        changed: whether something of what it is already joins as well, which is then the first.

    Raises:
        InputError: it lists somebody behind others who join later, or lets somebody join who is in
            the run already.
    """
    steps = manifest.spec.curriculum
    taken = 0 if known is None else len(known.curriculum)
    lengths: dict[str, list[int]] = {}
    problems: list[str] = []
    for name in LISTS:
        names = [element.name for element in getattr(manifest.spec, name)]
        had = 0 if known is None else len(getattr(known, name))
        new = [[*getattr(step, name)] for step in steps[taken:]]
        problems += _misplaced(name, names, had, dict(enumerate(new, taken)))
        later = sum(map(len, new))
        lengths[name] = [len(names) - later + sum(map(len, new[:n])) for n in range(len(new) + 1)]
    if problems:
        raise InputError("\n".join(problems))
    found = []
    for number in range(len(steps) - taken + 1):
        cut = {name: getattr(manifest.spec, name)[: lengths[name][number]] for name in LISTS}
        spec = manifest.spec.model_copy(update={**cut, "curriculum": steps[: taken + number]})
        step = taken + number - 1 if number else None
        found.append(Arrival(manifest.model_copy(update={"spec": spec}), step))
    unnamed = found[0].manifest.spec
    nobody = known is not None and all(
        len(getattr(unnamed, name)) == len(getattr(known, name)) for name in LISTS
    )
    return found[1:] if nobody and not changed else found


def _misplaced(
    name: str, names: Sequence[str], had: int, new: Mapping[int, Sequence[str]]
) -> Iterator[str]:
    """Who stands where they cannot; that named ones are in their steps' order, the rules say.

    Args:
        name: of the list.
        names: in it.
        had: how many of them the run has.
        new: those that steps name which it has not taken, by the steps' numbers.
    """
    for number, step in new.items():
        for place, each in enumerate(step):
            if each in names[:had]:
                path = path_of(("spec", "curriculum", number, name, place))
                yield f"{path}: {each} is in the run already; remove the name"
    named = {each for step in new.values() for each in step}
    first = next((place for place in range(had, len(names)) if names[place] in named), len(names))
    for place in range(first, len(names)):
        if names[place] not in named:
            path = path_of(("spec", name, place, "name"))
            yield (
                f"{path}: no step of spec.curriculum names {names[place]}, who "
                f"so comes before {names[first]}, yet stands behind; write {names[place]} before "
                f"{names[first]}, or name it in a step"
            )


def curriculum(spec: Part) -> Iterator[str]:
    """What is wrong with the steps, whatever run they are for."""
    steps = spec.parts("curriculum")
    if not steps:
        return
    yield from _generations(spec, steps)
    yield from _strategy(spec, steps)
    for name in LISTS:
        yield from _names(spec, steps, name)
    for step in steps:
        if not step.parts("experts") and not step.parts("tasks"):
            yield f"{step.path}: lets nobody join; name experts or tasks, or remove the step"
    yield from _late_experts(spec, steps)


def _generations(spec: Part, steps: Sequence[Part]) -> Iterator[str]:
    last = spec.part("evolution").part("generations")
    before: Part | None = None
    for step in steps:
        own = step.part("generation")
        if own.number is None:
            continue
        if before is not None and before.number is not None and own.number <= before.number:
            yield (
                f"{own.path}: {own.number:g} is not after {before.path} = {before.number:g}; list "
                "steps in the order of their generations, with one step for all who join in one"
            )
        if last.number is not None and own.number >= last.number:
            yield (
                f"{own.path}: {own.number:g} leaves no generation after the one that is spent on "
                f"joining; write {last.number - 1:g} or less, or raise {last.path}"
            )
        before = own


def _strategy(spec: Part, steps: Sequence[Part]) -> Iterator[str]:
    strategy = spec.part("evolution").part("strategy")
    entry = STRATEGIES.entries.get(strategy.text or "")
    if entry is not None and not entry.grows:
        able = " or ".join(growing())
        yield (
            f"{steps[0].path}: strategy {entry.name} cannot take in experts or tasks in the middle "
            f"of a search; write strategy {able}, or remove the curriculum"
        )


def growing() -> list[str]:
    """Names of the strategies that experts and tasks may join."""
    return [name for name, entry in STRATEGIES.entries.items() if entry.grows]


def _names(spec: Part, steps: Sequence[Part], name: str) -> Iterator[str]:
    """Names that are none, stand twice, or stand in another order than the list."""
    listed = [element.part("name").text or "" for element in spec.parts(name)]
    if not all(listed):
        return
    first: dict[str, Part] = {}
    furthest = -1
    for step in steps:
        places = [-1]
        for each in step.parts(name):
            text = each.text
            if text is None:
                continue
            if text not in listed:
                near = nearest(text, listed)
                remedy = f"did you mean {near}?" if near else f"name one of {', '.join(listed)}"
                yield f"{each.path}: spec.{name} has no {shown(text)}; {remedy}"
            elif text in first:
                yield (
                    f"{each.path}: {shown(text)} joins in {first[text].path} already; remove one "
                    "of the two"
                )
            else:
                first[text] = each
                places.append(listed.index(text))
                if places[-1] < furthest:
                    later = listed[furthest]
                    yield (
                        f"{each.path}: {shown(text)} stands before {later} in spec.{name}, yet "
                        f"joins after it; list {name} in the order in which they join"
                    )
        furthest = max(furthest, *places)
    if first.keys() == {*listed}:
        yield (
            f"{steps[0].part(name).path}: all {name} join later; leave one without a step, with "
            "which the run begins"
        )


def _late_experts(spec: Part, steps: Sequence[Part]) -> Iterator[str]:
    """Tasks that need an expert who joins after them."""
    joins: dict[tuple[str, str | None], int] = {
        (name, each.text): number
        for number, step in enumerate(steps)
        for name in LISTS
        for each in step.parts(name)
    }
    for task in spec.parts("tasks"):
        own = joins.get(("tasks", task.part("name").text), -1)
        for expert in (task.part("expert"), task.part("chatTemplateFrom")):
            other = joins.get(("experts", expert.text), -1)
            if expert.text is not None and other > own:
                yield (
                    f"{steps[other].path}: expert {expert.text} joins after the task of "
                    f"{expert.path}; let the task join in this step or a later one, or the expert "
                    "before"
                )
