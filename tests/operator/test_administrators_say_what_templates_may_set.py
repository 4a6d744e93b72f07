"""A template sets what the administrator leaves to it; anything else is named and makes no pod."""

import json

import pytest

from cycleqd.contract.config_maps import DOCUMENT
from cycleqd.errors import InputError
from cycleqd_operator.settings import Settings
from tests.operator.world import World, evolving, make_run

FIELDS = (
    "metadata.labels",
    "nodeSelector",
    "tolerations",
    "volumes.emptyDir",
    "containers.resources",
    "containers.env.value",
    "containers.securityContext.runAsUser",
)
POLICY = Settings(pod_template_fields=FIELDS)
ALLOWED = {
    "metadata": {"labels": {"team": "a"}},
    "spec": {
        "nodeSelector": {"example.com/gpu.kind": "h100"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}],
        "containers": [
            {
                "name": "worker",
                "resources": {"limits": {"nvidia.com/gpu": "2"}},
                "env": [{"name": "A", "value": "1"}],
                "securityContext": {"runAsUser": 7},
            }
        ],
    },
}


def container(**fields):
    return {"spec": {"containers": [{"name": "worker", **fields}]}}


FORBIDDEN = {
    "a volume of the node": (
        {"spec": {"volumes": [{"name": "data", "hostPath": {"path": "/"}}]}},
        "spec.volumes.hostPath.path",
    ),
    "the node's network": ({"spec": {"hostNetwork": True}}, "spec.hostNetwork"),
    "a privileged container": (
        container(securityContext={"privileged": True}),
        "spec.containers.securityContext.privileged",
    ),
    "another container": (
        {"spec": {"containers": [{"name": "other", "image": "x"}]}},
        "spec.containers.image",
    ),
    "a container that begins": (
        {"spec": {"initContainers": [{"name": "first"}]}},
        "spec.initContainers.name",
    ),
    "a Secret": (
        container(env=[{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
        "spec.containers.env.valueFrom.secretKeyRef.name",
    ),
    "all of a Secret": (
        container(envFrom=[{"secretRef": {"name": "s"}}]),
        "spec.containers.envFrom.secretRef.name",
    ),
    "nothing for what protects": (
        container(securityContext=None),
        "spec.containers.securityContext",
    ),
    "an empty list for what protects": (
        container(securityContext={"capabilities": {"drop": []}}),
        "spec.containers.securityContext.capabilities.drop",
    ),
    "annotations": (
        {"metadata": {"annotations": {"inject": "yes"}}},
        "metadata.annotations.inject",
    ),
}


def message(world):
    return world.condition("Failed").message


def test_any_field_by_default():
    world = World(make_run(workers={"template": FORBIDDEN["the node's network"][0]}))
    world.settle()
    assert "demo-coordinator" in world.jobs


def test_what_is_allowed_is_taken():
    world = evolving(make_run(workers={"template": ALLOWED}), POLICY)
    assert world.state == "Evolving"
    pod = world.jobs["demo-workers"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["securityContext"]["runAsUser"] == 7
    assert pod["nodeSelector"] == {"example.com/gpu.kind": "h100"}


@pytest.mark.parametrize(("template", "field"), FORBIDDEN.values(), ids=FORBIDDEN)
@pytest.mark.parametrize("part", ["workers", "coordinator"])
def test_what_is_not_allowed_is_named(part, template, field):
    world = World(make_run(**{part: {"template": template}}), POLICY)
    world.settle()
    assert world.condition("Failed").reason == "InvalidManifest"
    assert f"spec.{part}.template.{field}: is not for a run to set on this cluster" in message(
        world
    )
    assert "podTemplateFields" in message(world)
    assert not world.objects


def test_none_leaves_nothing():
    world = World(make_run(workers={"template": ALLOWED}), Settings(pod_template_fields=("none",)))
    world.settle()
    assert "spec.workers.template.metadata.labels.team" in message(world)
    world = World(make_run(workers={"template": {}}), Settings(pod_template_fields=("none",)))
    world.settle()
    assert "demo-coordinator" in world.jobs


def test_a_run_goes_on_without_an_edit_that_is_not_allowed():
    world = evolving(settings=POLICY)
    jobs = set(world.jobs)
    world.edit(workers={"replicas": 2, "template": FORBIDDEN["the node's network"][0]})
    world.settle()
    assert set(world.jobs) == jobs
    assert "template.spec.hostNetwork" in world.condition("ManifestAccepted").message
    assert world.condition("Failed").status == "False"


def test_a_manifest_that_somebody_wrote_for_the_coordinator_is_no_way_around():
    world = evolving(settings=POLICY)
    config_map = world.objects["ConfigMap", "demo-manifest"]
    document = json.loads(config_map["data"][DOCUMENT])
    document["spec"]["workers"]["template"] = FORBIDDEN["the node's network"][0]
    config_map["data"] = config_map["data"] | {DOCUMENT: json.dumps(document)}
    world.edit(workers={"template": {"spec": {"containers": "worker"}}})
    world.settle()
    assert "template.spec.hostNetwork" in message(world)
    assert "hostNetwork" not in json.dumps(world.jobs)


@pytest.mark.parametrize(
    "text", ["spec.nodeName", "tolerations.", "*,tolerations", "metadata", "a-b"]
)
def test_a_wrong_list_ends_the_operator_with_its_variable(text):
    with pytest.raises(InputError, match="CYCLEQD_OPERATOR_POD_TEMPLATE_FIELDS"):
        Settings.from_environment({"CYCLEQD_OPERATOR_POD_TEMPLATE_FIELDS": text})
