"""One valid document, and small edits of it."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

import yaml

VALID: Final = """\
apiVersion: cycleqd.io/v1alpha1
kind: CycleQDRun
metadata:
  name: agents
spec:
  seed: 7
  base:
    uri: models/base
  experts:
    - name: python
      uri: models/python
    - name: sql
      uri: models/sql
    - name: shell
      uri: s3://models/shell
  tasks:
    - name: python
      type: python
      items: {search: data/python-search.jsonl, test: data/python-test.jsonl}
      stop: ["\\n\\n"]
    - name: sql
      type: sql
      items: {search: data/sql-search.jsonl, test: data/sql-test.jsonl}
      bounds: {min: "0.1", max: "0.9"}
    - name: bash
      type: shell
      expert: shell
      items: {search: data/shell-search.jsonl, test: data/shell-test.jsonl}
  evolution:
    generations: 20
    selection: {method: Elite, low: "0.5", high: "0.8"}
    crossover: {granularity: Block}
    mutation: {method: ExpertSVD, rank: 16}
  storage:
    uri: s3://runs/cycleqd
    s3: {endpoint: "https://s3.example.org", addressingStyle: Path}
"""


class _Removal:
    """Names itself: edits name tests, whose names must be the same in every process."""

    def __repr__(self) -> str:
        return "REMOVE"


REMOVE: Final = _Removal()
"""As a value of an edit: the field is taken away."""

Edit = dict[str, Any]


def edited(edit: Edit, text: str = VALID) -> dict[str, Any]:
    """A valid document with the fields at some paths (``spec.tasks[1].name``) replaced.

    ``spec.tasks[+]`` stands behind the last element.
    """
    document: dict[str, Any] = copy.deepcopy(yaml.safe_load(text))
    for path, value in edit.items():
        steps = [int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", path)]
        place: Any = document
        for step in steps[:-1]:
            place = place[step] if isinstance(step, int) else place.setdefault(step, {})
        if steps[-1] == "+":
            place.append(value)
        elif value is REMOVE:
            del place[steps[-1]]
        else:
            place[steps[-1]] = value
    return document


def as_yaml(document: dict[str, Any]) -> str:
    """The document as YAML text."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
