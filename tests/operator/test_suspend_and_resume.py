"""Suspending takes the pods and nothing else; resuming goes on; the deadline counts active time."""

from tests.operator.world import World, evolving, make_run

KUEUE = make_run(workers={"replicas": 2, "queueName": "gpus"})


def test_pods_go_and_everything_else_stays():
    world = evolving()
    uids = {name: job["metadata"]["uid"] for name, job in world.jobs.items()}
    world.edit(suspend=True)
    world.settle()
    assert world.pods == {}
    assert {name: job["metadata"]["uid"] for name, job in world.jobs.items()} == uids
    assert world.condition("Suspended").status == "True"
    assert world.state == "Suspended"
    assert world.condition("WorkersReady").reason == "Suspended"
    assert (world.status.generation, world.status.workers.desired) == (0, 0)
    world.edit(suspend=False)
    world.settle()
    world.start()
    world.settle()
    assert world.state == "Evolving"
    assert world.active_jobs == {"demo-coordinator", "demo-workers"}
    assert world.told[-3:] == ["RunSuspended", "RunResumed", "WorkersReady"]


def test_a_run_may_begin_suspended():
    world = World(make_run(suspend=True))
    world.settle()
    assert world.jobs == {}
    assert world.state == "Suspended"
    world.edit(suspend=False)
    world.settle()
    assert "demo-coordinator" in world.jobs


def test_what_pods_do_on_their_way_out_does_not_matter():
    world = evolving()
    world.edit(suspend=True)
    for pod in list(world.pods):
        world.end(pod, 137)
    world.settle()
    world.edit(suspend=False)
    world.settle()
    assert world.condition("Failed").status == "False"


def test_edits_while_suspended_take_effect_on_resume():
    world = evolving()
    world.edit(suspend=True)
    world.settle()
    world.edit(evolution={"generations": 30}, workers={"image": "worker:3", "replicas": 4})
    world.settle()
    assert world.pods == {}
    world.edit(suspend=False)
    world.settle()
    job = world.jobs["demo-workers"]
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "worker:3"
    assert job["spec"]["completions"] == 4
    assert '"generations": 30' in world.objects["ConfigMap", "demo-manifest"]["data"]["run.json"]


def test_the_deadline_counts_active_time_only():
    world = evolving(make_run(activeDeadlineSeconds=100))
    assert world.look().requeue_seconds == 100
    world.pass_time(60)
    world.edit(suspend=True)
    world.settle()
    assert world.status.active_seconds == 60
    assert world.status.active_since_time is None
    world.pass_time(1000)
    world.settle()
    assert world.condition("Failed").status == "False"
    world.edit(suspend=False)
    world.settle()
    world.pass_time(39)
    world.settle()
    assert world.condition("Failed").status == "False"
    world.pass_time(1)
    world.settle()
    assert world.condition("Failed").reason == "DeadlineExceeded"
    assert "activeDeadlineSeconds" in world.condition("Failed").message
    assert world.active_jobs == set()


def test_a_raised_deadline_lets_a_run_go_on():
    world = evolving(make_run(activeDeadlineSeconds=100))
    world.pass_time(101)
    world.settle()
    assert world.condition("Failed").status == "True"
    world.edit(activeDeadlineSeconds=500)
    world.settle()
    assert world.condition("Failed").status == "False"
    assert world.active_jobs >= {"demo-coordinator"}
    world.pass_time(398)
    world.settle()
    assert world.condition("Failed").status == "False"
    world.pass_time(2)
    world.settle()
    assert world.condition("Failed").reason == "DeadlineExceeded"


def test_suspending_twice_is_suspending_once():
    world = evolving()
    world.edit(suspend=True)
    world.settle()
    writes = dict(world.writes)
    world.pass_time(10_000)
    world.settle()
    assert dict(world.writes) == writes


def test_queued_jobs_go_and_come_back_waiting():
    """Kueue owns the suspension of the Jobs in its queues, so ours takes the Jobs away."""
    world = World(KUEUE)
    world.settle()
    world.start()
    world.evolve(0)
    world.settle()
    world.jobs["demo-workers"]["spec"]["suspend"] = False
    world.react()
    world.start()
    world.settle()
    world.edit(suspend=True)
    world.settle()
    assert set(world.jobs) == {"demo-coordinator"}
    world.edit(suspend=False)
    world.settle()
    assert world.jobs["demo-workers"]["spec"]["suspend"] is True
