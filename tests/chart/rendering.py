"""Rendering the chart with Helm 3 and 4 and the manifests with kubectl, as objects."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from devcluster.base.binaries import ROOT, ToolMissingError, binary

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

CHART = ROOT / "charts" / "cycleqd-operator"
MANIFESTS = ROOT / "manifests"
RELEASE = "cycleqd-operator"
KUBERNETES = "1.34.0"
SECONDS = 60

HELMS = ("helm", "helm3")

EVERYTHING: Json = {
    "rbac": {"aggregate": True},
    "image": {
        "repository": "registry.example.org/cycleqd/operator",
        "digest": "sha256:" + "0" * 64,
    },
    "imagePullSecrets": ["pull"],
    "worker": {
        "image": {"repository": "registry.example.org:5000/cycleqd/worker", "tag": "v2"},
        "imagePullSecrets": ["pull"],
        "resources": {"limits": {"nvidia.com/gpu": 2}},
    },
    "operator": {"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.org"}]},
    "serviceAccount": {"annotations": {"example.org/a": "b"}},
    "podLabels": {"team": "research"},
    "podAnnotations": {"example.org/a": "b"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClass": {"create": True},
    "metrics": {
        "service": {"annotations": {"prometheus.io/scrape": "true"}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "alertLabels": {"team": "research"}},
    },
    "grafana": {"enabled": True, "labels": {"dashboards": "yes"}},
    "networkPolicy": {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {}}],
        "apiServerCIDRs": ["10.0.0.0/8"],
    },
    "podDisruptionBudget": {"enabled": True},
    "cleanup": {"enabled": True},
    "ui": {
        "enabled": True,
        "prefix": "s3://example-research/runs",
        "image": {"repository": "registry.example.org/cycleqd/ui", "tag": "v2"},
        "s3": {
            "endpoint": "https://s3.example.org:9000",
            "region": "eu-1",
            "addressingStyle": "Path",
            "checksums": "WhenRequired",
            "caBundleRef": {"name": "s3-ca"},
        },
        "credentialsSecret": "s3-readonly",
        "serviceAccount": {"annotations": {"example.org/role": "reader"}},
        "service": {"port": 8080, "annotations": {"example.org/a": "b"}},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "runs.example.org",
            "path": "/cycleqd/",
            "tls": [{"hosts": ["runs.example.org"], "secretName": "runs-tls"}],
            "annotations": {"nginx.ingress.kubernetes.io/auth-url": "https://auth.example.org"},
        },
        "allowedHosts": ["*.internal.example.org"],
        "networkPolicy": {
            "from": [{"namespaceSelector": {}}],
            "storeCIDRs": ["10.0.0.0/8"],
            "storePorts": [443, 9000],
        },
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.org"}],
        "podLabels": {"team": "research"},
        "podAnnotations": {"example.org/a": "b"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    },
}

CASES: dict[str, Json] = {
    "defaults": {},
    "everything": EVERYTHING,
    "switched-off": {
        "crds": {"install": False},
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "mine"},
        "metrics": {"service": {"enabled": False}},
        "tests": {"enabled": False},
    },
    "crds-go-with-the-release": {"crds": {"keep": False}},
    "renamed": {"fullnameOverride": "n" * 80, "nameOverride": "evolver"},
    "page": {"ui": {"enabled": True, "prefix": "s3://example-research"}},
    "existing-priority-class": {"priorityClass": {"name": "system-cluster-critical"}},
}
"""Values that a user may give, by name; a test adds the namespaces to watch where it has some."""


def program(name: str, module: str | None = None) -> Path:
    """A tool of `scripts/build-tools`; skips the test where it cannot be built."""
    try:
        return binary(name, module)
    except ToolMissingError as error:
        pytest.skip(str(error))


def run(*command: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its exit status."""
    return subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def template(
    helm: str, values: Mapping[str, Any], namespace: str = "cycleqd-system", release: str = RELEASE
) -> subprocess.CompletedProcess[str]:
    """`helm template` with these values."""
    flags = ["--kube-version", KUBERNETES, "--namespace", namespace, "--values", "-"]
    return run(program(helm), "template", release, CHART, *flags, stdin=json.dumps(values))


def render(
    values: Mapping[str, Any], helm: str = "helm", namespace: str = "cycleqd-system"
) -> list[Json]:
    """The objects of a release with these values."""
    done = template(helm, values, namespace)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def kustomize(folder: Path) -> list[Json]:
    """The objects of a kustomization, as `kubectl apply -k` sees them."""
    done = run(program("kubectl", "kubernetes"), "kustomize", folder)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def objects(text: str) -> list[Json]:
    """The documents of a YAML stream."""
    return [document for document in yaml.safe_load_all(text) if document]


def one(found: list[Json], kind: str, name: str = RELEASE) -> Json:
    """The only object of that kind and name."""
    (match,) = [o for o in found if o["kind"] == kind and o["metadata"]["name"] == name]
    return match


def container(found: list[Json]) -> Json:
    """The operator's container."""
    spec: Json = one(found, "Deployment")["spec"]["template"]["spec"]
    (only,) = spec["containers"]
    return dict(only)
