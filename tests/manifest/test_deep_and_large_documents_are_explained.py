"""However deep or large a document is, it is a manifest or a problem line that names the field."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cycleqd.errors import ManifestError
from cycleqd.manifest.bounds import MAX_LEVELS, MAX_TEMPLATE_BYTES, MAX_VALUES
from cycleqd.manifest.reader import parse_manifest, parse_resource

from .documents import VALID, edited

FIELD = "spec.workers.template.spec.affinity"
ABOVE = FIELD.count(".") + 1


def text_of(levels: int, opens: str = '{"a": ', closes: str = "}") -> str:
    """JSON with so many levels below `FIELD`: too many for Python's own writer."""
    text = json.dumps(edited({FIELD: "here"}))
    return text.replace('"here"', opens * levels + "1" + closes * levels)


def yaml_of(levels: int) -> str:
    """Block YAML of that kind."""
    lines = [f"{'  ' * (4 + level)}a:" for level in range(levels)]
    head = "  workers:\n    template:\n      spec:\n        affinity:\n  "
    return VALID + head + "\n  ".join(lines) + " 1\n"


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ManifestError) as refused:
        parse_manifest(text, "run.yaml")
    return refused.value.problems


@pytest.mark.parametrize("levels", [MAX_LEVELS, 240, 500, 9_000, 100_000])
def test_a_document_that_is_too_deep_names_the_field(levels: int) -> None:
    (problem,) = problems(text_of(levels))
    assert f"{FIELD}.a" in problem
    assert f"more than {MAX_LEVELS} levels deep" in problem
    assert "remove" in problem
    assert len(problem) < 250


@pytest.mark.parametrize("levels", [200, 600])
def test_lists_and_block_yaml_are_bounded_too(levels: int) -> None:
    (problem,) = problems(text_of(levels, "[0, ", "]"))
    assert f"{FIELD}[1]" in problem
    (problem,) = problems(yaml_of(levels))
    assert f"{FIELD}.a" in problem


def test_the_deepest_document_allowed_is_a_manifest() -> None:
    levels = MAX_LEVELS - ABOVE
    manifest = parse_manifest(text_of(levels), "run.yaml")
    assert manifest == parse_resource(json.loads(text_of(levels)))
    problems(text_of(levels + 1))
    with pytest.raises(ManifestError):
        parse_resource(json.loads(text_of(levels + 1)))


@pytest.mark.parametrize("levels", [MAX_LEVELS, 300, 900])
def test_a_resource_that_is_too_deep_names_the_field(levels: int) -> None:
    with pytest.raises(ManifestError) as refused:
        parse_resource(json.loads(text_of(levels)))
    (problem,) = refused.value.problems
    assert problem.startswith(f"{FIELD}.a")
    assert f"more than {MAX_LEVELS} levels deep" in problem


def test_a_long_key_makes_no_long_problem() -> None:
    with pytest.raises(ManifestError) as refused:
        parse_resource(json.loads(text_of(300, '{"' + "k" * 2_000 + '": ')))
    assert len(refused.value.problems[0]) < 400


def test_a_document_of_too_many_values_names_where_they_stand() -> None:
    document = edited({f"{FIELD}": [0] * MAX_VALUES})
    with pytest.raises(ManifestError) as refused:
        parse_resource(document)
    (problem,) = refused.value.problems
    assert problem.startswith(FIELD)
    assert f"more than {MAX_VALUES} values" in problem
    (problem,) = problems(json.dumps(document))
    assert FIELD in problem


def test_a_template_of_too_many_fields_is_refused() -> None:
    fields = {f"field{number}": 1 for number in range(65)}
    with pytest.raises(ManifestError) as refused:
        parse_resource(edited({"spec.coordinator.template.spec": fields}))
    assert refused.value.problems == (
        "spec.coordinator.template.spec: has 65 fields, at most 64 are allowed; remove some",
    )


def test_validate_says_so_and_ends_well(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(text_of(5_000))
    done = subprocess.run(
        [sys.executable, "-m", "cycleqd.cli", "validate", str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == ManifestError.exit_code
    assert f"{FIELD}.a" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("part", ["workers", "coordinator"])
def test_a_large_template_is_refused_with_its_size(part: str) -> None:
    field = f"spec.{part}.template.spec"
    fits = edited({field: {"a": "x" * (MAX_TEMPLATE_BYTES - len('{"a": ""}'))}})
    assert parse_manifest(json.dumps(fits), "run.yaml") == parse_resource(fits)
    document = edited({field: {"a": "x" * MAX_TEMPLATE_BYTES}})
    with pytest.raises(ManifestError) as refused:
        parse_resource(document)
    assert problems(json.dumps(document)) == refused.value.problems
    (problem,) = refused.value.problems
    assert problem.startswith(f"{field}: takes 32777 bytes as JSON, expected at most 32768; move")
