"""Disruptions never fail a run; a refused configuration, a coordinator that gives up and too many
failed pods do, each with the cause as its message."""

import pytest

from cycleqd.contract.progress import PodFailure
from tests.operator.world import evolving, make_run


def failure(reason, message, code):
    return PodFailure(reason=reason, message=message, exit_code=code).to_json()


def lose_workers(world, how):
    for pod in world.running("demo-workers"):
        how(pod)
    world.react()
    world.settle()


def test_a_thousand_disruptions_are_no_failure():
    world = evolving()
    for _ in range(100):
        lose_workers(world, world.disrupt)
    assert world.condition("Failed").status == "False"
    assert world.status.workers.failed_pods == 0


def test_stores_that_are_away_are_no_failure():
    world = evolving()
    said = failure("StoreUnavailable", "timeout", 75)
    for _ in range(30):
        lose_workers(world, lambda pod: world.end(pod, 75, said))
    assert world.condition("Failed").status == "False"


@pytest.mark.parametrize("job", ["demo-coordinator", "demo-workers"])
def test_a_refused_configuration_fails_at_once(job):
    world = evolving()
    said = failure("CheckpointError", "expert sql: hidden_size 64, base has 128", 78)
    world.end(world.running(job)[0], 78, said)
    world.react()
    world.settle()
    found = world.condition("Failed")
    assert found.reason == "ConfigurationRefused"
    assert "hidden_size 64" in found.message
    assert world.state == "ConfigurationRefused"
    assert world.active_jobs == set()
    assert world.told[-1] == "RunFailed"


def test_conditional_writes_that_are_ignored_are_named_by_storage_ready():
    world = evolving()
    said = failure("ConditionalWritesUnsupported", "If-None-Match is ignored", 78)
    world.end(world.running("demo-coordinator")[0], 78, said)
    world.settle()
    assert world.condition("StorageReady").reason == "ConditionalWritesUnsupported"
    assert world.condition("StorageReady").status == "False"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("TooManyFailedCandidates", "11 candidates failed"),
        ("RunFailed", "factoring failed: expert maxFailedCandidates is out of disk"),
    ],
)
def test_a_coordinator_that_gives_up_fails_the_run(reason, message):
    world = evolving()
    said = failure(reason, message, 1)
    world.end(world.running("demo-coordinator")[0], 1, said)
    world.settle()
    assert world.condition("Failed").reason == reason
    assert message in world.condition("Failed").message


def test_the_limit_of_failed_pods_is_exact():
    world = evolving(make_run(workers={"replicas": 1, "maxFailedPods": 3}))
    for _ in range(3):
        lose_workers(world, lambda pod: world.end(pod, 137, why="OOMKilled"))
    assert world.condition("Failed").status == "False"
    assert world.status.workers.failed_pods == 3
    lose_workers(world, lambda pod: world.end(pod, 137, why="OOMKilled"))
    found = world.condition("Failed")
    assert found.reason == "TooManyFailedPods"
    assert "4 pods failed" in found.message
    assert "maxFailedPods of 3" in found.message
    assert "memory" in found.message


def test_failures_count_on_over_new_jobs():
    world = evolving(make_run(workers={"replicas": 1, "maxFailedPods": 3}))
    lose_workers(world, lambda pod: world.end(pod, 1))
    lose_workers(world, lambda pod: world.end(pod, 1))
    world.edit(workers={"image": "worker:2"})
    world.settle()
    assert world.status.workers.failed_pods == 2
    lose_workers(world, lambda pod: world.end(pod, 1))
    assert world.status.workers.failed_pods == 3
    lose_workers(world, lambda pod: world.end(pod, 1))
    assert world.condition("Failed").status == "True"


def test_crashes_of_the_coordinator_count_as_well():
    world = evolving(make_run(workers={"replicas": 1, "maxFailedPods": 0}))
    world.end(world.running("demo-coordinator")[0], 1, "Traceback")
    world.settle()
    assert world.condition("Failed").reason == "TooManyFailedPods"


def test_one_broken_machine_is_given_up_and_the_run_goes_on():
    world = evolving(make_run(workers={"replicas": 2, "maxFailedPods": 5}))
    said = failure("EngineError", "CUDA is not available", 65)
    for _ in range(30):
        broken = [p for p in world.running("demo-workers") if p.startswith("demo-workers-1-")]
        for pod in broken:
            world.end(pod, 65, said)
        world.react()
        world.settle()
    assert world.condition("Failed").status == "False"
    assert world.status.workers.failed_pods == 3


def test_no_machine_that_works_fails_the_run():
    world = evolving()
    said = failure("EngineError", "CUDA is not available", 65)
    for _ in range(3):
        lose_workers(world, lambda pod: world.end(pod, 65, said))
    found = world.condition("Failed")
    assert found.reason == "TooManyFailedPods"
    assert "CUDA is not available" in found.message


def test_the_end_is_recorded_before_anything_is_taken_away():
    """The pod that proves it may go with its Job."""
    world = evolving()
    world.end(world.running("demo-workers")[0], 78)
    decision = world.look()
    assert decision.actions == ()
    assert world.condition("Failed").status == "True"
    world.objects = {key: obj for key, obj in world.objects.items() if key[0] != "Pod"}
    world.settle()
    assert world.condition("Failed").reason == "ConfigurationRefused"


def test_a_machine_that_works_after_all_is_enough():
    world = evolving(make_run(workers={"replicas": 1}))
    for _ in range(3):
        world.end(world.running("demo-workers")[0], 65)
        world.react()
    world.start()
    world.settle()
    assert world.condition("Failed").status == "False"
    assert world.status.workers.ready == 1
