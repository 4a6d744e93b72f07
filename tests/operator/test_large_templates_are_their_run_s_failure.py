"""A template that would take the memory of all is refused; the run says which, and what to do."""

from cycleqd_operator.kube.trimming import trim
from tests.operator.world import World, evolving, make_run

LARGE = {"affinity": {"podAffinity": [{"a": {}} for _ in range(4_000)]}}


def kept(**spec):
    """A run as the operator's cache keeps it."""
    return trim("CycleQDRun", make_run(**spec))


def test_a_run_that_begins_so_fails():
    world = World(kept(workers={"template": {"spec": LARGE}}))
    world.settle()
    failed = world.condition("Failed")
    assert (failed.status, failed.reason) == ("True", "InvalidManifest")
    assert failed.message.startswith("spec.workers.template.spec: takes 44031 bytes")
    assert "at most 32768; move what is large into a ConfigMap" in failed.message
    assert not world.objects


def test_a_run_that_is_edited_so_goes_on_as_it_was():
    world = evolving()
    jobs = set(world.jobs)
    good = world.run["spec"]
    world.edit(coordinator={"template": {"spec": LARGE}})
    world.run = trim("CycleQDRun", world.run)
    assert world.run["spec"] == {}
    world.settle()
    assert set(world.jobs) == jobs
    assert "spec.coordinator.template.spec: takes" in world.condition("ManifestAccepted").message
    assert world.condition("Failed").status == "False"
    world.run = {**world.run, "spec": good}
    world.run.pop("specRefused")
    world.edit()
    world.settle()
    assert "takes" not in world.condition("Progressing").message
    assert set(world.jobs) == jobs
