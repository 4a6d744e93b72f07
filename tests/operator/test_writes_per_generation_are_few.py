"""The operator writes at most five times for a generation, in either mode of workers, with Kueue or
without."""

import pytest

from cycleqd.contract.progress import OpenStage
from tests.operator.world import World, make_run

GENERATIONS = 12
ENTRIES = 8


def stages(generation, finished):
    """Two open stages, as with a pipeline of depth 2; the older one is being worked on."""
    return tuple(
        OpenStage(stage=f"generations/{generation + lag:06}", entries=ENTRIES, finished=done)
        for lag, done in ((1, finished), (2, 0))
    )


def admit_all(world):
    """Kueue finds quota."""
    for name, job in world.jobs.items():
        if name != "demo-coordinator" and job["spec"]["suspend"]:
            job["spec"]["suspend"] = False
    world.react()


@pytest.mark.parametrize("mode", ["Pool", "Generation"])
@pytest.mark.parametrize("queue", [None, "gpus"])
@pytest.mark.parametrize("seconds", [1, 30])
def test_at_most_five(mode, queue, seconds):
    """With the least favourable operator: it looks at each change and writes each difference."""
    run = make_run(
        workers={"replicas": 4, "mode": mode} | ({"queueName": queue} if queue else {}),
        evolution={"generations": GENERATIONS, "candidatesPerGeneration": ENTRIES},
    )
    world = World(run)
    world.settle()
    world.start()
    counts = []
    for generation in range(GENERATIONS):
        before = sum(world.writes.values())
        world.report(
            phase="Evolving",
            generation=generation,
            generations=GENERATIONS,
            stages=stages(generation, 0),
            succeeded=generation * ENTRIES,
            coverage=generation / GENERATIONS,
            qd_score=float(generation),
        )
        world.settle()
        if queue:
            admit_all(world)
        for finished in range(1, ENTRIES + 1):
            world.pass_time(seconds)
            pending = [n for n, pod in world.pods.items() if pod["status"]["phase"] == "Pending"]
            if pending:
                world.start(pending[0])
            world.report(stages=stages(generation, finished))
            world.settle()
        done = f"demo-workers-g{generation + 1:06}"
        for pod in world.running(done) if done in world.jobs else ():
            world.end(pod, 0)
            world.settle()
        counts.append(sum(world.writes.values()) - before)
    # The first generations also start the run.
    assert max(counts[3:]) <= 5, (counts, world.writes)
    assert world.status.generation == GENERATIONS - 1
