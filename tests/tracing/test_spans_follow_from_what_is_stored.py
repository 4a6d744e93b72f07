"""Ids and facts of spans are functions of documents, the same in every process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes

from cycleqd.records import keys
from cycleqd.records.documents import (
    EvaluateEntry,
    FactorEntry,
    Failure,
    ResultDocument,
    Telemetry,
)
from cycleqd.tracing import attributes
from cycleqd.tracing.roots import Root, TracedRun
from cycleqd.tracing.spans import NO_SPANS, Attributes, Span
from cycleqd.tracing.stages import StageSpans

RUN = TracedRun("agents-0123abcd", "s3://runs/agents")
NUMBERS = st.integers(0, 9_999_999)


class Kept:
    """Spans that are looked at instead of sent."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, Root | None]] = []
        self.recorded: list[tuple[Root, str, Attributes, list[Root], int]] = []

    @contextmanager
    def span(self, name: str, facts: Attributes, root: Root | None = None) -> Iterator[Span]:
        self.begun.append((name, root))
        with NO_SPANS.span(name, facts) as span:
            yield span

    def record(
        self, root: Root, name: str, facts: Attributes, links: Sequence[Root], begun: int
    ) -> None:
        self.recorded.append((root, name, facts, list(links), begun))


def result(**more: object) -> ResultDocument:
    told = Telemetry(worker=0, host="", seconds=0.0)
    return ResultDocument(entry=0, candidate="c000001", telemetry=told, **more)


def test_a_stage_has_one_root_for_ever():
    # Processes of different versions meet in one trace, so these may not change.
    assert RUN.root(keys.generation(12)) == Root(
        0x87C58FD6E3282F3DEB5504A86918FE36, 0x1F962B77F3FE0B63
    )


@given(NUMBERS, NUMBERS)
def test_stages_have_different_traces(first: int, second: int):
    roots = {
        RUN.root(stage) for n in (first, second) for stage in (keys.generation(n), keys.final(n))
    }
    assert len({root.trace for root in roots}) == 2 * len({first, second})
    assert all(0 < root.trace < 2**128 and 0 < root.span < 2**64 for root in roots)


@pytest.mark.parametrize(
    "other",
    [TracedRun("agents-4567cdef", RUN.uri), TracedRun(RUN.run_id, "s3://runs/again/agents")],
    ids=["another run", "the same manifest in another place"],
)
def test_runs_have_different_traces(other: TracedRun):
    assert other.root(keys.generation(0)) != RUN.root(keys.generation(0))


def test_names_are_those_of_the_conventions():
    assert attributes.ERROR_TYPE == error_attributes.ERROR_TYPE
    assert attributes.EVALUATION_NAME == gen_ai_attributes.GEN_AI_EVALUATION_NAME
    assert attributes.EVALUATION_SCORE == gen_ai_attributes.GEN_AI_EVALUATION_SCORE_VALUE


def test_entries_are_told_by_their_ids():
    entry = EvaluateEntry(
        candidate="c000001", genome="0" * 64, split="search", tasks=("sql",), focus="sql"
    )
    assert attributes.entry_name(entry) == "candidate"
    assert attributes.of_entry(3, entry, 7) == {
        "cycleqd.entry": 3,
        "cycleqd.worker": 7,
        "cycleqd.candidate": "c000001",
        "cycleqd.split": "search",
        "cycleqd.focus": "sql",
    }
    factor = FactorEntry(expert="sql")
    assert attributes.entry_name(factor) == "factor"
    assert attributes.of_entry(0, factor, 0)["cycleqd.expert"] == "sql"


def test_outcomes_are_told_by_their_numbers():
    assert attributes.of_outcome("sql", "0110") == {
        "gen_ai.evaluation.name": "sql",
        "gen_ai.evaluation.score.value": 0.5,
        "cycleqd.items": 4,
        "cycleqd.items.solved": 2,
    }


def test_failures_are_counted_and_not_quoted():
    failed = result(failure=Failure(cause="CandidateError", message="s3://key:secret@host/x"))
    assert attributes.of_result(failed) == {}
    assert attributes.of_results([failed, result()]) == {
        "cycleqd.entries": 2,
        "cycleqd.entries.failed": 1,
    }
    assert attributes.of_result(result(stopped=True)) == {"cycleqd.stopped": True}


def test_a_stage_lasts_from_when_it_was_first_seen():
    kept = Kept()
    times = iter(range(100))
    spans = StageSpans(kept, RUN, lambda: next(times))
    stage, before = keys.generation(3), keys.generation(1)
    spans.begin(keys.generation(2))
    with spans.doing("plan", stage):
        pass
    spans.begin(stage)
    with spans.doing("commit", stage):
        pass
    spans.end(stage, {"cycleqd.entries": 4}, before)
    root = RUN.root(stage)
    assert kept.begun == [("plan", root), ("commit", root)]
    facts = {**attributes.of_stage(RUN, stage), "cycleqd.entries": 4}
    assert kept.recorded == [(root, "generation", facts, [RUN.root(before)], 1)]


def test_a_final_table_is_a_stage_of_its_own():
    kept = Kept()
    spans = StageSpans(kept, RUN, lambda: 5)
    spans.end(keys.final(6), {}, keys.generation(6))
    ((root, name, facts, links, begun),) = kept.recorded
    assert (root, name, begun) == (RUN.root(keys.final(6)), "final table", 5)
    assert facts["cycleqd.stage"] == "final/000006"
    assert links == [RUN.root(keys.generation(6))]
