"""Conditions, events and the status tell of accepted revisions, and of what joining takes."""

from __future__ import annotations

import pytest

from cycleqd.contract.progress import RevisitingProgress
from cycleqd_operator.decision.summary import REVISITING_STEPS
from tests.operator.world import World, evolving


def joining(done: int, of: int = 39, generation: int = 4) -> RevisitingProgress:
    who = "expert regex, task regex"
    return RevisitingProgress(revision=1, generation=generation, who=who, done=done, of=of)


def grown() -> World:
    """A run whose first revision is accepted, and holds from generation 4 on."""
    world = evolving()
    world.evolve(1, accepted_revision=0)
    world.settle()
    world.edit(evolution={"generations": 20})
    world.settle()
    world.evolve(2, accepted_revision=1, accepted_from=4)
    world.settle()
    return world


def test_a_run_begins_with_its_manifest_accepted_and_says_nothing_of_it():
    world = evolving()
    world.evolve(1, accepted_revision=2)
    world.settle()
    found = world.condition("ManifestAccepted")
    assert (found.status, found.reason) == ("True", "RevisionAccepted")
    assert world.status.accepted_revision == 2
    assert "RevisionAccepted" not in world.told, "its curriculum is what it began with"


def test_an_edit_is_unknown_until_the_coordinator_has_looked_at_it():
    world = evolving()
    world.edit(evolution={"generations": 20})
    world.settle()
    found = world.condition("ManifestAccepted")
    assert (found.status, found.reason) == ("Unknown", "NotLookedAt")
    assert world.state == "Evolving"
    world.evolve(1)
    world.settle()
    assert world.condition("ManifestAccepted").status == "True"


def test_an_accepted_revision_is_told_once_and_from_when_it_holds():
    world = grown()
    assert world.told.count("RevisionAccepted") == 1
    assert world.events[-1].message == "Revision 1 holds from generation 4 on."
    assert world.condition("ManifestAccepted").message == "Revision 1 holds from generation 4 on."
    assert (world.status.revision, world.status.accepted_revision) == (0, 1)
    world.evolve(4, revision=1)
    world.settle()
    assert (world.status.revision, world.status.accepted_revision) == (1, 1)
    assert world.told.count("RevisionAccepted") == 1


def test_an_operator_that_is_renewed_tells_no_revision_of_before():
    world = evolving()
    assert world.run is not None
    world.evolve(5, accepted_revision=3, revision=3)
    world.settle()
    assert "RevisionAccepted" not in world.told
    assert world.status.revision == 3


def test_revisiting_is_told_once_and_shown_while_it_lasts():
    world = grown()
    world.evolve(3, revisiting=joining(0))
    world.settle()
    assert world.state == "Revisiting"
    assert "In generation 4 expert regex, task regex join; 0 of 39" in (
        world.condition("Progressing").message
    )
    assert world.told[-1] == "Revisiting"
    assert "39 models" in world.events[-1].message
    for done in range(40):
        world.evolve(3, revisiting=joining(done))
        world.settle()
        now = world.status.revisiting
        assert now is not None
        assert (now.revision, now.generation, now.of) == (1, 4, 39)
        assert done - 2 < now.done <= done
    assert now.done == 39
    world.evolve(4, revision=1, revisiting=None)
    world.settle()
    assert world.status.revisiting is None
    assert world.state == "Evolving"
    assert world.told.count("Revisiting") == 1
    world.evolve(7, revisiting=joining(0, generation=8))
    world.settle()
    assert world.told.count("Revisiting") == 2


@pytest.mark.parametrize("of", [1, 39, 2500])
def test_a_joining_of_any_size_is_written_a_bounded_number_of_times(of: int):
    world = grown()
    world.evolve(3, revisiting=joining(0, of))
    world.settle()
    before = world.writes["patch status"]
    for done in range(0, of + 1, max(1, of // 500)):
        world.evolve(3, revisiting=joining(done, of))
        world.look()
    assert world.writes["patch status"] - before <= REVISITING_STEPS + 1


def test_a_run_that_fails_on_the_way_is_not_revisiting_any_more():
    world = grown()
    world.edit(activeDeadlineSeconds=600)
    world.evolve(3, revisiting=joining(12))
    world.settle()
    assert world.status.revisiting is not None
    world.pass_time(3600)
    world.settle()
    assert world.condition("Failed").status == "True"
    assert world.status.revisiting is None
