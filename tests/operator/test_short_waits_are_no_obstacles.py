"""What usually ends by itself is no obstacle before a grace is over; the run is looked at then."""

from datetime import timedelta

import pytest

from cycleqd_operator.decision.obstacles import GRACE_SECONDS, first_obstacle, waits_until
from cycleqd_operator.kube.objects import format_time
from tests.operator.world import START, World, evolving, make_run

CACHE = "failed to sync secret cache: timed out waiting for the condition"
SHORT = [
    ("CreateContainerConfigError", CACHE, "ContainerConfigError"),
    ("CreateContainerError", "context deadline exceeded", "ContainerConfigError"),
    ("ErrImagePull", "dial tcp: i/o timeout", "ImagePullFailed"),
    ("ImagePullBackOff", "Back-off pulling image", "ImagePullFailed"),
    ("RegistryUnavailable", "503", "ImagePullFailed"),
    ("Unschedulable", "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", "Unschedulable"),
]


def time_of(seconds):
    return format_time(START + timedelta(seconds=seconds))


def at(seconds):
    return START + timedelta(seconds=seconds)


def begun(role):
    """A run of which the pods of one role are about to start."""
    world = World()
    world.settle()
    if role == "workers":
        world.start()
        world.evolve(0)
        world.settle()
    return world


@pytest.mark.parametrize("role", ["coordinator", "workers"])
@pytest.mark.parametrize(("stuck", "said", "reason"), SHORT)
def test_a_wait_that_ends_in_time_is_never_told(role, stuck, said, reason):
    world = begun(role)
    for pod in world.pods_of(f"demo-{role}"):
        world.stuck(pod, stuck, said)
    for _ in range(3):
        world.settle()
        assert world.condition("WorkersReady").reason == "Starting"
        assert said not in world.condition("Progressing").message
        world.pass_time(GRACE_SECONDS / 3 - 1)
    world.start()
    world.evolve(0)
    world.settle()
    world.start()
    world.settle()
    assert world.told == ["RunStarted", "WorkersReady"]


@pytest.mark.parametrize("role", ["coordinator", "workers"])
@pytest.mark.parametrize(("stuck", "said", "reason"), SHORT)
def test_the_run_is_looked_at_when_the_grace_ends(role, stuck, said, reason):
    world = begun(role)
    world.pass_time(7)
    for pod in world.pods_of(f"demo-{role}"):
        world.stuck(pod, stuck, said)
    decision = world.settle()
    assert world.told == ["RunStarted"]
    assert 0 < decision.requeue_seconds <= GRACE_SECONDS
    while world.condition("WorkersReady").reason == "Starting":
        world.pass_time(decision.requeue_seconds)
        decision = world.settle()
    assert (world.now - START).total_seconds() <= 7 + GRACE_SECONDS
    assert world.condition("WorkersReady").reason == reason
    assert said in world.condition("WorkersReady").message
    assert world.told == ["RunStarted", "WorkersUnavailable"]


@pytest.mark.parametrize("stuck", ["InvalidImageName", "ErrImageNeverPull"])
def test_what_no_try_can_mend_is_told_at_once(stuck):
    world = begun("coordinator")
    (pod,) = world.pods_of("demo-coordinator")
    world.stuck(pod, stuck, "no such image")
    world.settle()
    assert world.condition("WorkersReady").reason == "ImagePullFailed"


def pod_that_waits(reason=SHORT[0][0], **status):
    container = {"name": "worker", "state": {"waiting": {"reason": reason, "message": CACHE}}}
    return {
        "metadata": {"name": "p", "creationTimestamp": time_of(0)},
        "status": {"phase": "Pending", "containerStatuses": [container]} | status,
    }


def step(type_, seconds, status="True"):
    return {"type": type_, "status": status, "lastTransitionTime": time_of(seconds)}


@pytest.mark.parametrize(
    ("status", "began"),
    [
        ({}, 0),
        ({"startTime": time_of(40)}, 40),
        # A pod waited for a node, and the container for its sandbox, before it could start.
        ({"conditions": [step("PodScheduled", 50)]}, 50),
        (
            {
                "startTime": time_of(50),
                "conditions": [
                    step("PodScheduled", 50),
                    step("PodReadyToStartContainers", 53),
                    step("Ready", 90, "False"),
                    step("Initialized", 95, "False"),
                ],
            },
            53,
        ),
        # One container ended before this had its turn.
        (
            {
                "initContainerStatuses": [
                    {"name": "warm", "state": {"terminated": {"finishedAt": time_of(70)}}}
                ]
            },
            70,
        ),
    ],
)
def test_the_grace_begins_with_the_container_s_turn(status, began):
    pod = pod_that_waits(**status)
    assert first_obstacle([pod], "workers", at(began + GRACE_SECONDS - 1)) is None
    assert waits_until([pod], at(began + GRACE_SECONDS - 1)) == 1
    found = first_obstacle([pod], "workers", at(began + GRACE_SECONDS))
    assert found is not None
    assert found.reason == "ContainerConfigError"
    assert CACHE in found.message


def test_a_pod_that_tells_no_time_has_no_grace():
    pod = pod_that_waits()
    del pod["metadata"]["creationTimestamp"]
    assert first_obstacle([pod], "workers", at(0)) is not None


def test_one_pod_s_grace_hides_no_other_s_obstacle():
    early, late = pod_that_waits(), pod_that_waits(startTime=time_of(25))
    late["metadata"] = late["metadata"] | {"name": "a"}
    found = first_obstacle([late, early], "workers", at(GRACE_SECONDS))
    assert found is not None
    assert found.message.startswith("Pod p:")
    assert waits_until([late, early], at(GRACE_SECONDS)) == 25


def test_pods_that_are_on_their_way_out_wait_for_nothing():
    world = evolving(make_run())
    pod = pod_that_waits()
    pod["metadata"]["deletionTimestamp"] = time_of(1)
    assert waits_until([pod, *world.pods.values()], at(1)) is None
    assert first_obstacle([pod], "workers", at(1000)) is None
