"""A strategy or a type of task is one file and one line; all the rest follows from them.

The examples of ``docs/extending.md`` are added to a copy of the sources and run, so that page is
true.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from .extended_sources import EXAMPLES, PAGE, ExtendedSources

REGISTRY = "runtime/cycleqd/manifest/registry.py"

MANIFESTS = """
import json, sys
from cycleqd.errors import ManifestError
from cycleqd.manifest.reader import parse_manifest
from cycleqd.manifest.schema import canonical
from tests.manifest.documents import as_yaml, edited

def told(edit):
    try:
        return canonical(parse_manifest(as_yaml(edited(edit)), "run.yaml"))["spec"]
    except ManifestError as error:
        return str(error)

json.dump([told(edit) for edit in json.load(sys.stdin)], sys.stdout)
"""

RUN = """
import json, sys
from cycleqd.report.from_store import report_data
from tests.run.synthetic import do_everything, fresh

run = fresh(strategy="Lattice", lattice={"steps": 3}, generations=8)
do_everything(run)
candidates = [run.genome(f"c{number:06d}").scale[:, 0].tolist() for number in range(27)]
facts = report_data(run).run
json.dump([candidates, facts.complete, facts.evaluations, dict(facts.details)], sys.stdout)
"""

JUDGE = """
import json, sys
from pathlib import Path
from cycleqd.evaluation.sandbox import Sandbox
from cycleqd.evaluation.tasks import load_task
from cycleqd.manifest.reader import parse_manifest
from tests.manifest.documents import as_yaml, edited

def judge(kind, more, item, answers):
    edit = {"spec.tasks[0].type": kind} | ({f"spec.tasks[0].{kind}": more} if more else {})
    settings = parse_manifest(as_yaml(edited(edit)), "run.yaml").spec.tasks[0].settings
    lines = [json.dumps({"id": str(n), "prompt": "p", **item}) for n in range(len(answers))]
    Path("items.jsonl").write_text("\\n".join(lines))
    task = load_task("t", kind, Path("items.jsonl"), max_new_tokens=9, sandbox=sandbox,
                     settings=settings, timeout_seconds=1, memory_mib=512)
    return task.grade(answers)

with Sandbox() as sandbox:
    json.dump([judge(*case) for case in json.load(sys.stdin)], sys.stdout)
"""


REFUSED: dict[str, dict[str, Any]] = {
    "spec.evolution.lattice.steps: must be a whole number from 2 to 100, not 1": {
        "spec.evolution.strategy": "Lattice",
        "spec.evolution.lattice": {"steps": 1},
    },
    "spec.evolution.lattice: has no effect with strategy CycleQD; remove it, or write strategy: "
    "Lattice": {"spec.evolution.lattice": {"steps": 3}},
    "did you mean Lattice?": {"spec.evolution.strategy": "Latice"},
    "spec.tasks[0].timeoutSeconds: has no effect with type estimate, which runs no code": {
        "spec.tasks[0].type": "estimate",
        "spec.tasks[0].timeoutSeconds": 9,
    },
    "spec.tasks[0].estimate: has no effect with type regex": {
        "spec.tasks[0].type": "regex",
        "spec.tasks[0].estimate": {},
    },
}
"""By problem, an edit of the valid manifest that has it."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> ExtendedSources:
    return ExtendedSources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def definition(sources: ExtendedSources) -> dict[str, Any]:
    """The spec's schema in the custom resource definition that is generated from the sources."""
    sources.python("scripts/generate-crd")
    whole = yaml.safe_load((sources.folder / "manifests/crd/cycleqdruns.yaml").read_text("utf-8"))
    schema = whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec: dict[str, Any] = schema["properties"]["spec"]["properties"]
    return spec


def test_the_page_adds_files_and_single_lines(sources: ExtendedSources) -> None:
    assert [example.path.split("/")[-1] for example in EXAMPLES] == [
        "lattice.py",
        "estimate.py",
        "regex.py",
    ]
    assert PAGE.count("```python") == PAGE.count("```diff") == len(EXAMPLES)
    lines = {example.path: (len(example.source.splitlines()), 0) for example in EXAMPLES}
    assert sources.changed() == {**lines, REGISTRY: (len(EXAMPLES), 0)}


