"""Curves, parameters and models say what the documents say, and nothing of pods or storage."""

from __future__ import annotations

import pytest

from cycleqd.api.run import Run
from cycleqd.run.members import Members
from cycleqd.run.store import RunStore
from cycleqd.tracking.models import final_models, publication
from cycleqd.tracking.translation import archive_points, parameters, table_points
from tests.run import synthetic


@pytest.fixture(scope="module")
def run() -> RunStore:
    run = synthetic.fresh(tolerance=0.02, generations=3, candidatesPerGeneration=3)
    synthetic.do_everything(run)
    return run


def test_curves_say_what_status_says(run: RunStore) -> None:
    status = Run(run.objects).status()
    archive = run.committed_archive(status.generation)
    points = {point.key: point for point in archive_points(archive)}
    for task, told in status.tasks.items():
        assert points[f"best/{task}"].value == told.best
        assert points[f"coverage/{task}"].value == told.coverage
        assert points[f"qd_score/{task}"].value == told.qd_score
    assert {(p.step, p.generation) for p in points.values()} == {(status.evaluations, 3)}
    assert points["members"].value == len(Run(run.objects).members())


def test_tables_say_every_row_and_the_model_to_take(run: RunStore) -> None:
    status = Run(run.objects).status()
    archive = run.committed_archive(3)
    summary = run.summary(3)
    assert summary is not None
    values = {point.key: point.value for point in table_points(summary, archive)}
    for row in status.final:
        name = row.name.replace(" ", "-")
        assert values[f"held_out_mean/{name}"] == row.mean
        assert all(values[f"held_out/{t}/{name}"] == score for t, score in row.scores.items())
    assert status.recommended is not None
    assert values["held_out_mean/recommended"] == status.recommended.mean
    assert "held_out_gain/uniform-merge" not in values


def test_parameters_are_the_manifest_by_name(run: RunStore) -> None:
    found = parameters(run.history.refresh()[0])
    assert found["run"] == "synthetic-0"
    assert found["evolution.generations"] == "3"
    assert found["experts.sql.uri"] == "models/sql"
    assert found["tasks.shell.items.test"] == "shell.test.jsonl"
    assert not [key for key in found if key.startswith(("storage", "workers", "coordinator"))]


def test_models_are_the_elites_the_aggregate_and_the_published(run: RunStore) -> None:
    archive, summary = run.committed_archive(3), run.summary(3)
    assert summary is not None
    models = {m.candidate: m for m in final_models(summary, archive, Members(run).parents)}
    members = {member.candidate for member in Run(run.objects).members()}
    assert {name for name, model in models.items() if "elite" in model.roles} == members
    assert [name for name, model in models.items() if "aggregate" in model.roles]
    facts = publication(summary, archive, Members(run).parents)
    assert facts is not None
    assert facts.gated
    assert "published" in models[facts.model.candidate].roles


def test_a_model_says_how_to_have_it(run: RunStore) -> None:
    archive, summary = run.committed_archive(3), run.summary(3)
    assert summary is not None
    model = final_models(summary, archive, Members(run).parents)[0]
    tags = model.tags("s3://bucket/my runs", "agents-1")
    assert tags["cycleqd.export"] == (
        f"cycleqd export 's3://bucket/my runs' --member {model.candidate} --out {model.candidate}"
    )
    assert tags["cycleqd.genome"].startswith("s3://bucket/my runs/candidates/")
    assert run.objects.exists(tags["cycleqd.genome"].removeprefix("s3://bucket/my runs/"))
