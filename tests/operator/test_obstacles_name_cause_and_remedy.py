"""Whatever keeps the pods from running stands in a condition: the cause in the cluster's words, and
the remedy. None of it fails the run."""

import pytest

from cycleqd_operator.decision.obstacles import GRACE_SECONDS
from tests.operator.world import World, evolving, make_run

IMAGE = 'Back-off pulling image "nowhere/worker:1"'
SECRET = 'secret "lab-keys" not found'
GPUS = "0/12 nodes are available: 12 Insufficient nvidia.com/gpu."


@pytest.mark.parametrize("role", ["coordinator", "workers"])
@pytest.mark.parametrize(
    ("stuck", "said", "reason", "remedy"),
    [
        ("ImagePullBackOff", IMAGE, "ImagePullFailed", "spec.{role}.image"),
        ("ErrImagePull", IMAGE, "ImagePullFailed", "imagePullSecrets"),
        ("InvalidImageName", "bad name", "ImagePullFailed", "spec.{role}.image"),
        ("CreateContainerConfigError", SECRET, "ContainerConfigError", "spec.storage.s3"),
        ("Unschedulable", GPUS, "Unschedulable", "spec.{role}.template"),
    ],
)
def test_a_pod_that_waits(role, stuck, said, reason, remedy):
    world = World()
    world.settle()
    if role == "workers":
        world.start()
        world.evolve(0)
        world.settle()
    for pod in world.pods_of(f"demo-{role}"):
        world.stuck(pod, stuck, said)
    world.pass_time(GRACE_SECONDS)
    world.settle()
    found = world.condition("WorkersReady")
    assert (found.status, found.reason) == ("False", reason)
    assert said in found.message
    assert remedy.format(role=role) in found.message
    assert said in world.condition("Progressing").message
    assert world.condition("Failed").status == "False"
    assert world.told.count("WorkersUnavailable") == 1


def test_recovery_is_told():
    world = World()
    world.settle()
    (pod,) = world.pods_of("demo-coordinator")
    world.stuck(pod, "ImagePullBackOff", IMAGE)
    world.pass_time(GRACE_SECONDS)
    world.settle()
    world.start()
    world.evolve(0)
    world.settle()
    world.start()
    world.settle()
    assert world.condition("WorkersReady").status == "True"
    assert world.told == ["RunStarted", "WorkersUnavailable", "WorkersReady"]


def test_some_workers_are_enough_and_the_others_explain_themselves():
    world = evolving(make_run(workers={"replicas": 3}))
    lacking = world.pods_of("demo-workers")[0]
    world.delete("Pod", lacking)
    world.react()
    (pending,) = [n for n, pod in world.pods.items() if pod["status"]["phase"] == "Pending"]
    world.stuck(pending, "Unschedulable", GPUS)
    world.pass_time(GRACE_SECONDS)
    world.settle()
    found = world.condition("WorkersReady")
    assert (found.status, found.reason) == ("True", "PartlyReady")
    assert "2 of 3" in found.message
    assert GPUS in found.message
    assert world.status.workers.ready == 2


def test_a_slow_start_is_explained_after_a_while():
    world = World()
    world.settle()
    (pod,) = world.pods_of("demo-coordinator")
    world._set_condition(world.pods[pod], "PodScheduled")
    decision = world.settle()
    assert world.condition("WorkersReady").reason == "Starting"
    assert decision.requeue_seconds is not None
    world.pass_time(121)
    world.settle()
    found = world.condition("WorkersReady")
    assert found.reason == "SlowStart"
    assert "kubectl describe pod" in found.message


def test_a_job_without_pods_is_explained_and_its_account_made_again():
    world = World()
    world.look()
    world.objects.pop(("ServiceAccount", "demo-coordinator"))
    world.pass_time(31)
    world.look()
    found = world.condition("WorkersReady")
    assert found.reason == "NoPods"
    assert "demo-coordinator" in found.message
    assert ("ServiceAccount", "demo-coordinator") in world.objects


def test_what_the_api_server_refuses_is_shown():
    world = World()
    world.refused = {"Job/demo-workers": "spec.template.spec.containers[0].env: Invalid value"}
    world.settle()
    found = world.condition("WorkersReady")
    assert found.reason == "Refused"
    assert "env: Invalid value" in found.message


def test_a_crash_loop_names_the_last_failure_and_the_limit():
    world = evolving()
    for _ in range(2):
        for pod in world.running("demo-workers"):
            world.end(pod, 1, "CUDA error: device-side assert triggered")
        world.react()
    world.settle()
    found = world.condition("WorkersReady")
    assert (found.status, found.reason) == ("False", "CrashLooping")
    assert "4 of at most 20" in found.message
    assert "CUDA error" in found.message


def test_a_refusing_bucket_is_a_condition_and_workers_wait_for_it():
    world = World()
    world.settle()
    world.start()
    world.report(
        phase="Admitting",
        store_error="403 AccessDenied on s3://bucket",
        store_error_reason="StoreRefused",
    )
    world.settle()
    found = world.condition("StorageReady")
    assert (found.status, found.reason) == ("False", "StoreRefused")
    assert "AccessDenied" in found.message
    assert set(world.jobs) == {"demo-coordinator"}
    assert world.told == ["RunStarted", "StorageUnavailable"]
    world.evolve(0, store_error="", store_error_reason="")
    world.settle()
    assert world.condition("StorageReady").status == "True"
    assert world.told[-1] == "StorageRecovered"
    assert "demo-workers" in world.jobs
