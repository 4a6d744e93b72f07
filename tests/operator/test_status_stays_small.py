"""A status is smaller than 16 KiB after any number of generations and whatever is said in it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cycleqd.contract.progress import BestMember, OpenStage
from cycleqd_operator.api.status import RunStatus
from tests.operator.world import evolving, make_run

LIMIT = 16 * 1024


def size(world):
    return len(world.status.model_dump_json(by_alias=True).encode())


def many_tasks(number):
    items = {"search": "s3://bucket/search.jsonl", "test": "s3://bucket/test.jsonl"}
    return [{"name": f"{i:02}-{'t' * 37}", "type": "sql", "items": items} for i in range(number)]


def test_after_ten_thousand_generations():
    world = evolving(
        make_run(
            tasks=many_tasks(64),
            evolution={"generations": 10_000, "candidatesPerGeneration": 8, "pipelineDepth": 100},
        )
    )
    sizes = []
    # Every hundredth is looked at; the numbers of all of them are in it.
    for generation in range(0, 10_001, 100):
        world.report(
            generation=generation,
            generations=10_000,
            succeeded=8 * generation,
            failed=generation,
            coverage=generation / 10_000,
            qd_score=generation * 1.23456789,
            stages=tuple(
                OpenStage(stage=f"generations/{generation + lag:06}", entries=8, finished=0)
                for lag in range(1, 101)
            ),
            best=tuple(
                BestMember(
                    task=task["name"], candidate=f"{generation:06}-{lag:04}", score=0.123456789
                )
                for lag, task in enumerate(many_tasks(64))
            ),
        )
        world.look()
        sizes.append(size(world))
    assert world.status.generation == 10_000
    assert max(sizes) < LIMIT
    assert max(sizes[1:]) - min(sizes[1:]) < 512


TEXT = st.text(min_size=0, max_size=6000) | st.sampled_from(["\x00", "\U0001f40d", "é", "\n"]).map(
    lambda character: character * 5000
)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(TEXT, min_size=6, max_size=6),
    numbers=st.lists(st.floats(), min_size=3, max_size=3),
    count=st.integers(-(2**70), 2**70),
)
def test_whatever_is_said(texts, numbers, count):
    world = evolving()
    world.end(world.running("demo-workers")[0], 1, texts[0])
    world.stuck(world.running("demo-coordinator")[0], "ImagePullBackOff", texts[1])
    member = BestMember(task=texts[2], candidate=texts[3], score=0.5)
    world.report(
        run_id=texts[2],
        store=texts[3],
        report=texts[4],
        rejected=texts[5],
        store_error=texts[0],
        best=(member,) * 500,
        succeeded=min(max(count, 0), 2**53),
    )
    text = world.objects["ConfigMap", "demo-progress"]["data"]["progress"]
    assert text
    world.refused = {f"Job/{texts[1]}": texts[2]}
    world.react()
    world.look()
    assert size(world) < LIMIT
    assert RunStatus.model_validate(world.run["status"]) == world.status


@given(text=st.text())
@settings(max_examples=40, deadline=None)
def test_a_progress_that_is_none_is_no_progress(text):
    world = evolving()
    world.evolve(3)
    world.settle()
    world.objects["ConfigMap", "demo-progress"]["data"] = {"progress": text}
    world.settle()
    assert world.status.generation == 3
