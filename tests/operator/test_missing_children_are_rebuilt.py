"""Whatever is deleted behind the operator's back is there again after the next look."""

import pytest

from tests.operator.world import evolving

KINDS = ["coordinator Job", "worker Job", "manifest", "progress", "everything"]


def remove(world, what):
    keys = {
        "coordinator Job": [("Job", "demo-coordinator")],
        "worker Job": [("Job", "demo-workers")],
        "manifest": [("ConfigMap", "demo-manifest")],
        "progress": [("ConfigMap", "demo-progress")],
        "everything": list(world.objects),
    }[what]
    for kind, name in keys:
        world.delete(kind, name)
    world.react()


@pytest.mark.parametrize("what", KINDS)
def test_it_comes_back(what):
    world = evolving()
    world.evolve(4, coverage=0.5)
    world.settle()
    names = {key for key in world.objects if key[0] != "Pod"}
    remove(world, what)
    world.settle()
    world.start()
    world.evolve(4, coverage=0.5)
    world.settle()
    world.start()
    world.settle()
    assert {key for key in world.objects if key[0] != "Pod"} == names
    assert world.state == "Evolving"


@pytest.mark.parametrize("what", KINDS)
def test_the_status_forgets_nothing(what):
    world = evolving()
    world.evolve(4, coverage=0.5)
    world.settle()
    remove(world, what)
    world.settle()
    assert world.status.generation == 4
    assert world.status.archive.coverage == "0.5"


def test_accounts_are_made_with_the_coordinator_s_job():
    world = evolving()
    for key in list(world.objects):
        if key[0] in ("ServiceAccount", "Role", "RoleBinding"):
            world.delete(*key)
    world.delete("Job", "demo-coordinator")
    world.settle()
    assert set(world.of("ServiceAccount")) == {"demo-coordinator", "demo-worker"}
    assert set(world.of("RoleBinding")) == {"demo-coordinator"}


def test_a_coordinator_that_cannot_report_gets_its_rights_anew():
    world = evolving()
    world.objects["ConfigMap", "demo-progress"].pop("data")
    world.delete("RoleBinding", "demo-coordinator")
    world.settle()
    assert "demo-coordinator" not in world.of("RoleBinding")
    world.pass_time(60)
    world.look()
    assert "demo-coordinator" in world.of("RoleBinding")


@pytest.mark.parametrize("job", ["demo-coordinator", "demo-workers"])
def test_a_job_that_gave_up_is_made_anew(job):
    world = evolving()
    uid = world.jobs[job]["metadata"]["uid"]
    world.finish_job(job, "Failed")
    world.settle()
    assert world.jobs[job]["metadata"]["uid"] != uid
