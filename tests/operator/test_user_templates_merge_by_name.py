"""A user's pod template adds to our pods by name; what the operator owns stays its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.errors import ManifestError
from cycleqd.manifest.reader import parse_resource
from cycleqd_operator.children import jobs
from cycleqd_operator.settings import Settings
from tests.operator.world import World, make_run


def pod(role="worker", metadata=None, **spec):
    """A pod template with that user's pod spec merged in."""
    field = "workers" if role == "worker" else role
    run = make_run(**{field: {"template": {"metadata": metadata or {}, "spec": spec}}})
    make = jobs.pool_job if role == "worker" else jobs.coordinator_job
    return make(run, parse_resource(run), Settings())["spec"]["template"]


def container(role="worker", **fields):
    spec = pod(role, containers=[{"name": role, **fields}])["spec"]
    return next(c for c in spec["containers"] if c["name"] == role)


def by_name(items, key="name"):
    return {item[key]: item for item in items}


def test_env_adds_by_name_and_the_contract_wins():
    env = [
        {"name": "HF_TOKEN", "value": "x"},
        {"name": "CYCLEQD_STORE", "value": "s3://elsewhere"},
        {"name": "HOME", "value": "/root"},
    ]
    found = by_name(container(env=env)["env"])
    assert found["HF_TOKEN"]["value"] == "x"
    assert found["CYCLEQD_STORE"]["value"] == "s3://bucket/runs/demo"
    assert found["HOME"]["value"] == "/scratch/home"
    assert len(found) == len(container(env=env)["env"])


def test_variables_that_name_others_come_after_them():
    # A kubelet replaces $(POD) by what stands before; tracing is told its pod so.
    env = [
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "k8s.pod.name=$(POD)"},
        {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"},
    ]
    for role in ("worker", "coordinator"):
        assert container(role, env=env)["env"][-3:] == env


def test_credentials_of_a_template_serve_where_no_secret_is_named():
    assert by_name(container(env=[{"name": "AWS_PROFILE", "value": "lab"}])["env"])["AWS_PROFILE"]


def test_arguments_and_restarts_are_ours():
    found = pod(
        restartPolicy="Always",
        serviceAccountName="admin",
        automountServiceAccountToken=True,
        containers=[{"name": "worker", "args": ["sh"], "terminationMessagePolicy": "File"}],
    )["spec"]
    assert found["restartPolicy"] == "Never"
    assert found["serviceAccountName"] == "demo-worker"
    assert found["automountServiceAccountToken"] is False
    assert found["containers"][0]["args"] == ["pod", "work"]
    assert found["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize("role", ["worker", "coordinator"])
def test_resources_and_probes_are_replaced_whole(role):
    resources = {"requests": {"cpu": "2"}}
    probe = {"exec": {"command": ["true"]}}
    found = container(role, resources=resources, livenessProbe=probe, image="mine:2")
    assert found["resources"] == resources
    assert found["livenessProbe"] == probe
    assert found["image"] == "mine:2"


def test_volumes_replace_by_name_and_mounts_by_path():
    claim = {"name": "scratch", "persistentVolumeClaim": {"claimName": "big"}}
    data = {"name": "data", "hostPath": {"path": "/data"}}
    spec = pod(
        volumes=[claim, data],
        containers=[
            {
                "name": "worker",
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "data", "mountPath": "/scratch", "subPath": "s"},
                ],
            }
        ],
    )["spec"]
    assert by_name(spec["volumes"])["scratch"] == claim
    assert by_name(spec["volumes"])["data"] == data
    mounts = by_name(spec["containers"][0]["volumeMounts"], "mountPath")
    assert mounts["/data"]["name"] == mounts["/scratch"]["name"] == "data"
    assert "/tmp" in mounts


def test_the_manifest_s_own_volume_stays():
    spec = pod(
        "coordinator",
        volumes=[{"name": "manifest", "emptyDir": {}}],
        containers=[
            {"name": "coordinator", "volumeMounts": [{"name": "x", "mountPath": "/etc/cycleqd"}]}
        ],
    )["spec"]
    assert by_name(spec["volumes"])["manifest"]["configMap"] == {"name": "demo-manifest"}
    mounts = by_name(spec["containers"][0]["volumeMounts"], "mountPath")
    assert mounts["/etc/cycleqd"]["name"] == "manifest"


