"""Whatever is written where the coordinator reports, the run goes on as it was last reported."""

import json

import pytest

from cycleqd.contract.config_maps import DOCUMENT
from tests.operator.world import evolving, make_run


def report(**fields):
    return json.dumps({"phase": "Evolving", "generation": 3, "generations": 10} | fields)


def stages(number, folder="generations/{:06}"):
    return [{"stage": folder.format(i), "entries": 4, "finished": 0} for i in range(number)]


ODD = {
    "nothing": "",
    "no JSON": "oops",
    "another kind of JSON": "[1]",
    "deep": '{"phase": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep beside": '{"phase": "Evolving", "more": ' + '{"a": ' * 9_000 + "1" + "}" * 9_000 + "}",
    "huge number": report(succeeded=10**400),
    "number that no status holds": report(failed=2**60),
    "negative generation": report(generation=-5),
    "more stages than a run can plan": report(stages=stages(5_000)),
    "stage that no Job can be named after": report(stages=stages(1, "../{:06}")),
    "stage of a long name": report(stages=stages(1, "generations/{:080}")),
    "fields of another type": report(stages={"stage": 1}, best="none", coverage=[]),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
@pytest.mark.parametrize("mode", ["Pool", "Generation"])
def test_a_report_that_is_none(mode, text):
    world = evolving(make_run(workers={"replicas": 2, "mode": mode}))
    world.evolve(3)
    world.settle()
    jobs = set(world.jobs)
    world.objects["ConfigMap", "demo-progress"]["data"] = {"progress": text}
    world.settle()
    assert set(world.jobs) <= jobs
    assert world.status.generation == 3
    assert world.condition("Failed").status == "False"
    assert "ConfigMap demo-progress holds no report" in world.condition("Progressing").message
    world.objects["ConfigMap", "demo-progress"].pop("data")
    world.evolve(4)
    world.settle()
    assert world.status.generation == 4
    assert "holds no report" not in world.condition("Progressing").message


@pytest.mark.parametrize(
    "text",
    ["oops", "7", "[]", "[" * 100_000, '{"spec": ' + '{"a": ' * 5_000 + "1" + "}" * 5_001],
    ids=["no JSON", "a number", "a list", "unfinished", "deep"],
)
@pytest.mark.parametrize("broken", [False, True])
def test_a_manifest_that_somebody_wrote_over(text, broken):
    world = evolving()
    config_map = world.objects["ConfigMap", "demo-manifest"]
    good = config_map["data"]
    config_map["data"] = good | {DOCUMENT: text}
    if broken:  # neither the run's manifest nor the one before can be read
        world.edit(workers={"template": {"spec": {"containers": "worker"}}})
    world.settle()
    assert (world.condition("Failed").status == "True") is broken
    if not broken:
        assert world.objects["ConfigMap", "demo-manifest"]["data"] == good


@pytest.mark.parametrize("depth", [1, 3])
def test_a_report_of_many_stages_makes_as_many_jobs_as_the_manifest_lets_it_plan(depth):
    world = evolving(
        make_run(
            workers={"replicas": 2, "mode": "Generation"},
            evolution={
                "generations": 200,
                "candidatesPerGeneration": 4,
                "pipelineDepth": depth,
            },
        )
    )
    world.evolve(0)
    world.settle()
    text = report(stages=stages(100), generation=0, generations=200, observedGeneration=1)
    world.objects["ConfigMap", "demo-progress"]["data"] = {"progress": text}
    world.settle()
    workers = [name for name in world.jobs if "-workers-" in name]
    assert sorted(workers) == [f"demo-workers-g{number:06}" for number in range(depth)]
