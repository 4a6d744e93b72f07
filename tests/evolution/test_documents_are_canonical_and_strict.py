"""Every document survives its bytes, which never vary; anything else there is StoreCorrupt."""

import json
import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from cycleqd.errors import StoreCorrupt
from cycleqd.records import documents, final_table
from cycleqd.records.document import Document
from cycleqd.records.documents import (
    AnswersDocument,
    ArchiveDocument,
    EvaluateEntry,
    FactorEntry,
    ItemsRecord,
    PlanDocument,
    ResultDocument,
    RevisionDocument,
    RunDocument,
    SourceRecord,
    TuneOrder,
)
from cycleqd.records.final_table import (
    LossRecord,
    PublicationRecord,
    SummaryDocument,
    SummaryRow,
)
from tests.evolution.runs import LAYOUT, commits, result, spec

ROW = SummaryRow(
    name="expert ä", kind="expert", candidate="expert-a", search={}, test={"sql": 0.1 + 0.2},
    mean=1 / 3, minimum=0.0, standard_error=1e-17, gain=None, gain_error=None,
)  # fmt: skip
EVALUATE = EvaluateEntry(
    candidate="c000001", genome="ab" * 32, split="search", tasks=("b", "a"), focus="b",
    parents=("expert-a", "c000000"),
)  # fmt: skip
TUNE = TuneOrder(begin="cd" * 32, answers=3, shares={"b": 1 / 3, "a": 3.0})
ALL = [
    RunDocument(
        run_id="r-1", manifest={"spec": spec().model_dump(mode="json")}, engine="vllm",
        base=SourceRecord(uri="base", digest="00"),
        experts={"z": SourceRecord(uri="z", digest="01"), "a": SourceRecord(uri="a", digest="02")},
        items={"sql": {"test": ItemsRecord(uri="t", digest="1", count=3)}},
        layout=LAYOUT.to_json(),
    ),
    RevisionDocument(manifest={"b": 1, "a": [1.5, None, True]}, from_generation=7),
    PlanDocument(entries=(FactorEntry(expert="a"), EVALUATE)),
    PlanDocument(entries=(EVALUATE.model_copy(update={"tune": TUNE}),)),
    PlanDocument(entries=()),
    AnswersDocument(candidate="c000001", answers={"sql": {"7": "SELECT 'ä'"}, "a": {}}),
    result(3, "c000001", (0.1, 1 / 3, 2 / 3), outcomes={"sql": "0110"}),
    result(4, "c000002", (), failure="no \udcff memory\n"),
    result(0, "c0", (0, 0, 0)).model_copy(update={"candidate": None, "scores": {}, "digest": "ff"}),
    commits(3)[-1].document(),
    SummaryDocument(generations=3, rows=(ROW,)),
    SummaryDocument(generations=3, rows=(ROW,), published=PublicationRecord(
        candidate="c1", held="c2", losses={"b": LossRecord(mean=1 / 3, error=0.1 + 0.2)})),
]  # fmt: skip
IDS = [f"{type(d).__name__}-{n}" for n, d in enumerate(ALL)]
TOP_LEVEL = {
    AnswersDocument,
    RunDocument,
    RevisionDocument,
    PlanDocument,
    ResultDocument,
    ArchiveDocument,
    SummaryDocument,
}


def corrupt(kind, data):
    with pytest.raises(StoreCorrupt, match=f"some/key.*{kind.__name__}") as caught:
        kind.from_bytes(data, "some/key")
    return str(caught.value)


def edited(document, **changes):
    fields = json.loads(document.to_bytes())
    fields.update(changes)
    return json.dumps(fields).encode()


def test_every_versioned_document_is_tested_here():
    versioned = {
        kind
        for kind in (vars(documents) | vars(final_table)).values()
        if isinstance(kind, type) and issubclass(kind, Document) and "format" in kind.model_fields
    }
    assert versioned == TOP_LEVEL == {type(d) for d in ALL}


@pytest.mark.parametrize("document", ALL, ids=IDS)
def test_round_trip(document):
    data = document.to_bytes()
    again = type(document).from_bytes(data, "key")
    assert again == document
    assert again.to_bytes() == data


@pytest.mark.parametrize("document", ALL, ids=IDS)
def test_bytes_are_sorted_utf_8_with_a_newline(document):
    data = document.to_bytes()
    assert data.endswith(b"}\n")
    parsed = json.loads(data, object_pairs_hook=lambda pairs: [k for k, _ in pairs])
    assert parsed == sorted(parsed)
    turned = dict(reversed(json.loads(data).items()))
    assert type(document).from_bytes(json.dumps(turned).encode(), "key").to_bytes() == data


@pytest.mark.parametrize("document", ALL, ids=IDS)
def test_unknown_fields_and_versions_are_refused(document):
    kind = type(document)
    assert "unknownField" in corrupt(kind, edited(document, unknownField=1))
    assert "format" in corrupt(kind, edited(document, format=document.format[:-1] + "2"))
    fields = json.loads(document.to_bytes())
    del fields["format"]
    assert "format" in corrupt(kind, json.dumps(fields).encode())


@pytest.mark.parametrize("document", ALL, ids=IDS)
def test_what_is_cut_or_no_json_is_refused(document):
    data = document.to_bytes()
    for broken in (b"", b"[]", b"null", b"\xff\xfe", data[:-2], data[: len(data) // 2], data * 2):
        corrupt(type(document), broken)


def test_unknown_fields_are_refused_inside_too():
    plan = json.loads(ALL[2].to_bytes())
    plan["entries"][1]["surprise"] = 1
    assert "surprise" in corrupt(PlanDocument, json.dumps(plan).encode())
    plan = json.loads(ALL[2].to_bytes())
    plan["entries"][0]["kind"] = "Distil"
    corrupt(PlanDocument, json.dumps(plan).encode())


def test_an_entry_s_kind_is_kept():
    entries = PlanDocument.from_bytes(ALL[2].to_bytes(), "k").entries
    assert [type(e) for e in entries] == [FactorEntry, EvaluateEntry]


def test_numbers_that_are_not_finite_are_no_scores():
    with pytest.raises(ValidationError):
        result(0, "c000000", (float("nan"), 0, 0))
    sound = next(d for d in ALL if isinstance(d, ResultDocument))
    data = sound.to_bytes().replace(b": 0.1\n", b": NaN\n")
    assert b"NaN" in data
    corrupt(ResultDocument, data)


def test_documents_are_frozen():
    with pytest.raises(ValidationError):
        ALL[2].entries = ()


def test_other_processes_write_the_same_bytes():
    script = (
        "import hashlib\nfrom tests.evolution.test_documents_are_canonical_and_strict import ALL\n"
        "print(*(hashlib.sha256(d.to_bytes()).hexdigest() for d in ALL))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
