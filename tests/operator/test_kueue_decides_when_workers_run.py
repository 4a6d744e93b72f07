"""With a queue the worker Jobs are created suspended, and only Kueue sets them free; waiting for
quota is a reason, an eviction no failure, and the deadline's clock stands meanwhile."""

import pytest

from cycleqd.contract.progress import OpenStage
from cycleqd_operator.kube.actions import Patch
from tests.operator.world import World, make_run


def queued(mode="Pool", **spec):
    workers = {"replicas": 2, "queueName": "gpus", "mode": mode}
    world = World(make_run(workers=workers, **spec))
    world.settle()
    world.start()
    stage = OpenStage(stage="generations/000001", entries=4, finished=0)
    world.report(phase="Evolving", generation=0, stages=(stage,))
    world.settle()
    return world


def job_name(mode):
    return "demo-workers" if mode == "Pool" else "demo-workers-g000001"


def admit(world, job="demo-workers"):
    world.jobs[job]["spec"]["suspend"] = False
    world.react()
    world.start()
    world.settle()


def evict(world, job="demo-workers"):
    """As Kueue does: the Job is suspended, its pods end as told."""
    world.jobs[job]["spec"]["suspend"] = True
    world.react()
    world.settle()


@pytest.mark.parametrize("mode", ["Pool", "Generation"])
def test_jobs_wait_in_their_queue(mode):
    world = queued(mode)
    job = world.jobs[job_name(mode)]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert job["spec"]["suspend"] is True
    assert world.running(job_name(mode)) == []
    assert world.state == "WaitingForQuota"
    found = world.condition("WorkersReady")
    assert (found.status, found.reason) == ("False", "WaitingForQuota")
    assert "'gpus'" in found.message
    assert "kubectl get workloads" in found.message
    assert world.status.workers.queue == "gpus"
    assert world.told[-1] == "WaitingForQuota"


@pytest.mark.parametrize("mode", ["Pool", "Generation"])
def test_the_operator_never_sets_them_free(mode):
    world = queued(mode)
    for _ in range(5):
        world.pass_time(1000)
        for action in world.look().actions:
            assert not (isinstance(action, Patch) and "suspend" in action.body.get("spec", {}))
    assert world.jobs[job_name(mode)]["spec"]["suspend"] is True


def test_an_admitted_run_evolves_and_an_evicted_one_waits_again():
    world = queued()
    admit(world)
    assert world.state == "Evolving"
    for _ in range(30):
        evict(world)
        assert world.state == "WaitingForQuota"
        assert world.condition("Failed").status == "False"
        admit(world)
    assert world.state == "Evolving"
    assert world.status.workers.failed_pods == 0


def test_waiting_is_not_active_time():
    world = queued(activeDeadlineSeconds=100)
    world.pass_time(1000)
    world.settle()
    assert world.condition("Failed").status == "False"
    admit(world)
    world.pass_time(60)
    evict(world)
    world.pass_time(1000)
    world.settle()
    assert world.status.active_seconds == 60
    admit(world)
    world.pass_time(40)
    world.settle()
    assert world.condition("Failed").reason == "DeadlineExceeded"
    assert "demo-workers" not in world.jobs


def test_the_coordinator_needs_no_quota():
    world = queued()
    job = world.jobs["demo-coordinator"]
    assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]
    assert job["spec"]["suspend"] is False


def test_leaving_the_queue_makes_jobs_that_run():
    world = queued()
    world.edit(workers={"queueName": None})
    world.settle()
    assert world.jobs["demo-workers"]["spec"]["suspend"] is False
    assert "kueue.x-k8s.io/queue-name" not in world.jobs["demo-workers"]["metadata"]["labels"]
