"""The small objects around a run's Jobs: its manifest, its progress, and who its pods are.

The coordinator may read and patch the one ConfigMap it reports in; workers have an identity for
the cloud's storage and no token for the API server.
"""

from __future__ import annotations

import json

from cycleqd.manifest import API_VERSION, KIND
from cycleqd_operator import names
from cycleqd_operator.actions import Action, Create, Patch
from cycleqd_operator.objects import Json, metadata, name, namespace, spec, uid

RUN_JSON = "run.json"
GENERATION = "generation"


def child(
    run: Json, api_version: str, kind: str, child_name: str, component: names.Component
) -> Json:
    """An object that belongs to the run and goes with it."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": child_name,
            "namespace": namespace(run),
            "labels": names.labels(name(run), component),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": name(run),
                    "uid": uid(run),
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
    }


def manifest_config_map(run: Json) -> Json:
    """The manifest as the coordinator reads it, and the generation it has in the cluster."""
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name(run)},
        "spec": spec(run),
    }
    config_map = names.manifest_config_map(name(run))
    body = child(run, "v1", "ConfigMap", config_map, "coordinator")
    body["data"] = {
        RUN_JSON: json.dumps(document, sort_keys=True),
        GENERATION: str(metadata(run).get("generation", 1)),
    }
    return body


def progress_config_map(run: Json) -> Json:
    """An empty page for the coordinator to write on."""
    return child(run, "v1", "ConfigMap", names.progress_config_map(name(run)), "coordinator")


def access(run: Json, account_annotations: dict[str, str]) -> list[Action]:
    """Identities and rights of the run's pods.

    Nobody watches these objects, so they are made whenever the pods that need them are.

    Args:
        run: the CycleQDRun.
        account_annotations: of the service accounts, for a cloud's workload identity.
    """
    run_name = name(run)
    coordinator = names.coordinator(run_name)
    role = child(run, "rbac.authorization.k8s.io/v1", "Role", coordinator, "coordinator")
    role["rules"] = [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [names.progress_config_map(run_name)],
            "verbs": ["get", "patch"],
        }
    ]
    binding = child(run, "rbac.authorization.k8s.io/v1", "RoleBinding", coordinator, "coordinator")
    binding["roleRef"] = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": coordinator,
    }
    binding["subjects"] = [
        {"kind": "ServiceAccount", "name": coordinator, "namespace": namespace(run)}
    ]
    return [
        *_service_account(run, coordinator, "coordinator", account_annotations),
        *_service_account(run, names.worker(run_name), "worker", account_annotations),
        Create(role),
        Create(binding),
    ]


def _service_account(
    run: Json, account: str, component: names.Component, account_annotations: dict[str, str]
) -> list[Action]:
    body = child(run, "v1", "ServiceAccount", account, component)
    if not account_annotations:
        return [Create(body)]
    body["metadata"]["annotations"] = account_annotations
    patch = {"metadata": {"annotations": account_annotations}}
    return [Create(body), Patch("ServiceAccount", account, patch)]
