"""Every object of the chart and of the kustomizations is one that a real API server accepts.

Both helms render the same; each object passes the strict schema of its Kubernetes version, the
server's own validation and the restricted Pod Security Standard, which the test namespace enforces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import kubernetes_validate
import pytest

from .rendering import CASES, CHART, HELMS, MANIFESTS, Json, kustomize, program, render, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devcluster.base.cluster import Cluster

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

OTHERS_KINDS = {
    "ServiceMonitor": "servicemonitors",
    "PodMonitor": "podmonitors",
    "PrometheusRule": "prometheusrules",
}
OVERLAYS = ("overlays/cluster-wide", "overlays/namespaced")
EXAMPLES = ("examples/cluster/tiny", "examples/cluster/quickstart")


@pytest.fixture
def prometheus_operator(cluster: Cluster) -> Iterator[None]:
    """The Prometheus operator's kinds, of any content, where the cluster does not know them."""
    group = "monitoring.coreos.com"
    missing = [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {
                            "openAPIV3Schema": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            }
                        },
                    }
                ],
            },
        }
        for kind, plural in OTHERS_KINDS.items()
        if cluster.get("crd", f"{plural}.{group}") is None
    ]
    if missing:
        cluster.apply(*missing)
        names = [f"crd/{definition['metadata']['name']}" for definition in missing]
        cluster.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    yield
    for definition in missing:
        cluster.kubectl("delete", "crd", definition["metadata"]["name"])


def _pods(found: list[Json]) -> list[Json]:
    """The pods that Deployments and Jobs would make: the server judges their security only then."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{item['kind'].lower()}-{item['metadata']['name']}",
                "namespace": item["metadata"]["namespace"],
            },
            # The release's own PriorityClass is not made by a dry run.
            "spec": item["spec"]["template"]["spec"] | {"priorityClassName": ""},
        }
        for item in found
        if item["kind"] in {"Deployment", "Job"}
    ]


def _accept(cluster: Cluster, found: list[Json]) -> None:
    """Each object passes the strict schema and the server's own dry run."""
    for item in found:
        if item["kind"] not in {*OTHERS_KINDS, "CycleQDRun", "CustomResourceDefinition"}:
            kubernetes_validate.validate(item, "1.34", strict=True)
    found = [*found, *_pods(found)]
    # Pods are admitted only with the ServiceAccount that they name.
    accounts = {
        (item["metadata"]["namespace"], item["spec"]["serviceAccountName"])
        for item in found
        if item["kind"] == "Pod"
    }
    for place, account in accounts:
        meta = {"name": account, "namespace": place}
        cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    flags = ["--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server"]
    done = cluster.kubectl("apply", *flags, "-f", "-", stdin=found)
    assert len(done.stdout.splitlines()) == len(found)


@pytest.mark.parametrize("helm", HELMS)
def test_lint(helm: str) -> None:
    done = run(program(helm), "lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("namespaced", [False, True], ids=["cluster-wide", "namespaced"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("prometheus_operator")
def test_chart(cluster: Cluster, namespace: str, case: str, namespaced: bool) -> None:
    values = CASES[case] | ({"watchNamespaces": [namespace]} if namespaced else {})
    by_helm = [render(values, helm, namespace) for helm in HELMS]
    assert by_helm[0] == by_helm[1]
    _accept(cluster, by_helm[0])


@pytest.mark.parametrize("folder", OVERLAYS)
def test_overlays(cluster: Cluster, namespace: str, folder: str) -> None:
    found = kustomize(MANIFESTS / folder)
    (place,) = {o["metadata"]["namespace"] for o in found if o["kind"] == "Deployment"}
    if cluster.get("namespace", place):
        _accept(cluster, found)
        return
    cluster.make_namespace(place, {"pod-security.kubernetes.io/enforce": "restricted"})
    try:
        _accept(cluster, found)
    finally:
        cluster.kubectl("delete", "namespace", place, "--wait=false")


@pytest.mark.parametrize("folder", EXAMPLES)
def test_examples(cluster: Cluster, namespace: str, folder: str) -> None:
    (example,) = kustomize(MANIFESTS / folder)
    example["metadata"]["namespace"] = namespace
    _accept(cluster, [example])


@pytest.mark.parametrize("helm", HELMS)
def test_package_holds_everything(helm: str, tmp_path: object) -> None:
    done = run(program(helm), "package", CHART, "--destination", str(tmp_path))
    assert done.returncode == 0, done.stderr
    packed = done.stdout.rsplit(": ", 1)[1].strip()
    shown = run(program(helm), "template", "x", packed, "--kube-version", "1.34.0")
    assert "kind: CustomResourceDefinition" in shown.stdout