def test_manifests_choose_them(sources: ExtendedSources) -> None:
    edits: list[dict[str, Any]] = [
        {},
        {"spec.evolution.strategy": "Lattice"},
        {"spec.tasks[0].type": "estimate"},
        {"spec.tasks[0].type": "estimate", "spec.tasks[0].estimate": {"tolerance": "0.5"}},
    ]
    told = json.loads(sources.python("-c", MANIFESTS, text=json.dumps([*edits, *REFUSED.values()])))
    plain, lattice, estimate, given, *refusals = told
    # Defaults are written out; runs that do not choose them are as they were.
    chosen = {"strategy": "Lattice", "lattice": {"steps": 4}}
    assert lattice["evolution"] == plain["evolution"] | chosen
    assert estimate["tasks"][0]["estimate"] == {"tolerance": "0.001"}
    assert given["tasks"][0]["estimate"] == {"tolerance": "0.5"}
    assert "lattice" not in plain["evolution"]
    assert "estimate" not in plain["tasks"][0]
    for problem, refusal in zip(REFUSED, refusals, strict=True):
        assert isinstance(refusal, str), problem
        assert problem in refusal


def test_the_api_server_knows_them(definition: dict[str, Any]) -> None:
    evolution, task = definition["evolution"], definition["tasks"]["items"]
    assert "Lattice" in evolution["properties"]["strategy"]["enum"]
    assert "default" not in evolution["properties"]["lattice"]
    assert evolution["properties"]["lattice"]["properties"]["steps"]["minimum"] == 2
    assert {"estimate", "regex"} < set(task["properties"]["type"]["enum"])
    parts = (evolution, task)
    rules = {rule["rule"] for part in parts for rule in part["x-kubernetes-validations"]}
    assert 'self.strategy == "Lattice" || !has(self.lattice)' in rules
    assert 'self.type == "estimate" || !has(self.estimate)' in rules
    assert 'self.type != "estimate" || self.timeoutSeconds == 5' in rules
    assert any("self.lattice == oldSelf.lattice" in rule for rule in rules)


def test_the_reference_describes_them(sources: ExtendedSources) -> None:
    (sources.folder / "docs").mkdir()
    sources.python("scripts/generate-docs")
    reference = (sources.folder / "docs" / "manifest.md").read_text("utf-8")
    assert "`Lattice` (every combination of a few factors)" in reference
    assert "## `spec.evolution.lattice`" in reference
    assert "| `steps` | whole number, ≥ 2, ≤ 100 | `4` |" in reference
    assert "`estimate` compares estimates" in reference
    assert "`regex` matches texts" in reference


def test_a_run_follows_the_strategy(sources: ExtendedSources) -> None:
    candidates, complete, evaluations, facts = json.loads(sources.python("-c", RUN))
    points = {tuple(point) for point in candidates}
    assert len(points) == 27
    assert {factor for point in points for factor in point} == {0.0, 0.5, 1.0}
    # The experts, and each point once, though eight generations of four have room for more.
    assert complete
    assert evaluations == 3 + 27
    assert facts["steps"] == "3"
    assert "mutation" not in facts


def test_answers_are_judged(sources: ExtendedSources) -> None:
    value, numbers = {"value": 200}, ["200", "```\n201\n```", "200.1", "two hundred"]
    texts = {"accepted": ["ab", "aab"], "refused": ["b", "a" * 40 + "c"]}
    # The last takes exponential time on the last text: the sandbox stops it, and it solves nothing.
    patterns = ["a+b", "a*b", "(", "(a+)+b"]
    cases = [
        ("estimate", {}, value, numbers),
        ("estimate", {"tolerance": "0.01"}, value, numbers),
        ("regex", {}, texts, patterns),
    ]
    assert json.loads(sources.python("-c", JUDGE, text=json.dumps(cases))) == [
        [True, False, True, False],
        [True, True, True, False],
        [True, False, False, False],
    ]
