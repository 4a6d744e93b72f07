"""Who a run's pods are: identities for the cloud's storage, and one right for the coordinator.

The coordinator may read and patch the one ConfigMap it reports in; workers have no token for the
API server.
"""

from __future__ import annotations

from cycleqd.contract.pods import Component
from cycleqd_operator.children.ownership import child
from cycleqd_operator.kube import names
from cycleqd_operator.kube.actions import Action, Create, Patch
from cycleqd_operator.kube.objects import Json, name, namespace


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
    run: Json, account: str, component: Component, account_annotations: dict[str, str]
) -> list[Action]:
    body = child(run, "v1", "ServiceAccount", account, component)
    if not account_annotations:
        return [Create(body)]
    body["metadata"]["annotations"] = account_annotations
    patch = {"metadata": {"annotations": account_annotations}}
    return [Create(body), Patch("ServiceAccount", account, patch)]
