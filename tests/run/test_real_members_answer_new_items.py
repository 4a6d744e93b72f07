"""Real models are asked new items alone, and what they said to others teaches and tells nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cycleqd.manifest.reader import parse_manifest
from cycleqd.manifest.schema import canonical
from cycleqd.records import keys
from cycleqd.records.documents import AnswersDocument
from cycleqd.report.from_store import report_data
from cycleqd.run.admission import admit
from cycleqd.run.knowledge import what_is_known
from cycleqd.run.members import Members
from cycleqd.run.verification import Verifier
from tests.run.test_children_learn_from_the_swarm import (
    ITEMS,
    SKILLS,
    begun,
    evolve,
    folder,
    manifest,
)

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.records.documents import EvaluateEntry, ResultDocument
    from cycleqd.run.store import RunStore

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(300)]

__all__ = ["folder"]

EXTENDED, REPLACED = "extended", "replaced"
JOINED, LAST = 4, 6
TUNE = {"epochs": 2, "holdOutShare": "0.3"}


def other_items(folder: Path, how: str) -> Path:
    """Items of the first task: its old ones and those of the other, or the latter under old ids."""
    old, new = (
        [json.loads(line) for line in (folder / f"{skill}.search.jsonl").read_text().splitlines()]
        for skill in SKILLS
    )
    added = [*old, *({**row, "id": f"more-{row['id']}"} for row in new)]
    rows = added if how == EXTENDED else new
    path = folder / f"{how}.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture(scope="module", params=[(EXTENDED, 1), (REPLACED, 1), (EXTENDED, 3), (REPLACED, 3)])
def grown(
    folder: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, RunStore, Path]:
    how, depth = request.param
    place = tmp_path_factory.mktemp("grown")
    rival: dict[str, object] = {"pipelineDepth": depth}
    run = begun(folder, place, rival, **TUNE)
    evolve(run, place / "scratch")
    document = canonical(manifest(folder, {**rival, "generations": LAST}, **TUNE))
    document["spec"]["tasks"][0]["items"]["search"] = str(other_items(folder, how))
    run = admit(
        run.objects, parse_manifest(json.dumps(document), "swarm"), checkpoints=place / "scratch"
    )
    evolve(run, place / "scratch")
    return how, run, place / "scratch"


def revisits(run: RunStore) -> list[tuple[EvaluateEntry, ResultDocument]]:
    return list(run.evaluated(keys.generation(JOINED)))


def test_they_are_asked_what_is_new_and_prove_that_alone(
    grown: tuple[str, RunStore, Path],
) -> None:
    how, run, _ = grown
    assert run.latest().joins == (JOINED,)
    ids = {f"more-{n}" for n in range(ITEMS)} if how == EXTENDED else {f"{n}" for n in range(ITEMS)}
    proved = set()
    for entry, result in revisits(run):
        assert len(result.outcomes["sql"]) == ITEMS
        key = keys.answers(entry.candidate, JOINED)
        answers = AnswersDocument.from_bytes(run.objects.read(key), key).answers
        assert len(answers["sql"]) == result.outcomes["sql"].count("1")
        proved |= answers["sql"].keys()
    assert proved
    assert proved <= ids


def test_the_parts_are_what_all_of_it_would_be(grown: tuple[str, RunStore, Path]) -> None:
    from cycleqd.roles.workbench import ModelWorkbench

    _, run, scratch = grown
    bench = ModelWorkbench(run, scratch, device="cpu")
    try:
        for entry, result in revisits(run):
            whole = entry.model_copy(update={"first_items": {}, "revisit": LAST + 1})
            marks = bench.evaluate(whole, run.latest()).outcomes["sql"]
            assert marks.endswith(result.outcomes["sql"])
            found = Members(run).outcomes(entry.candidate)
            assert found is not None
            assert found["sql"] == marks
    finally:
        bench.close()


def test_only_answers_to_the_items_that_count_are_taught_and_told(
    grown: tuple[str, RunStore, Path],
) -> None:
    from cycleqd.run.teaching import Teaching

    how, run, _ = grown
    tune = run.latest().spec.evolution.tune
    assert tune is not None
    known, _ = what_is_known(run, LAST)
    assert known["sql"].items == (2 * ITEMS if how == EXTENDED else ITEMS)
    before = known["sql"].solved[JOINED - 1]
    assert before == (ITEMS if how == EXTENDED else 0)
    assert known["sql"].solved[LAST] > before
    teaching, history = Teaching(run), run.history
    for generation in (JOINED - 1, LAST):
        lessons = teaching.lessons("sql", generation, tune, history.as_of(LAST))
        assert bool(lessons) is (how == EXTENDED or generation == LAST)
    earlier = teaching.lessons("sql", JOINED - 1, tune, history.as_of(JOINED - 1))
    assert {lesson.item for lesson in earlier} == {f"{n}" for n in range(ITEMS)}
    assert report_data(run).knowledge[0].items == known["sql"].items


def test_it_is_verified_with_its_weights(grown: tuple[str, RunStore, Path], tmp_path: Path) -> None:
    from cycleqd.run.models import RunModels

    _, run, _ = grown
    models = RunModels(run, tmp_path).under_way()
    verified = Verifier(
        run, lambda candidate: models.materializer.digest(models.stored_genome(candidate))
    ).verify()
    assert verified.items == 2 * len(SKILLS) + 1
    assert verified.weights
