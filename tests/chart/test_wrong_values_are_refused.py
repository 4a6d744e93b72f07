"""Values that could not work are refused before anything is installed, with the value's name."""

from __future__ import annotations

from typing import Any

import pytest

from .rendering import CHART, HELMS, program, run, template

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(120)]

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"replicas": 2}, "replicas"),
    "unknown-inside": ({"operator": {"resync": 5}}, "resync"),
    "type": ({"crds": {"install": "yes"}}, "install"),
    "list-as-text": ({"watchNamespaces": "research"}, "watchNamespaces"),
    "namespace": ({"watchNamespaces": ["Research"]}, "watchNamespaces"),
    "twice": ({"watchNamespaces": ["a", "a"]}, "watchNamespaces"),
    "pull-policy": ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    "tag-in-repository": ({"image": {"repository": "cycleqd:1"}}, "repository"),
    "digest": ({"image": {"digest": "abc"}}, "digest"),
    "log-level": ({"operator": {"logLevel": "LOUD"}}, "logLevel"),
    "concurrency": ({"operator": {"concurrency": 0}}, "concurrency"),
    "no-template-field": ({"operator": {"podTemplateFields": []}}, "podTemplateFields"),
    "template-field": ({"operator": {"podTemplateFields": ["a-b"]}}, "podTemplateFields"),
    "label": ({"podLabels": {"a": 1}}, "podLabels"),
    "resources": ({"resources": {"limit": {}}}, "limit"),
    "cidr": ({"networkPolicy": {"apiServerCIDRs": ["everywhere"]}}, "apiServerCIDRs"),
    "port": ({"networkPolicy": {"apiServerPorts": [0]}}, "apiServerPorts"),
    "interval": ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "interval"),
    "priority": ({"priorityClass": {"value": 2000000000}}, "value"),
    "budget": ({"podDisruptionBudget": {"maxUnavailable": 2}}, "maxUnavailable"),
    "cleanup": ({"cleanup": {"timeoutSeconds": "5m"}}, "timeoutSeconds"),
    "page-of-nothing": ({"ui": {"enabled": True}}, "ui.prefix is needed"),
    "page-of-a-folder": ({"ui": {"prefix": "/runs"}}, "prefix"),
    "page-without-a-name": (
        {"ui": {"enabled": True, "prefix": "s3://b/runs", "ingress": {"enabled": True}}},
        "ui.ingress.host is needed",
    ),
    "page-by-port": ({"ui": {"ingress": {"host": "runs.example.org:443"}}}, "host"),
    "page-by-any-name": ({"ui": {"allowedHosts": ["*"]}}, "allowedHosts"),
    "page-below-no-path": ({"ui": {"ingress": {"path": "cycleqd"}}}, "path"),
    "page-below-itself": ({"ui": {"ingress": {"path": "/runs"}}}, "path"),
    "page-with-a-key": ({"ui": {"secretKey": "geheim"}}, "secretKey"),
    "no-account": ({"serviceAccount": {"create": False}}, "serviceAccount.name"),
    "nothing-to-scrape": (
        {"metrics": {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}},
        "metrics.service.enabled",
    ),
}


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("case", WRONG)
def test_refused(helm: str, case: str) -> None:
    values, named = WRONG[case]
    done = template(helm, values)
    assert done.returncode != 0
    assert named in done.stderr


@pytest.mark.parametrize("helm", HELMS)
def test_an_old_cluster_is_refused(helm: str) -> None:
    assert template(helm, {}).returncode == 0
    old = run(program(helm), "template", "x", CHART, "--kube-version", "1.33.9")
    assert old.returncode != 0
    assert "kubeVersion" in old.stderr
