"""In mode Generation each open stage has a Job of its own, which goes when the stage is done."""

from cycleqd.contract.progress import OpenStage
from tests.operator.world import World, make_run


def stage(folder, entries=4, finished=0):
    return OpenStage(stage=folder, entries=entries, finished=finished)


def begin(**workers):
    world = World(make_run(workers={"replicas": 2, "mode": "Generation"} | workers))
    world.settle()
    world.start()
    world.report(phase="Evolving", stages=(stage("generations/000000", entries=1),))
    world.settle()
    world.start()
    world.settle()
    return world


def worker_jobs(world):
    return {name for name in world.jobs if name != "demo-coordinator"}


def test_jobs_follow_the_stages():
    world = begin()
    assert worker_jobs(world) == {"demo-workers-g000000"}
    open_stages = (stage("generations/000001"), stage("generations/000002"))
    world.report(generation=0, stages=open_stages)
    world.settle()
    assert worker_jobs(world) == {"demo-workers-g000001", "demo-workers-g000002"}
    world.report(generation=10, phase="Finishing", stages=(stage("final/000010", 3),))
    world.settle()
    assert worker_jobs(world) == {"demo-workers-f000010"}
    world.complete()
    world.settle()
    assert world.condition("Complete").status == "True"
    assert world.active_jobs == set()


def test_a_job_has_no_more_workers_than_entries():
    world = begin(replicas=8)
    assert world.jobs["demo-workers-g000000"]["spec"]["completions"] == 1
    world.report(generation=0, stages=(stage("generations/000001", 3),))
    world.settle()
    assert world.jobs["demo-workers-g000001"]["spec"]["parallelism"] == 3
    env = world.jobs["demo-workers-g000001"]["spec"]["template"]["spec"]["containers"][0]["env"]
    told = {variable["name"]: variable.get("value") for variable in env}
    assert told["CYCLEQD_STAGE"] == "generations/000001"
    assert told["CYCLEQD_WORKERS"] == "3"


def test_a_coordinator_that_starts_anew_takes_no_job_away():
    world = begin()
    world.report(phase="Admitting", generation=-1, stages=())
    world.settle()
    assert worker_jobs(world) == {"demo-workers-g000000"}


def test_a_stage_without_open_entries_gets_no_job():
    world = begin()
    world.report(generation=0, stages=(stage("generations/000001", 4, finished=4),))
    world.settle()
    assert worker_jobs(world) == set()


def test_workers_that_ended_early_are_made_anew():
    world = begin()
    for pod in world.running("demo-workers-g000000"):
        world.end(pod, 0)
    world.react()
    uid = world.jobs["demo-workers-g000000"]["metadata"]["uid"]
    decision = world.settle()
    assert world.jobs["demo-workers-g000000"]["metadata"]["uid"] == uid
    assert 0 < decision.requeue_seconds <= 60
    world.pass_time(61)
    world.settle()
    assert world.jobs["demo-workers-g000000"]["metadata"]["uid"] != uid


def test_the_mode_may_change_under_way():
    world = begin()
    world.edit(workers={"mode": "Pool"})
    world.settle()
    assert worker_jobs(world) == {"demo-workers"}
    world.edit(workers={"mode": "Generation"})
    world.settle()
    assert worker_jobs(world) == {"demo-workers-g000000"}


def test_stages_that_fill_up_are_no_news():
    world = begin()
    seen = []
    for generation in range(5):
        world.pass_time(30)
        world.report(generation=generation, stages=(stage(f"generations/{generation + 1:06}"),))
        world.settle()
        seen.append(world.condition("WorkersReady").status)
        world.pass_time(5)
        world.start()
        world.settle()
        seen.append(world.condition("WorkersReady").status)
    assert set(seen) == {"True"}
    assert world.told == ["RunStarted", "WorkersReady"]


def test_stages_that_stay_empty_are():
    world = begin()
    world.report(generation=0, stages=(stage("generations/000001"),))
    world.settle()
    for pod in world.running("demo-workers-g000001"):
        world.stuck(pod, "Unschedulable", "0/1 nodes are available")
    decision = world.settle()
    assert world.condition("WorkersReady").status == "True"
    assert 0 < decision.requeue_seconds <= 60
    world.pass_time(61)
    world.settle()
    assert world.condition("WorkersReady").reason == "Unschedulable"
