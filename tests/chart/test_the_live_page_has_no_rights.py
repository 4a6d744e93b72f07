"""The chart's live page: off by default, without rights in Kubernetes, and set as it was asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cycleqd.cli.app import app
from cycleqd.store.access import settings_of
from cycleqd.ui.root import root_of
from cycleqd.ui.serving import hosts_of, known_name

from .rendering import EVERYTHING, RELEASE, Json, one, render

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(120)]

NAME = f"{RELEASE}-ui"
LEAST: Json = {"ui": {"enabled": True, "prefix": "s3://example-research/runs"}}


def _pod(values: Json) -> Json:
    spec: Json = one(render(values), "Deployment", NAME)["spec"]["template"]["spec"]
    return spec


def _container(values: Json) -> Json:
    (only,) = _pod(values)["containers"]
    return dict(only)


def _named(found: list[Json]) -> set[str]:
    return {item["kind"] for item in found if item["metadata"]["name"] == NAME}


def test_it_is_off_by_default() -> None:
    assert _named(render({})) == set()


def test_what_comes_with_it() -> None:
    assert _named(render(LEAST)) == {"Deployment", "Service", "ServiceAccount"}
    assert _named(render(EVERYTHING)) == {
        "Deployment",
        "Ingress",
        "NetworkPolicy",
        "Service",
        "ServiceAccount",
    }


def test_nothing_is_granted_to_it() -> None:
    for values in (EVERYTHING, EVERYTHING | {"watchNamespaces": ["a"]}):
        found = render(values)
        subjects = [s["name"] for item in found for s in item.get("subjects", ())]
        assert subjects
        assert NAME not in subjects
        assert one(found, "ServiceAccount", NAME)["automountServiceAccountToken"] is False
        pod = one(found, "Deployment", NAME)["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == NAME
        assert pod["automountServiceAccountToken"] is False


def test_the_operator_s_service_and_policies_do_not_mean_its_pod() -> None:
    found = render(EVERYTHING)
    labels = one(found, "Deployment", NAME)["spec"]["template"]["metadata"]["labels"]
    own = {
        (item["kind"], item["metadata"]["name"])
        for item in found
        for selector in [item.get("spec", {}).get("podSelector", item.get("spec", {}))]
        for wanted in [selector.get("matchLabels") or selector.get("selector") or {}]
        for wanted in [wanted.get("matchLabels", wanted)]
        if wanted and wanted.items() <= labels.items()
    }
    assert own == {("Deployment", NAME), ("NetworkPolicy", NAME), ("Service", NAME)}
    (port,) = one(found, "NetworkPolicy", NAME)["spec"]["ingress"][0]["ports"]
    (given,) = _container(EVERYTHING)["ports"]
    assert port["port"] == given["name"] == "http"


def test_it_is_restricted() -> None:
    pod = _pod(LEAST)
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_credentials_come_from_a_secret_that_is_there_or_not_at_all() -> None:
    assert not [v for v in _container(LEAST)["env"] if v["name"].startswith("AWS_")]
    found = render(EVERYTHING)
    assert not [item for item in found if item["kind"] == "Secret"]
    keys = {
        v["name"]: v["valueFrom"]["secretKeyRef"]
        for v in _container(EVERYTHING)["env"]
        if v["name"].startswith("AWS_")
    }
    assert set(keys) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert {ref["name"] for ref in keys.values()} == {"s3-readonly"}
    assert [name for name, ref in keys.items() if ref.get("optional")] == ["AWS_SESSION_TOKEN"]
    annotations = one(found, "ServiceAccount", NAME)["metadata"]["annotations"]
    assert annotations == {"example.org/role": "reader"}


def test_settings_of_the_store_arrive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    container = _container(EVERYTHING)
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "ca"]
    mounted = tmp_path / "ca.crt"
    mounted.touch()
    for variable in container["env"]:
        if "value" in variable:
            value = variable["value"].replace(mount["mountPath"], str(tmp_path))
            monkeypatch.setenv(variable["name"], value)
    found = settings_of()
    assert (found.endpoint, found.region) == ("https://s3.example.org:9000", "eu-1")
    assert (found.addressing_style, found.checksums) == ("Path", "WhenRequired")
    assert found.ca_bundle == mounted


def test_the_command_takes_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    served: Json = {}
    monkeypatch.setattr("cycleqd.cli.ui.open_store", lambda uri, _: uri)
    monkeypatch.setattr(
        "cycleqd.ui.serving.serve",
        lambda store, host, port, say, **more: served.update(
            {"store": store, "host": host, "port": port}, **more
        ),
    )
    container = _container(EVERYTHING)
    done = CliRunner().invoke(app, container["args"])
    assert done.exit_code == 0, done.output
    (port,) = container["ports"]
    assert served["store"] == "s3://example-research/runs"
    assert served["port"] == port["containerPort"]
    assert root_of(served["root_path"]) == "/cycleqd"
    names = hosts_of(served["host"], [known_name(name) for name in served["names"]])
    service = f"{NAME}.cycleqd-system.svc"
    assert {"runs.example.org", "*.internal.example.org", service, "localhost"} <= set(names)
    assert "*" not in names


def test_the_ingress_leads_to_the_page() -> None:
    found = render(EVERYTHING)
    spec = one(found, "Ingress", NAME)["spec"]
    assert spec["ingressClassName"] == "nginx"
    (rule,) = spec["rules"]
    assert rule["host"] == "runs.example.org"
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/cycleqd", "Prefix")
    backend = path["backend"]["service"]
    (port,) = one(found, "Service", backend["name"])["spec"]["ports"]
    assert port["name"] == backend["port"]["name"]
    assert spec["tls"] == EVERYTHING["ui"]["ingress"]["tls"]


def test_a_host_of_its_own_has_no_root_path() -> None:
    values = {**LEAST, "ui": {**LEAST["ui"], "ingress": {"host": "runs.example.org"}}}
    arguments = _container(values)["args"]
    assert "--allow-host=runs.example.org" in arguments
    assert not [one for one in arguments if one.startswith("--root-path")]
