"""A coordinator and two worker processes send whole traces, one for each stage, and store the same.

The receiver takes OTLP over HTTP from the real SDK; models alone are synthetic.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.roles.local import LocalRunner
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.tracing.attributes import entry_name
from cycleqd.tracing.otlp import OtlpSpans
from cycleqd.tracing.roots import TracedRun
from cycleqd.tracing.starting import COORDINATOR, WORKER, traced
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest

from .receiver import ENDPOINT, Receiver, Sent

GENERATIONS = 6
DEPTH = 2
EVOLUTION = {
    "generations": GENERATIONS,
    "pipelineDepth": DEPTH,
    "mutation": {"method": "ExpertSVD"},
}
STAGES = [*map(keys.generation, range(GENERATIONS + 1)), keys.final(GENERATIONS)]


def evolve(store: Path, warnings: list[str]) -> RunStore:
    run = begin(open_store(str(store)), manifest(**EVOLUTION))

    def command(index: int, count: int) -> Sequence[str]:
        worker = "tests.run.synthetic_worker"
        return [sys.executable, "-m", worker, str(store), str(index), str(count)]

    runner = LocalRunner(
        run, command, workers=2, log_folder=store.parent / "logs", poll_seconds=0.02
    )
    with traced(os.environ, COORDINATOR, warnings.append) as spans:
        runner.run(spans=spans)
    return run


def test_each_stage_is_a_trace_and_archives_are_the_same(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.namespace.name=agents,service.version=7")
    warnings: list[str] = []
    run = evolve(tmp_path / "store", warnings)
    assert warnings == []
    traces = TracedRun(run.document.run_id, run.objects.uri)
    for stage in STAGES:
        whole_trace(run, traces, receiver, stage)
    assert {span.trace for span in receiver.spans} == {traces.root(s).trace for s in STAGES}
    roots = {span.trace: span for span in receiver.spans if span.parent == 0}
    for stage in STAGES:
        root = traces.root(stage)
        reads = None
        if stage.is_final:
            reads = keys.generation(GENERATIONS)
        elif stage.number > 0:
            reads = keys.generation(max(0, stage.number - DEPTH))
        followed = () if reads is None else ((traces.root(reads).trace, traces.root(reads).span),)
        assert roots[root.trace].links == followed, stage
    untraced = fresh(**EVOLUTION)
    do_everything(untraced)
    assert archives(run.objects) == archives(untraced.objects)
    processes = {
        (span.resource["service.name"], span.resource["k8s.namespace.name"])
        for span in receiver.spans
    }
    assert processes == {(COORDINATOR, "agents"), (WORKER, "agents")}
    assert {span.resource["service.version"] for span in receiver.spans} == {"7"}
    texts = {v for s in receiver.spans for v in s.facts.values() if isinstance(v, str)}
    assert not [text for text in texts if str(tmp_path) in text]


def whole_trace(run: RunStore, traces: TracedRun, receiver: Receiver, stage: keys.Stage) -> None:
    """See that a stage's root, its plan and commit, and all its entries are there."""
    plan = run.plan(stage)
    assert plan is not None
    expected = traces.root(stage)
    (root,) = [s for s in receiver.spans if s.trace == expected.trace and s.parent == 0]
    assert root.span == expected.span
    assert root.name == ("final table" if stage.is_final else "generation")
    assert root.facts["cycleqd.run.id"] == run.document.run_id
    assert root.facts["cycleqd.generation"] == stage.number
    children = receiver.below(root)
    assert [span.name for span in by_start(children)][:1] == ["plan"]
    assert sum(span.name == "commit" for span in children) == 1
    done = {
        (span.facts["cycleqd.entry"], span.name, span.facts.get("cycleqd.candidate"))
        for span in children
        if span.name in ("candidate", "factor")
    }
    assert done == {
        (index, entry_name(e), e.candidate if isinstance(e, EvaluateEntry) else None)
        for index, e in enumerate(plan.entries)
    }
    assert {span.resource["service.name"] for span in children if span.name == "candidate"} == {
        WORKER
    }
    assert all(root.begun <= span.begun <= span.ended for span in children)


def by_start(spans: list[Sent]) -> list[Sent]:
    return sorted(spans, key=lambda span: span.begun)


def test_a_trace_is_sampled_whole_or_not_at_all(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    run = TracedRun("agents-0", "s3://runs/agents")
    roots = [run.root(keys.generation(number)) for number in range(40)]
    coordinator, worker = (OtlpSpans(ENDPOINT, name, pytest.fail) for name in (COORDINATOR, WORKER))
    for root in roots:
        with worker.span("candidate", {}, root), worker.span("materialize", {}):
            pass
        coordinator.record(root, "generation", {}, [], 1)
    coordinator.close()
    worker.close()
    names: dict[int, set[str]] = {}
    for span in receiver.spans:
        names.setdefault(span.trace, set()).add(span.name)
    assert 0 < len(names) < len(roots)
    assert all(found == {"generation", "candidate", "materialize"} for found in names.values())


@pytest.mark.parametrize("kind", [ValueError, SystemExit], ids=["it fails", "it is told to end"])
def test_what_is_cut_off_is_marked_by_its_kind_alone(
    receiver: Receiver, kind: type[BaseException]
) -> None:
    spans = OtlpSpans(ENDPOINT, WORKER, pytest.fail)
    root = TracedRun("agents-0", "s3://runs/agents").root(keys.generation(0))
    with pytest.raises(kind, match="prompt"), spans.span("candidate", {}, root):
        raise kind("the whole prompt")
    spans.close()
    (span,) = receiver.spans
    assert span.failed
    assert span.facts == {"error.type": kind.__name__}


TOLD_TO_END_WHILE_IT_SENDS = """
import os, signal, time
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from cycleqd.cli.termination import exit_on_sigterm
from cycleqd.tracing.starting import WORKER, traced

send = OTLPSpanExporter.export
def export(exporter, spans):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.5)
    return send(exporter, spans)

OTLPSpanExporter.export = export
exit_on_sigterm(60)
with traced(os.environ, WORKER, print) as spans, spans.span("candidate", {}):
    pass
"""


def test_a_process_that_is_told_to_end_while_it_sends_sends(receiver: Receiver) -> None:
    command = [sys.executable, "-c", TOLD_TO_END_WHILE_IT_SENDS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (143, ""), done.stderr
    assert [span.name for span in receiver.spans] == ["candidate"]
