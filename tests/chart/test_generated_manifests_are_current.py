"""What is committed beside the chart is what the chart renders, and its CRD is the generated one.

So kustomize, Helm and the models cannot tell three stories.
"""

from __future__ import annotations

import sys
import tomllib
from hashlib import sha256

import pytest
import yaml

from .rendering import CHART, HELMS, MANIFESTS, ROOT, one, render, run

CRD = MANIFESTS / "crd" / "cycleqdruns.yaml"


def test_the_chart_has_the_generated_crd() -> None:
    assert (CHART / "files" / "cycleqdruns.yaml").read_bytes() == CRD.read_bytes()


def test_the_chart_has_the_project_s_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == project["version"]


@pytest.mark.controlplane
def test_manifests_are_what_the_chart_renders() -> None:
    done = run(sys.executable, ROOT / "scripts" / "generate-manifests", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.controlplane
@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("keep", [True, False])
def test_the_chart_changes_nothing_of_the_crd_but_its_labels(helm: str, keep: bool) -> None:
    found = one(
        render({"crds": {"keep": keep}}, helm), "CustomResourceDefinition", "cycleqdruns.cycleqd.io"
    )
    written = yaml.safe_load(CRD.read_text("utf-8"))
    assert found["spec"] == written["spec"]
    policy = found["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
    assert policy == ("keep" if keep else None)
    assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "cycleqd"
    kept = {k: v for k, v in found["metadata"].items() if k not in {"labels", "annotations"}}
    given = {k: v for k, v in written["metadata"].items() if k not in {"labels", "annotations"}}
    assert kept == given
    # A second `annotations:` would silently replace what the generator wrote there.
    assert not {"labels", "annotations"} & set(written["metadata"])


@pytest.mark.controlplane
def test_a_changed_crd_rolls_the_pod() -> None:
    meta = one(render({}), "Deployment")["spec"]["template"]["metadata"]
    assert meta["annotations"]["checksum/crd"] == sha256(CRD.read_bytes()).hexdigest()
