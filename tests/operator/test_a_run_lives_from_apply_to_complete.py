"""A run goes from ``kubectl apply`` to Complete, and its status tells the story at each step."""

from tests.operator.world import World, evolving, make_run


def test_the_story():
    world = World()
    world.settle()
    assert set(world.jobs) == {"demo-coordinator"}
    assert set(world.of("ConfigMap")) == {"demo-manifest", "demo-progress"}
    assert world.state == "Initializing"
    assert world.condition("StorageReady").status == "Unknown"
    world.start()
    world.report(phase="Evolving")
    world.settle()
    assert set(world.jobs) == {"demo-coordinator", "demo-workers"}
    assert world.state == "StartingWorkers"
    world.start()
    world.evolve(0)
    world.settle()
    assert world.state == "Evolving"
    assert (world.status.workers.ready, world.status.workers.desired) == (2, 2)
    world.evolve(4, succeeded=20, failed=1, coverage=0.125, qd_score=3.5)
    world.settle()
    assert (world.status.generation, world.status.generations) == (4, 10)
    assert (world.status.evaluations.succeeded, world.status.evaluations.failed) == (20, 1)
    assert (world.status.archive.coverage, world.status.archive.qd_score) == ("0.125", "3.5")
    world.report(phase="Finishing", generation=10, stages=())
    world.settle()
    assert world.state == "Finishing"
    world.complete(report="s3://bucket/runs/demo/report/000010/report.html")
    world.settle()
    assert world.condition("Complete").status == "True"
    assert world.state == "GenerationsCompleted"
    assert world.status.report.endswith("report.html")
    assert world.status.completion_time is not None
    assert world.active_jobs == set()
    assert world.told == ["RunStarted", "WorkersReady", "RunCompleted"]


def test_the_goal_is_an_end_of_its_own():
    world = evolving()
    world.complete(generation=6, goal_reached=True)
    world.settle()
    assert world.condition("Complete").reason == world.state == "GoalReached"


def test_a_coordinator_that_starts_anew_takes_nothing_away():
    """It reports ``Admitting`` before it has looked at the store."""
    world = evolving()
    world.evolve(5, succeeded=20, coverage=0.5)
    world.settle()
    before = world.status
    world.end(world.running("demo-coordinator")[0], 137)
    world.report(phase="Admitting", generation=-1, succeeded=0, stages=(), coverage=0.0)
    world.settle()
    assert world.status.generation == 5
    assert world.status.archive == before.archive
    assert world.status.evaluations == before.evaluations
    assert "demo-workers" in world.active_jobs


def test_a_pool_is_resized_in_place():
    world = evolving()
    uid = world.jobs["demo-workers"]["metadata"]["uid"]
    world.edit(workers={"replicas": 5})
    world.settle()
    job = world.jobs["demo-workers"]
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (5, 5)
    assert job["metadata"]["uid"] == uid
    assert len(world.running("demo-workers")) == 5
    world.edit(workers={"replicas": 1})
    world.settle()
    assert len(world.running("demo-workers")) == 1
    assert world.status.workers.desired == 1


def test_another_template_makes_another_job():
    world = evolving()
    coordinator = world.jobs["demo-coordinator"]["metadata"]["uid"]
    uid = world.jobs["demo-workers"]["metadata"]["uid"]
    world.edit(workers={"image": "worker:2"})
    world.settle()
    job = world.jobs["demo-workers"]
    assert job["metadata"]["uid"] != uid
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "worker:2"
    assert world.jobs["demo-coordinator"]["metadata"]["uid"] == coordinator


def test_an_edit_reaches_the_living_coordinator():
    world = evolving()
    uids = {name: job["metadata"]["uid"] for name, job in world.jobs.items()}
    world.edit(evolution={"generations": 20})
    world.settle()
    data = world.objects["ConfigMap", "demo-manifest"]["data"]
    assert '"generations": 20' in data["run.json"]
    assert data["generation"] == "2"
    assert {name: job["metadata"]["uid"] for name, job in world.jobs.items()} == uids


