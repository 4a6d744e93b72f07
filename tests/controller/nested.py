"""A run whose pod template is nested deeply, as JSON text: Python's own writer would give up."""

from __future__ import annotations

import json

from tests.controller.runs import run_document


def deep_run_text(name: str, namespace: str, levels: int) -> str:
    """A run with so many mappings in one another in ``spec.workers.template.spec``."""
    template = {"spec": {"affinity": "here"}}
    text = json.dumps(run_document(name, namespace, workers={"replicas": 1, "template": template}))
    return text.replace('"here"', '{"a":' * levels + "1" + "}" * levels)
