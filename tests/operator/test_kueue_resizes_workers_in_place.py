"""A queued pool is marked as elastic, so that Kueue lets it grow without taking its pods away; what
else Kueue reads of a Job or of its pods goes from the template to where Kueue looks for it."""

import kubernetes_validate
import pytest

from cycleqd.contract.progress import OpenStage
from cycleqd.manifest.reader import parse_resource
from cycleqd_operator.children import jobs
from cycleqd_operator.settings import Settings
from tests.operator.test_kueue_decides_when_workers_run import admit, queued
from tests.operator.world import World, evolving, make_run

ELASTIC = "kueue.x-k8s.io/elastic-job"
PREFERRED = "kueue.x-k8s.io/podset-preferred-topology"
REQUIRED = "kueue.x-k8s.io/podset-required-topology"
PRIORITY = "kueue.x-k8s.io/priority-class"
HASH = "cycleqd.io/template-hash"
STAGE = OpenStage(stage="generations/000001", entries=4, finished=0)


def job(*, queue="gpus", mode="Pool", labels=None, annotations=None):
    """The worker Job of a run whose template has that metadata."""
    metadata = {"labels": labels or {}, "annotations": annotations or {}}
    workers = {"queueName": queue, "mode": mode, "template": {"metadata": metadata}}
    run = make_run(workers={"replicas": 4, **workers})
    manifest = parse_resource(run)
    if mode == "Pool":
        made = jobs.pool_job(run, manifest, Settings())
    else:
        made = jobs.stage_job(run, manifest, Settings(), STAGE)
    kubernetes_validate.validate(made, "1.34", strict=True)
    return made


def mark(made):
    return made["metadata"]["annotations"].get(ELASTIC)


def of_pods(made, kind="annotations"):
    return made["spec"]["template"]["metadata"].get(kind, {})


def test_a_queued_pool_has_the_mark_and_nothing_else_does():
    assert mark(job()) == "true"
    assert mark(job(queue=None)) is None
    assert mark(job(mode="Generation")) is None
    coordinator = jobs.coordinator_job(
        run := make_run(workers={"queueName": "gpus"}), parse_resource(run), Settings()
    )
    assert mark(coordinator) is None


def test_the_mark_is_never_on_pods_which_kueue_would_refuse():
    for value in ("true", "false"):
        made = job(annotations={ELASTIC: value, "note": "mine"})
        assert mark(made) == value
        assert of_pods(made) == {"note": "mine"}
    assert of_pods(job(queue=None, annotations={ELASTIC: "true"})) == {}


@pytest.mark.parametrize("topology", [PREFERRED, REQUIRED])
def test_a_topology_is_the_pods_and_excludes_the_mark(topology):
    made = job(annotations={topology: "example.com/rack"})
    assert of_pods(made) == {topology: "example.com/rack"}
    assert mark(made) == "false"


def test_a_priority_class_is_the_job_s():
    made = job(labels={PRIORITY: "nightly", "team": "a"})
    assert made["metadata"]["labels"][PRIORITY] == "nightly"
    assert "team" not in made["metadata"]["labels"]
    assert PRIORITY not in job(queue=None, labels={PRIORITY: "nightly"})["metadata"]["labels"]
    assert PRIORITY not in job()["metadata"]["labels"]


def test_jobs_that_were_made_without_the_mark_go_on():
    world = evolving(make_run(workers={"replicas": 2, "queueName": "gpus"}))
    del world.jobs["demo-workers"]["metadata"]["annotations"][ELASTIC]
    before = world.jobs["demo-workers"]["metadata"]["uid"]
    world.settle()
    assert world.jobs["demo-workers"]["metadata"]["uid"] == before


def grown():
    """An admitted run of two workers that asks for four; the new pods wait as Kueue makes them."""
    world = queued()
    admit(world)
    before = world.jobs["demo-workers"]["metadata"]["uid"]
    world.edit(workers={"replicas": 4})
    world.settle()
    found = world.jobs["demo-workers"]
    assert found["metadata"]["uid"] == before
    assert (found["spec"]["parallelism"], found["spec"]["completions"]) == (4, 4)
    assert found["spec"]["suspend"] is False
    new = [
        n for n in world.pods_of("demo-workers") if world.pods[n]["status"]["phase"] == "Pending"
    ]
    for name in new:
        world.pods[name]["spec"] = {"schedulingGates": [{"name": ELASTIC}]}
    world.settle()
    return world, new


def test_pods_that_wait_for_more_quota_are_told_while_the_others_work():
    world, new = grown()
    assert len(new) == 2
    assert world.state == "Evolving"
    ready = world.condition("WorkersReady")
    assert (ready.status, ready.reason) == ("True", "PartlyReady")
    assert "2 of 4 workers are ready. 2 of the workers' pods wait until Kueue" in ready.message
    for name in new:
        del world.pods[name]["spec"]
    world.start(*new)
    world.settle()
    assert world.condition("WorkersReady").message == "All 4 workers are ready."


def test_a_default_queue_of_the_namespace_is_named_and_its_wait_is_no_activity():
    """Kueue labels and suspends a coordinator's Job, too, where a LocalQueue is called default."""
    world = World(make_run(activeDeadlineSeconds=100))
    world.look()
    coordinator = world.jobs["demo-coordinator"]
    coordinator["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "default"
    coordinator["spec"]["suspend"] = True
    world.settle()
    world.pass_time(1000)
    world.settle()
    assert world.state == "WaitingForQuota"
    assert "Job demo-coordinator waits" in world.condition("WorkersReady").message
    assert "LocalQueue 'default'" in world.condition("WorkersReady").message
    assert world.condition("Failed").status == "False"
    assert coordinator["spec"]["suspend"] is True