def test_a_refused_edit_is_told_and_the_run_goes_on():
    world = evolving()
    world.edit(evolution={"generations": 20})
    world.settle()
    assert world.condition("ManifestAccepted").reason == "NotLookedAt"
    why = "spec.tasks: a task may not be removed"
    refused = {"observed_generation": 1, "rejected": why, "rejected_generation": 2}
    world.evolve(1, **refused)
    world.settle()
    assert world.state == "Evolving"
    assert "a task may not be removed" in world.condition("Progressing").message
    assert world.status.manifest_refused
    condition = world.condition("ManifestAccepted")
    assert (condition.status, condition.reason) == ("False", "RevisionRefused")
    assert "a task may not be removed" in condition.message
    assert "goes on with the manifest before it" in condition.message
    assert world.told[-1] == "RevisionRefused"
    assert "a task may not be removed" in world.events[-1].message
    world.evolve(2, **refused)
    world.settle()
    assert world.told.count("RevisionRefused") == 1, "the same refusal is told once"
    world.edit(evolution={"generations": 21})
    world.settle()
    assert not world.status.manifest_refused, "what was refused is another manifest"
    assert world.condition("ManifestAccepted").reason == "NotLookedAt"
    why = "spec.seed: may not change"
    world.evolve(3, observed_generation=1, rejected=why, rejected_generation=3)
    world.settle()
    assert world.told.count("RevisionRefused") == 2
    world.evolve(4, rejected="", rejected_generation=0)
    world.settle()
    assert not world.status.manifest_refused
    assert world.condition("ManifestAccepted").status == "True"


def test_an_edit_that_mends_a_refused_one_is_looked_at_even_if_the_run_ended_before():
    world = evolving()
    why = "spec.tasks[2]: no such file"
    refused = {"observed_generation": 1, "rejected": why, "rejected_generation": 2}
    world.edit(evolution={"generations": 20})
    world.evolve(5, **refused)
    world.settle()
    world.edit(evolution={"generations": 21})
    world.settle()
    ended = world.jobs["demo-coordinator"]["metadata"]["uid"]
    world.complete(**refused)
    world.settle()
    assert world.condition("Complete").status == "False"
    world.pass_time(60)
    world.settle()
    assert world.jobs["demo-coordinator"]["metadata"]["uid"] != ended, "asked again"
    world.start()
    world.complete(generation=21, rejected="", rejected_generation=0)
    world.settle()
    assert world.condition("Complete").status == "True"


def test_an_unreadable_edit_leaves_the_run_as_it_is():
    world = evolving()
    world.edit(evolution={"generations": "many"})
    world.settle()
    assert world.condition("Failed").status == "False"
    assert "generations" in world.condition("Progressing").message
    assert world.active_jobs == {"demo-coordinator", "demo-workers"}


def test_a_run_that_is_deleted_is_left_alone():
    world = World()
    assert world.run is not None
    world.run["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert world.look().actions == ()


def test_children_of_an_older_run_are_waited_for():
    world = evolving()
    objects = world.objects
    world = World(make_run())
    world.run["metadata"]["uid"] = "uid-second"
    world.objects = {key: obj for key, obj in objects.items() if key[0] != "Pod"}
    decision = world.look()
    assert decision.actions == ()
    assert decision.requeue_seconds is not None
    world.objects = {}
    world.settle()
    assert "demo-coordinator" in world.jobs


def test_an_outage_of_the_store_is_told_and_nothing_stops():
    world = evolving()
    world.report(store_error="connection refused", store_error_reason="StoreUnavailable")
    world.settle()
    assert world.condition("StorageReady").reason == "StoreUnavailable"
    assert world.state == "Evolving"
    assert "StorageReady" in world.condition("Progressing").message
    assert world.active_jobs == {"demo-coordinator", "demo-workers"}
    world.report(store_error="", store_error_reason="")
    world.settle()
    assert world.condition("StorageReady").status == "True"
    assert world.told[-2:] == ["StorageUnavailable", "StorageRecovered"]


def test_a_cluster_that_stands_still_is_not_written_to():
    world = evolving()
    writes = dict(world.writes)
    for _ in range(20):
        world.pass_time(1000)
        assert world.look().requeue_seconds is None
    assert dict(world.writes) == writes


def test_workers_that_have_all_ended_well_are_left_alone():
    """A Job that is complete starts nothing, whatever is changed on it."""
    world = evolving()
    for pod in world.running("demo-workers"):
        world.end(pod, 0)
    world.react()
    world.report(phase="Finishing", stages=())
    world.settle()
    job = world.jobs["demo-workers"]
    world.edit(workers={"replicas": 7, "image": "worker:2"})
    world.settle()
    assert world.jobs["demo-workers"] == job
