"""What a tracking server lacks of a run is told where people look, and changes nothing else."""

from tests.operator.world import evolving

AWAY = "spec.tracking.mlflow.uri: http://mlflow:5000 does not answer"


def test_while_it_goes_on():
    world = evolving()
    world.evolve(3, tracking_error=AWAY)
    world.settle()
    found = world.condition("Progressing")
    assert (found.status, found.reason) == ("True", "Evolving")
    assert found.message == f"Generation 3 of 10 is committed. Not tracked: {AWAY}"
    assert "demo-workers" in world.active_jobs
    world.evolve(4, tracking_error="")
    world.settle()
    assert world.condition("Progressing").message == "Generation 4 of 10 is committed."


def test_at_its_end_with_what_to_do():
    world = evolving()
    attach = "log what is missing by: cycleqd track s3://bucket/runs/demo --mlflow http://m:5000"
    world.complete(tracking_error=f"{AWAY}; {attach}")
    world.settle()
    found = world.condition("Complete")
    assert (found.status, found.reason) == ("True", "GenerationsCompleted")
    assert found.message == f"All 10 generations are evolved. Not tracked: {AWAY}; {attach}"
    assert world.condition("Failed").status == "False"
    assert world.told[-1] == "RunCompleted"


def test_whatever_a_server_says_stays_one_short_line():
    world = evolving()
    world.evolve(3, tracking_error="no\nanswer " * 10_000)
    world.settle()
    message = world.condition("Progressing").message
    assert "\n" not in message
    assert len(message) <= 1024
