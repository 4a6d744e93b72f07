"""Every object that the operator makes is valid for Kubernetes 1.34 to the last field, belongs to
its run, has a name that fits, and its pods keep to the restricted Pod Security Standard."""

import kubernetes_validate
import pytest

from cycleqd.contract.progress import OpenStage
from cycleqd.manifest.reader import parse_resource
from cycleqd_operator.children import config_maps, jobs
from cycleqd_operator.children.access import access
from cycleqd_operator.kube.actions import Create
from cycleqd_operator.settings import Settings
from tests.operator.world import make_run

LONG_NAME = "a" * 40
STORAGE = {
    "uri": "s3://bucket/runs/",
    "s3": {
        "endpoint": "https://s3.lab",
        "caBundleRef": {"name": "lab-ca"},
        "credentialsSecretRef": {"name": "lab-keys"},
    },
}
TEMPLATE = {
    "metadata": {"labels": {"team": "swarm"}, "annotations": {"note": "mine"}},
    "spec": {
        "nodeSelector": {"gpu": "h100"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
        "runtimeClassName": "nvidia",
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "10Gi"}}],
        "containers": [
            {"name": "worker", "env": [{"name": "A", "value": "b"}]},
            {"name": "sidecar", "image": "sidecar:1"},
        ],
    },
}
RUNS = {
    "plain": make_run(),
    "long name": make_run(LONG_NAME),
    "secure storage": make_run(storage=STORAGE),
    "queue": make_run(workers={"replicas": 3, "queueName": "gpus"}),
    "template": make_run(workers={"replicas": 2, "template": TEMPLATE}),
    "identity": make_run(serviceAccountAnnotations={"eks.amazonaws.com/role-arn": "arn:1"}),
}


def made(run):
    """Everything that is ever made for a run."""
    manifest = parse_resource(run)
    settings = Settings(image_pull_secrets=("pull",))
    stages = [
        OpenStage(stage="generations/1000000", entries=8, finished=0),
        OpenStage(stage="final/000010", entries=1, finished=0),
    ]
    return [
        config_maps.manifest_config_map(run),
        config_maps.progress_config_map(run),
        *(
            action.manifest
            for action in access(run, manifest.spec.service_account_annotations)
            if isinstance(action, Create)
        ),
        jobs.coordinator_job(run, manifest, settings),
        jobs.pool_job(run, manifest, settings),
        *(jobs.stage_job(run, manifest, settings, stage) for stage in stages),
    ]


OBJECTS = [
    pytest.param(obj, run, id=f"{case} {obj['kind']} {obj['metadata']['name'][-20:]}")
    for case, run in RUNS.items()
    for obj in made(run)
]
JOBS = [param for param in OBJECTS if param.values[0]["kind"] == "Job"]


@pytest.mark.parametrize(("obj", "run"), OBJECTS)
def test_the_schema_accepts_it(obj, run):
    kubernetes_validate.validate(obj, "1.34", strict=True)


@pytest.mark.parametrize(("obj", "run"), OBJECTS)
def test_it_goes_with_its_run(obj, run):
    (owner,) = obj["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("CycleQDRun", run["metadata"]["uid"])
    assert owner["controller"] is True
    assert owner["blockOwnerDeletion"] is False
    assert obj["metadata"]["labels"]["cycleqd.io/run"] == run["metadata"]["name"]
    assert obj["metadata"]["namespace"] == "lab"


@pytest.mark.parametrize(("obj", "run"), OBJECTS)
def test_names_and_labels_fit(obj, run):
    # A Job's pods are called <job>-<index>, and that must be a host name of 63 characters.
    room = len("-99999") if obj["kind"] == "Job" else 0
    assert len(obj["metadata"]["name"]) <= 63 - room
    assert all(len(value) <= 63 for value in obj["metadata"]["labels"].values())


@pytest.mark.parametrize(("job", "run"), JOBS)
def test_pods_are_restricted(job, run):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {next(iter(v.keys() - {"name"})) for v in pod["volumes"]} <= {"emptyDir", "configMap"}
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    both = [*pod["containers"], *pod.get("initContainers", ())]
    ours = [c for c in both if c["name"] in ("worker", "coordinator", "sandbox")]
    assert len(ours) == (2 if "initContainers" in pod else 1)
    for context in (found["securityContext"] for found in ours):
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize(("job", "run"), JOBS)
def test_a_lost_node_never_blocks(job, run):
    spec = job["spec"]
    assert spec["podReplacementPolicy"] == "TerminatingOrFailed"
    assert "podFailurePolicy" not in spec
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    waits = {
        toleration["key"]: toleration["tolerationSeconds"]
        for toleration in spec["template"]["spec"]["tolerations"]
        if toleration["key"].startswith("node.kubernetes.io/")
    }
    assert waits == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}


@pytest.mark.parametrize(("job", "run"), JOBS)
def test_only_the_coordinator_may_speak_to_the_api_server(job, run):
    pod = job["spec"]["template"]["spec"]
    worker = job["metadata"]["labels"]["app.kubernetes.io/component"] == "worker"
    assert pod["automountServiceAccountToken"] is not worker
    assert pod["serviceAccountName"].endswith("-worker" if worker else "-coordinator")


def test_the_coordinator_s_role_is_one_config_map():
    role = next(obj for obj in made(RUNS["plain"]) if obj["kind"] == "Role")
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["demo-progress"],
            "verbs": ["get", "patch"],
        }
    ]
