"""The custom resource definition ``cycleqdruns.cycleqd.io``, generated from the models.

The spec is that of `cycleqd.manifest.model`, so the file that ``cycleqd run`` takes is the object
that ``kubectl apply`` takes; the status is `cycleqd_operator.api.status.RunStatus`.
``scripts/generate- crd`` writes it to ``manifests/crd/``, from where the chart and the
kustomization take it.
"""

from __future__ import annotations

from typing import Any

from cycleqd.manifest.model import API_VERSION, KIND
from cycleqd.manifest.schema import manifest_schema, schema_of
from cycleqd_operator.api.mutability import KEYS, MUTABILITY
from cycleqd_operator.api.rules import RULES
from cycleqd_operator.api.status import RunStatus
from cycleqd_operator.api.structural import Schema, add_rules, key_lists, structural

GROUP, VERSION = API_VERSION.split("/")
PLURAL = "cycleqdruns"
NAME = f"{PLURAL}.{GROUP}"

_KEYS = {**KEYS, "status.conditions": "type"}
_PROGRESSING = '.status.conditions[?(@.type=="Progressing")]'

_COLUMNS: tuple[tuple[str, str, str, int, str], ...] = (
    ("Reason", "string", f"{_PROGRESSING}.reason", 0, "What the run is doing."),
    ("Gen", "integer", ".status.generation", 0, "Highest committed generation."),
    ("Evals", "integer", ".status.evaluations.succeeded", 0, "Candidates evaluated."),
    ("Coverage", "string", ".status.archive.coverage", 0, "Share of cells with an elite."),
    ("QD", "string", ".status.archive.qdScore", 0, "Sum of all elites' qualities."),
    ("Workers", "integer", ".status.workers.ready", 0, "Worker pods that are ready."),
    ("Queue", "string", ".status.workers.queue", 1, "Kueue LocalQueue."),
    ("Failed", "integer", ".status.evaluations.failed", 1, "Candidates that failed."),
    ("Message", "string", f"{_PROGRESSING}.message", 1, "The state in a sentence."),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Time since it was created."),
)
"""Name, type, path, priority (0 is always shown) and meaning of what ``kubectl get`` prints."""


def custom_resource_definition() -> dict[str, Any]:
    """The definition as an ``apiextensions.k8s.io/v1`` object."""
    columns = [
        {
            "name": name,
            "type": kind,
            "jsonPath": path,
            "description": meaning,
            **({"priority": priority} if priority else {}),
        }
        for name, kind, path, priority, meaning in _COLUMNS
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["cqd"],
                "categories": ["ml"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.workers.replicas",
                            "statusReplicasPath": ".status.workers.ready",
                        },
                    },
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": run_schema()},
                }
            ],
        },
    }


def run_schema() -> Schema:
    """The structural schema of a ``CycleQDRun``."""
    manifest = manifest_schema()
    spec = structural(manifest["properties"]["spec"])
    # In a cluster the store must be named: pods share no folder, and no command line does it.
    spec["properties"]["storage"].pop("default")
    spec["properties"]["storage"]["required"] = ["uri"]
    spec["required"] = [*spec["required"], "storage"]
    schema: Schema = {
        "type": "object",
        "description": manifest["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always `{API_VERSION}`."},
            "kind": {"type": "string", "description": f"Always `{KIND}`."},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": structural(schema_of(RunStatus), defaults=False),
        },
    }
    key_lists(schema, _KEYS)
    add_rules(schema, RULES)
    add_rules(schema, MUTABILITY)
    return schema
