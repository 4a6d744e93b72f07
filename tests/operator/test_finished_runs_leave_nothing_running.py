"""No Job of a finished run is active; such a run goes by its TTL, or goes on when its manifest asks
for more."""

import pytest

from tests.operator.world import World, evolving, make_run


def failed(**spec):
    world = evolving(make_run(**spec))
    world.end(world.running("demo-workers")[0], 78, "bad flag")
    world.settle()
    assert world.condition("Failed").status == "True"
    return world


def complete(**spec):
    world = evolving(make_run(**spec))
    world.complete()
    world.settle()
    assert world.condition("Complete").status == "True"
    return world


def test_complete_runs_have_no_active_job():
    world = complete()
    assert world.active_jobs == set()
    assert world.running("demo-coordinator") != []


def test_failed_runs_keep_the_pods_that_ended_for_their_logs():
    world = failed()
    assert world.active_jobs == set()
    assert {pod["status"]["phase"] for pod in world.pods.values()} == {"Failed"}


def test_queued_jobs_of_failed_runs_are_deleted():
    """Kueue would start a Job that is only suspended."""
    world = World(make_run(workers={"replicas": 2, "queueName": "gpus"}))
    world.settle()
    world.start()
    world.evolve(0)
    world.settle()
    world.end(world.running("demo-coordinator")[0], 78)
    world.settle()
    assert set(world.jobs) == {"demo-coordinator"}
    assert world.active_jobs == set()


@pytest.mark.parametrize("make", [complete, failed])
def test_time_changes_nothing(make):
    world = make()
    writes = dict(world.writes)
    world.pass_time(1_000_000)
    world.settle()
    assert dict(world.writes) == writes


@pytest.mark.parametrize("make", [complete, failed])
def test_the_run_goes_by_its_ttl(make):
    world = make(ttlSecondsAfterFinished=600)
    assert world.look().requeue_seconds == 600
    world.pass_time(599)
    world.settle()
    assert world.run is not None
    world.pass_time(1)
    world.settle()
    assert world.run is None


def test_a_ttl_of_zero_deletes_after_the_result_is_recorded():
    world = evolving(make_run(ttlSecondsAfterFinished=0))
    world.complete()
    assert world.look().actions == ()
    assert world.condition("Complete").status == "True"
    world.settle()
    assert world.run is None


@pytest.mark.parametrize(
    "more",
    [
        {"evolution": {"generations": 20}},
        {"goal": {"metric": "Coverage", "value": "0.9"}},
        {
            "experts": [
                {"name": "sql", "uri": "s3://bucket/sql"},
                {"name": "new", "uri": "s3://bucket/new"},
            ]
        },
    ],
)
def test_a_complete_run_goes_on_when_asked_for_more(more):
    world = complete()
    uids = {name: job["metadata"]["uid"] for name, job in world.jobs.items()}
    world.edit(**more)
    world.settle()
    assert world.condition("Complete").status == "False"
    assert world.status.completion_time is None
    assert world.jobs["demo-coordinator"]["metadata"]["uid"] != uids["demo-coordinator"]
    assert world.told[-1] == "RunContinued"
    world.start()
    world.evolve(10, generations=20)
    world.settle()
    assert "demo-workers" in world.active_jobs
    world.complete(generation=20, generations=20)
    world.settle()
    assert world.condition("Complete").status == "True"
    assert world.active_jobs == set()


@pytest.mark.parametrize(
    "change",
    [
        {"ttlSecondsAfterFinished": 10_000},
        {"workers": {"replicas": 9}},
        {"suspend": True},
        {"activeDeadlineSeconds": 5},
    ],
)
def test_a_complete_run_stays_so_when_only_its_machinery_changes(change):
    world = complete()
    world.edit(**change)
    world.settle()
    assert world.condition("Complete").status == "True"
    assert world.status.observed_generation == 2
    assert world.active_jobs == set()


def test_an_edit_at_the_last_moment_is_not_lost():
    """The coordinator ended before it saw that more is asked for."""
    world = evolving()
    world.complete(observed_generation=1)
    world.edit(evolution={"generations": 20})
    uid = world.jobs["demo-coordinator"]["metadata"]["uid"]
    world.settle()
    assert world.condition("Complete").status == "False"
    world.pass_time(11)
    world.settle()
    assert world.jobs["demo-coordinator"]["metadata"]["uid"] != uid


def test_a_last_report_that_was_lost_is_asked_for_again():
    world = evolving()
    for pod in world.running("demo-coordinator"):
        world.end(pod, 0)
    world.react()
    decision = world.settle()
    assert world.condition("Complete").status == "False"
    assert 0 < decision.requeue_seconds <= 10
    uid = world.jobs["demo-coordinator"]["metadata"]["uid"]
    world.pass_time(10)
    world.settle()
    assert world.jobs["demo-coordinator"]["metadata"]["uid"] != uid


@pytest.mark.parametrize(
    "change", [{"workers": {"image": "worker:2"}}, {"evolution": {"generations": 11}}]
)
def test_a_failed_run_is_tried_again_when_its_manifest_is_mended(change):
    world = failed()
    world.edit(**change)
    world.settle()
    assert world.condition("Failed").status == "False"
    assert world.status.workers.failed_pods == 0
    assert "demo-coordinator" in world.active_jobs
    assert all(pod["status"]["phase"] != "Failed" for pod in world.pods.values())


def test_a_failed_run_is_tried_again_when_it_is_suspended_and_resumed():
    world = failed()
    world.edit(suspend=True)
    world.settle()
    assert world.condition("Failed").status == "True"
    assert world.condition("Suspended").status == "True"
    world.edit(suspend=False)
    world.settle()
    assert world.condition("Failed").status == "False"
    assert "demo-coordinator" in world.active_jobs


def test_a_failed_run_stays_so_when_only_its_ttl_changes():
    world = failed()
    world.edit(ttlSecondsAfterFinished=10_000)
    world.settle()
    assert world.condition("Failed").status == "True"
    assert world.active_jobs == set()


def test_an_invalid_manifest_can_be_mended():
    world = World(make_run(evolution={"generations": 0}))
    world.settle()
    assert world.condition("Failed").reason == "InvalidManifest"
    assert "spec.evolution.generations" in world.condition("Failed").message
    assert world.objects == {}
    world.edit(evolution={"generations": 3})
    world.settle()
    assert world.condition("Failed").status == "False"
    assert "demo-coordinator" in world.active_jobs


def test_a_mended_run_survives_a_status_that_is_written_late():
    """Actions may be carried out and the status not: the next look must not undo them."""
    world = failed()
    world.edit(workers={"image": "worker:2"})
    for _ in range(10):
        decision = world.decide()
        before = dict(world.run["status"])
        world.carry_out(decision)
        world.run["status"] = before
        world.react()
    world.settle()
    assert world.condition("Failed").status == "False"
    assert "demo-coordinator" in world.active_jobs
