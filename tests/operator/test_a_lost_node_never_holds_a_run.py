"""Pods of a node that never comes back stay Terminating; the run completes without them.

Their Jobs then only ever reach ``SuccessCriteriaMet``, never ``Complete``.
"""

from tests.operator.world import evolving


def test_a_run_completes_beside_pods_that_never_end():
    world = evolving()
    lost = [*world.running("demo-coordinator"), world.running("demo-workers")[0]]
    for pod in lost:
        world.lose(pod)
    world.settle()
    world.start()
    world.evolve(8)
    world.settle()
    assert world.state == "Evolving"
    for pod in set(world.running("demo-workers")) - set(lost):
        world.end(pod, 0)
    world.report(phase="Complete", generation=10, stages=())
    for pod in set(world.running("demo-coordinator")) - set(lost):
        world.end(pod, 0)
    world.settle()
    (done,) = world.jobs["demo-coordinator"]["status"]["conditions"]
    assert done["type"] == "SuccessCriteriaMet"
    assert world.condition("Complete").status == "True"
    assert world.status.workers.failed_pods == 0
