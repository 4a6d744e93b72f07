"""The example pipeline as Argo would make it: each step's parts, with the parameters filled in."""

from __future__ import annotations

from typing import Any

import yaml

from tests.project.repository import ROOT

Json = dict[str, Any]
PATH = ROOT / "manifests" / "gitops" / "pipeline.yaml"


def objects(**parameters: str) -> list[Json]:
    """All objects of the file; parameters of the workflow as given, or as they are by default."""
    text = PATH.read_text("utf-8")
    *_, workflow = yaml.safe_load_all(text)
    named = {p["name"]: p["value"] for p in workflow["spec"]["arguments"]["parameters"]}
    assert parameters.keys() <= named.keys()
    for name, value in (named | parameters).items():
        text = text.replace(f"{{{{workflow.parameters.{name}}}}}", value)
    assert "{{workflow." not in text
    return list(yaml.safe_load_all(text))


def templates(**parameters: str) -> dict[str, Json]:
    """The workflow's templates by name."""
    *_, workflow = objects(**parameters)
    return {found["name"]: found for found in workflow["spec"]["templates"]}


def pods(**parameters: str) -> dict[str, Json]:
    """The pods of the steps that run containers, without what Argo adds."""
    *_, workflow = objects(**parameters)
    return {
        name: {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": workflow["spec"]["serviceAccountName"],
                "securityContext": workflow["spec"]["securityContext"],
                "containers": [{"name": "main", **found["container"]}],
                "initContainers": found.get("initContainers", []),
                "volumes": found.get("volumes", []),
            },
        }
        for name, found in templates(**parameters).items()
        if "container" in found
    }