def test_pod_fields_merge_by_their_kind():
    spec = pod(
        nodeSelector={"gpu": "h100"},
        tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        imagePullSecrets=[{"name": "registry"}],
        runtimeClassName="gvisor",
        priorityClassName="low",
        securityContext={"runAsUser": 1000},
        initContainers=[{"name": "warm", "image": "warm:1"}],
        containers=[{"name": "sidecar", "image": "side:1"}],
    )["spec"]
    assert spec["nodeSelector"] == {"gpu": "h100"}
    assert [t["key"] for t in spec["tolerations"]][-1] == "gpu"
    assert len(spec["tolerations"]) == 3
    assert spec["runtimeClassName"] == "gvisor"
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert [c["name"] for c in spec["containers"]] == ["worker", "sidecar"]
    assert [c["name"] for c in spec["initContainers"]] == ["sandbox", "warm"]


@pytest.mark.parametrize(
    ("toleration", "ours"),
    [
        ({"key": "node.kubernetes.io/unreachable", "operator": "Exists"}, 1),
        ({"operator": "Exists"}, 0),
        ({"key": "gpu", "operator": "Exists"}, 2),
    ],
)
def test_the_user_decides_how_long_a_lost_node_is_waited_for(toleration, ours):
    spec = pod(tolerations=[toleration])["spec"]
    assert sum("tolerationSeconds" in found for found in spec["tolerations"]) == ours
    assert spec["tolerations"][-1] == toleration


def test_labels_of_the_operator_win():
    metadata = {"labels": {"cycleqd.io/run": "other", "team": "a"}, "annotations": {"b": "c"}}
    found = pod(metadata=metadata)["metadata"]
    assert found["labels"]["cycleqd.io/run"] == "demo"
    assert found["labels"]["team"] == "a"
    assert found["annotations"] == {"b": "c"}


def test_a_null_takes_a_default_away():
    assert "runAsUser" not in pod(securityContext={"runAsUser": None})["spec"]["securityContext"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": "worker"}, "spec.workers.template.spec.containers"),
        ({"containers": ["worker"]}, "spec.workers.template.spec.containers[0]"),
        ({"containers": [{"image": "x"}]}, "spec.workers.template.spec.containers[0].name"),
        ({"tolerations": {"key": "a"}}, "spec.workers.template.spec.tolerations"),
        ({"nodeSelector": ["a"]}, "spec.workers.template.spec.nodeSelector"),
        ({"containers": None}, "spec.workers.template.spec.containers"),
        ({"volumes": None}, "spec.workers.template.spec.volumes"),
        ({"initContainers": None}, "spec.workers.template.spec.initContainers"),
        (
            {"containers": [{"name": "worker", "env": None}]},
            "spec.workers.template.spec.containers[0].env",
        ),
        (
            {"containers": [{"name": "worker", "volumeMounts": None}]},
            "spec.workers.template.spec.containers[0].volumeMounts",
        ),
        (
            {"containers": [{"name": "worker", "env": [{"value": "x"}]}]},
            "spec.workers.template.spec.containers[0].env[0].name",
        ),
    ],
)
def test_a_template_that_cannot_be_merged_names_the_field(spec, field):
    with pytest.raises(ManifestError) as error:
        pod(**spec)
    assert str(error.value).startswith(f"{field}: ")


def test_labels_of_nodes_may_have_any_name():
    labels = {"env": "prod", "ports": "many", "securityContext": "none"}
    assert pod(nodeSelector=labels)["spec"]["nodeSelector"] == labels


NAMES = st.sampled_from(
    [
        *("containers", "initContainers", "volumes", "env", "envFrom", "volumeMounts", "name"),
        *("mountPath", "tolerations", "key", "effect", "nodeSelector", "securityContext", "ports"),
        *("containerPort", "capabilities", "imagePullSecrets", "metadata", "restartPolicy"),
    ]
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["worker", "manifest", "scratch", "HOME", "/tmp", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(spec=st.dictionaries(NAMES, ANYTHING, max_size=5), own=st.dictionaries(NAMES, ANYTHING))
def test_whatever_a_template_holds_is_a_pod_or_a_named_problem(spec, own):
    for containers in ({}, {"containers": [{**own, "name": "worker"}]}):
        try:
            said = pod(**spec | containers)["spec"]["containers"][0]["name"]
        except ManifestError as error:
            said = str(error)
        assert said == "worker" or said.startswith("spec.workers.template.")


def test_such_a_template_fails_the_run_without_a_pod():
    world = World(make_run(workers={"template": {"spec": {"containers": "worker"}}}))
    world.settle()
    assert world.condition("Failed").reason == "InvalidManifest"
    assert "spec.workers.template.spec.containers" in world.condition("Failed").message
    assert world.jobs == {}
