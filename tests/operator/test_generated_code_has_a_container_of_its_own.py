"""Generated code runs in a container beside the worker that has nothing of the worker's."""

import pytest

from cycleqd.errors import ManifestError
from cycleqd.evaluation.sandbox import Container
from cycleqd.manifest.reader import parse_resource
from cycleqd.pod.settings import SandboxSettings
from cycleqd_operator.children import jobs
from cycleqd_operator.settings import CONTAINED, Settings
from tests.operator.world import make_run

STORAGE = {"uri": "s3://bucket/runs/", "s3": {"credentialsSecretRef": {"name": "lab-keys"}}}


def pod(where="Auto", settings=None, workers=None, **spec):
    """A worker's pod with that user's pod spec merged in."""
    run = make_run(
        storage=STORAGE,
        workers={"template": {"spec": spec}, **(workers or {})},
        evaluation={"sandbox": where},
    )
    job = jobs.pool_job(run, parse_resource(run), settings or Settings())
    return job["spec"]["template"]["spec"]


def sandbox(spec):
    return next(c for c in spec["initContainers"] if c["name"] == "sandbox")


def worker(spec):
    return next(c for c in spec["containers"] if c["name"] == "worker")


def env(container):
    return {variable["name"]: variable.get("value") for variable in container["env"]}


def volumes(container):
    return {mount["name"]: bool(mount.get("readOnly")) for mount in container["volumeMounts"]}


@pytest.mark.parametrize("where", ["Auto", "Require"])
def test_it_starts_before_the_worker_and_again_when_it_ends(where):
    spec = pod(where, initContainers=[{"name": "warm", "image": "warm:1"}])
    assert [c["name"] for c in spec["initContainers"]] == ["sandbox", "warm"]
    assert sandbox(spec)["restartPolicy"] == "Always"
    assert sandbox(spec)["args"] == ["pod", "sandbox"]
    assert sandbox(spec)["image"] == worker(spec)["image"] == Settings().worker_image


def test_it_knows_its_socket_and_nothing_else():
    spec = pod()
    told = SandboxSettings.from_environment(env(sandbox(spec)))
    assert env(sandbox(spec)).keys() == {"CYCLEQD_SANDBOX"}
    assert Container.of(env(worker(spec))).socket == told.socket
    assert spec["automountServiceAccountToken"] is False
    assert "envFrom" not in sandbox(spec)


def test_of_the_volumes_it_has_its_own_and_reads_what_the_worker_gives():
    spec = pod()
    assert volumes(sandbox(spec)) == {
        "sandbox": False,
        "sandbox-files": True,
        "sandbox-scratch": False,
    }
    shared = volumes(worker(spec))
    assert shared["sandbox"] is True
    assert shared["sandbox-files"] is False
    assert "sandbox-scratch" not in shared
    paths = {m["name"]: m["mountPath"] for m in sandbox(spec)["volumeMounts"]}
    files = Container.of(env(worker(spec))).files
    assert str(files) == paths["sandbox-files"]
    found = {volume["name"]: volume["emptyDir"] for volume in spec["volumes"]}
    assert found["sandbox"] == {"medium": "Memory", "sizeLimit": "1Mi"}
    assert found["sandbox-scratch"] == {"sizeLimit": "2Gi"}


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"runAsUser": 65533, "runAsGroup": 65531, "fsGroup": 65530},
        {"runAsUser": 0, "runAsNonRoot": False},
        {"runAsUser": None, "fsGroup": None},
    ],
)
def test_its_user_is_never_the_worker_s(context):
    for spec in (
        pod(securityContext=context),
        pod(containers=[{"name": "worker", "securityContext": context}]),
    ):
        own = sandbox(spec)["securityContext"]
        named = [*spec["securityContext"].values(), *worker(spec)["securityContext"].values()]
        assert own["runAsNonRoot"] is True
        assert own["runAsUser"] == own["runAsGroup"] > 0
        assert own["runAsUser"] not in named


def test_its_resources_are_the_administrator_s_or_the_template_s():
    assert sandbox(pod())["resources"] == CONTAINED
    chosen = Settings(sandbox_resources={"limits": {"memory": "1Gi"}})
    assert sandbox(pod(settings=chosen))["resources"] == {"limits": {"memory": "1Gi"}}
    own = {"name": "sandbox", "resources": {"limits": {"memory": "9Gi"}}, "image": "mine:1"}
    found = sandbox(pod(initContainers=[own]))
    assert found["resources"] == own["resources"]
    assert found["image"] == "mine:1"


def test_its_image_is_that_of_the_worker_wherever_that_is_said():
    assert sandbox(pod(workers={"image": "mine:1"}))["image"] == "mine:1"
    assert sandbox(pod(containers=[{"name": "worker", "image": "mine:2"}]))["image"] == "mine:2"


SET = {
    "env": [{"name": "AWS_PROFILE", "value": "lab"}],
    "envFrom": [{"secretRef": {"name": "keys"}}],
    "securityContext": None,
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    "command": ["sh"],
    "args": None,
    "restartPolicy": None,
}


@pytest.mark.parametrize("field", SET)
def test_a_template_sets_nothing_else_of_it(field):
    with pytest.raises(ManifestError) as error:
        pod(initContainers=[{"name": "warm"}, {"name": "sandbox", field: SET[field]}])
    where = f"spec.workers.template.spec.initContainers[1].{field}: is not to be set"
    assert str(error.value).startswith(where)
    assert "image, imagePullPolicy, resources" in str(error.value)


def test_another_container_has_another_name():
    with pytest.raises(ManifestError, match=r"template\.spec\.containers\[0\]\.name: sandbox is"):
        pod(containers=[{"name": "sandbox", "image": "x"}])


def test_its_volumes_are_ours():
    given = [
        {"name": name, "hostPath": {"path": "/"}}
        for name in ("sandbox", "sandbox-files", "sandbox-scratch")
    ]
    mount = {"name": "scratch", "mountPath": "/sandbox"}
    spec = pod(volumes=given, containers=[{"name": "worker", "volumeMounts": [mount]}])
    assert not any("hostPath" in volume for volume in spec["volumes"])
    assert volumes(worker(spec))["sandbox"] is True


def test_a_runtime_class_holds_for_both():
    spec = pod(runtimeClassName="gvisor")
    assert spec["runtimeClassName"] == "gvisor"
    assert sandbox(spec)["name"] == "sandbox"


def test_process_is_the_pod_without_it():
    spec = pod("Process", containers=[{"name": "sandbox", "image": "x"}])
    assert "initContainers" not in spec
    assert not [name for name in env(worker(spec)) if "SANDBOX" in name]
    assert not [volume for volume in spec["volumes"] if "sandbox" in volume["name"]]


def test_a_coordinator_has_none():
    run = make_run()
    job = jobs.coordinator_job(run, parse_resource(run), Settings())
    assert "initContainers" not in job["spec"]["template"]["spec"]
