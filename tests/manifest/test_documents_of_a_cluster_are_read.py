"""A run fetched by ``kubectl get -o yaml`` or written as JSON reads like the file it came from."""

import json
from pathlib import Path

import pytest
import yaml

from cycleqd.errors import ManifestError
from cycleqd.manifest.reader import load_manifest, parse_manifest, parse_resource
from cycleqd.manifest.schema import canonical

from .documents import VALID, as_yaml, edited

PLAIN = parse_manifest(VALID, "run.yaml")


def test_what_the_api_server_adds_is_dropped() -> None:
    document = edited(
        {
            "metadata.uid": "2c2e8a5e-0000-4000-8000-000000000000",
            "metadata.resourceVersion": "4711",
            "metadata.generation": 3,
            "metadata.creationTimestamp": "2026-11-22T10:00:00Z",
            "metadata.managedFields": [{"manager": "kubectl"}],
            "metadata.ownerReferences": [],
            "metadata.finalizers": ["cycleqd.io/run"],
            "status": {"conditions": [{"type": "Complete"}]},
        }
    )
    assert parse_manifest(as_yaml(document), "run.yaml") == PLAIN


def test_json_is_accepted_with_any_indentation() -> None:
    document = yaml.safe_load(VALID)
    assert parse_manifest(json.dumps(document), "run.json") == PLAIN
    assert parse_manifest(json.dumps(document, indent="\t"), "run.json") == PLAIN


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_editors_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(VALID, encoding)
    assert load_manifest(path) == PLAIN


def test_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(VALID.encode() + b"# caf\xe9\n")
    with pytest.raises(ManifestError, match=f"line {VALID.count(chr(10)) + 1}: not UTF-8"):
        load_manifest(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file"):
        load_manifest(tmp_path / "none.yaml")
    with pytest.raises(ManifestError, match="is a folder"):
        load_manifest(tmp_path)


def test_scalars_mean_what_they_mean_to_kubectl() -> None:
    text = VALID.replace("rank: 16", 'rank: 16, maxScale: "0.30"').replace(
        "name: agents", "name: agents\n  annotations: {at: 12:30, day: 2026-01-01}"
    )
    manifest = parse_manifest(text, "run.yaml")
    assert manifest.spec.evolution.mutation.max_scale == 0.3
    assert manifest.metadata.annotations == {"at": "12:30", "day": "2026-01-01"}


def test_anchors_and_merge_keys_are_followed() -> None:
    text = VALID.replace(
        'bounds: {min: "0.1", max: "0.9"}', 'bounds: &limits {min: "0.1", max: "0.9"}'
    )
    text = text.replace("      expert: shell", "      expert: shell\n      bounds: {<<: *limits}")
    manifest = parse_manifest(text, "run.yaml")
    assert manifest.spec.tasks[2].bounds == manifest.spec.tasks[1].bounds


def test_a_resource_is_the_run_whoever_applied_it() -> None:
    resource = edited(
        {
            "metadata": {
                "name": "agents",
                "namespace": "a-namespace-of-more-than-forty-characters-is-fine",
                "uid": "2c2e8a5e-0000-4000-8000-000000000000",
                "labels": {"app.kubernetes.io/managed-by": "argo"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}" * 9999},
                "managedFields": [{"manager": "kubectl"}],
            },
            "status": {"conditions": [{"type": "Complete"}]},
        }
    )
    assert parse_resource(resource) == PLAIN
    assert parse_resource(canonical(PLAIN)) == PLAIN


def test_a_resource_that_is_wrong_is_refused_like_the_file() -> None:
    resource = edited({"spec.base": None, "spec.archive.lowerMargin": 0.5, "spec.x": [1]})
    with pytest.raises(ManifestError) as caught:
        parse_resource(resource)
    assert [line.split(": ")[0] for line in caught.value.problems] == [
        "spec.base",
        "spec.archive.lowerMargin",
        "spec.x",
    ]
    with pytest.raises(ManifestError, match="spec: "):
        parse_resource({"metadata": None})


def test_a_pod_template_is_any_mapping() -> None:
    template = {"spec": {"volumes": [{"name": "a", "emptyDir": {}}], "containers": []}}
    manifest = parse_manifest(as_yaml(edited({"spec.workers.template": template})), "run.yaml")
    document = canonical(manifest)
    assert document["spec"]["workers"]["template"]["spec"] == template["spec"]
    assert parse_resource(document) == manifest
