"""A real run with models, tuned ones too: every candidate's work is in the trace of its generation.

Two workers of one machine evaluate the tiny example. That archives are those of a run that nobody
traced is shown where models are synthetic.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.tracing.roots import TracedRun
from tests.run.tiny import cycleqd

from .receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

GENERATIONS = 2


@pytest.fixture
def smallest(short_manifest: Path, tmp_path: Path) -> Path:
    """Of the tiny example's parts, with as little work as shows every kind of span."""
    document = yaml.safe_load(short_manifest.read_text())
    for task in document["spec"]["tasks"]:
        task["items"] |= {"searchLimit": 6, "testLimit": 6}
    evolution = document["spec"]["evolution"]
    evolution |= {"generations": GENERATIONS, "candidatesPerGeneration": 3}
    evolution["tune"]["share"] = "1"
    path = tmp_path / "smallest.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def evolve(manifest: Path, store: Path) -> RunStore:
    arguments = (str(manifest), "--store", str(store), "--workers", "2", "--no-report")
    assert "OTEL_" not in cycleqd("run", *arguments).stderr
    return RunStore(open_store(str(store)))


def test_every_candidate_is_there(smallest: Path, tmp_path: Path, receiver: Receiver) -> None:
    run = evolve(smallest, tmp_path / "store")
    stages = [*map(keys.generation, range(GENERATIONS + 1)), keys.final(GENERATIONS)]
    traces = TracedRun(run.document.run_id, run.objects.uri)
    roots = {span.trace: span for span in receiver.spans if span.parent == 0}
    over = roots[traces.root(stages[-1]).trace]
    tuned = 0
    for stage in stages:
        root = roots[traces.root(stage).trace]
        assert root.span == traces.root(stage).span
        plan = run.plan(stage)
        assert plan is not None
        for index, entry in enumerate(plan.entries):
            if not isinstance(entry, EvaluateEntry):
                continue
            spans = [
                span
                for span in receiver.below(root)
                if span.name == "candidate" and span.facts["cycleqd.entry"] == index
            ]
            expected = ["materialize", "generate", *(f"evaluate {t}" for t in entry.tasks)]
            whole = 0
            for span in spans:
                assert span.facts["cycleqd.candidate"] == entry.candidate
                names = [child.name for child in receiver.below(span) if not child.failed]
                whole += [name for name in names if name in expected] == expected
                if span.failed:  # it helped with what another worker did, until the run was over
                    assert span.facts["error.type"] == "SystemExit", (stage, entry.candidate)
                    assert span.ended >= over.ended
                    continue
                assert [name for name in names if name in expected] == expected
                tuned += "tune" in names
                scores = run.result(stage, index).scores
                for child in receiver.below(span):
                    if child.name.startswith("evaluate "):
                        task = child.facts["gen_ai.evaluation.name"]
                        assert child.facts["gen_ai.evaluation.score.value"] == scores[task]
            assert whole > 0, (stage, entry.candidate)
    assert tuned > 0, "a share of the children learns"
    secrets = [str(tmp_path), "SELECT ", "def "]
    texts = {v for span in receiver.spans for v in span.facts.values() if isinstance(v, str)}
    assert not [text for text in texts if any(secret in text for secret in secrets)]
