"""Where MultiKueue runs the workers in another cluster, their pods cannot be seen, and the Job's
status is what is known of them: they are counted by it, and nothing is said to be wrong."""

import pytest

from tests.operator.test_kueue_decides_when_workers_run import queued

MULTIKUEUE = "kueue.x-k8s.io/multikueue"


def dispatched(mode="Pool"):
    """A run whose worker Job Kueue admits into another cluster."""
    world = queued(mode)
    (name,) = world.jobs.keys() - {"demo-coordinator"}
    job = world.jobs[name]
    job["spec"] |= {"managedBy": MULTIKUEUE, "suspend": False}
    job["status"] = {"active": 2, "ready": 0}
    world.settle()
    return world, job


@pytest.mark.parametrize("mode", ["Pool", "Generation"])
def test_workers_are_those_that_the_job_tells_of(mode):
    world, job = dispatched(mode)
    assert not world.pods_of(job["metadata"]["name"])
    job["status"] = {"active": 2, "ready": 2}
    world.settle()
    assert world.status.workers.ready == 2
    assert world.condition("WorkersReady").message == "All 2 workers are ready."
    assert world.state == "Evolving"


def test_no_pods_here_are_nothing_to_mend():
    world, job = dispatched()
    world.pass_time(1000)
    before = dict(world.writes)
    world.settle()
    assert world.condition("WorkersReady").reason == "Starting"
    assert {verb for verb in world.writes if world.writes[verb] > before.get(verb, 0)} <= {
        "patch status"
    }
    assert job["spec"]["managedBy"] == MULTIKUEUE


def test_a_job_of_the_cluster_s_own_controller_is_here():
    world, job = dispatched()
    job["spec"]["managedBy"] = "kubernetes.io/job-controller"
    world.pass_time(1000)
    world.settle()
    assert world.condition("WorkersReady").reason == "NoPods"
