"""Variables, volumes, ports and arguments of the pods are the contract with ``cycleqd pod``."""

import json

import pytest

from cycleqd.contract.progress import OpenStage
from cycleqd.manifest.reader import parse_resource
from cycleqd.pod.settings import CoordinatorSettings, WorkerPodSettings
from cycleqd_operator.children import config_maps, jobs
from cycleqd_operator.settings import Settings
from tests.operator.world import make_run

STORAGE = {
    "uri": "s3://bucket/runs/",
    "s3": {
        "endpoint": "https://s3.lab",
        "region": "lab-1",
        "addressingStyle": "Path",
        "checksums": "WhenRequired",
        "caBundleRef": {"name": "lab-ca", "key": "root.pem"},
        "credentialsSecretRef": {"name": "lab-keys"},
    },
}
STAGE = OpenStage(stage="generations/000012", entries=2, finished=0)


def containers(**spec):
    """Containers of coordinator, pool worker and stage worker."""
    run = make_run(**spec)
    manifest, settings = parse_resource(run), Settings()
    made = (
        jobs.coordinator_job(run, manifest, settings),
        jobs.pool_job(run, manifest, settings),
        jobs.stage_job(run, manifest, settings, STAGE),
    )
    return [(job["spec"]["template"]["spec"], _only(job)) for job in made]


def _only(job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container


def plain(container):
    return {v["name"]: v["value"] for v in container["env"] if "value" in v}


def secrets(container):
    found = {v["name"]: v.get("valueFrom", {}).get("secretKeyRef") for v in container["env"]}
    return {name: reference for name, reference in found.items() if reference is not None}


def test_the_pods_understand_their_environment():
    (_, coordinator), (_, pool), (_, stage) = containers(workers={"replicas": 5})
    told = CoordinatorSettings.from_environment(plain(coordinator) | {"CYCLEQD_NAMESPACE": "lab"})
    assert (told.store, told.config_map) == ("s3://bucket/runs/demo", "demo-progress")
    worker = WorkerPodSettings.from_environment(plain(pool) | {"JOB_COMPLETION_INDEX": "4"})
    assert (worker.workers, worker.stage) == (5, None)
    worker = WorkerPodSettings.from_environment(plain(stage) | {"JOB_COMPLETION_INDEX": "1"})
    # Two entries need no more than two workers.
    assert (worker.workers, worker.stage.folder) == (2, "generations/000012")


def test_every_folder_that_is_named_is_mounted():
    for spec, container in containers(storage=STORAGE):
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        own = {"sandbox-scratch"} if "initContainers" in spec else set()
        assert set(mounted.values()) == {volume["name"] for volume in spec["volumes"]} - own
        env = plain(container)
        assert env["CYCLEQD_CACHE"] in mounted
        assert "/tmp" in mounted
        assert env["CYCLEQD_S3_CA_BUNDLE"] == "/etc/cycleqd-ca/root.pem"
        assert "/etc/cycleqd-ca" in mounted
        assert env.get("CYCLEQD_MANIFEST", "/scratch") in mounted
    assert ("/dev/shm" in mounted) is True


@pytest.mark.parametrize("role", [0, 1, 2])
def test_s3_settings_arrive_in_the_words_of_the_store(role):
    env = plain(containers(storage=STORAGE)[role][1])
    assert env["CYCLEQD_S3_ENDPOINT"] == "https://s3.lab"
    assert env["CYCLEQD_S3_REGION"] == "lab-1"
    assert env["CYCLEQD_S3_ADDRESSING_STYLE"] == "Path"
    assert env["CYCLEQD_S3_CHECKSUMS"] == "WhenRequired"


@pytest.mark.parametrize("role", [0, 1, 2])
def test_credentials_come_by_reference_or_not_at_all(role):
    found = secrets(containers(storage=STORAGE)[role][1])
    assert found["AWS_ACCESS_KEY_ID"] == {"name": "lab-keys", "key": "AWS_ACCESS_KEY_ID"}
    assert found["AWS_SECRET_ACCESS_KEY"]["key"] == "AWS_SECRET_ACCESS_KEY"
    assert found["AWS_SESSION_TOKEN"]["optional"] is True
    assert secrets(containers()[role][1]) == {}


def test_credentials_of_the_tracking_server_are_the_coordinators_alone():
    mlflow = {"uri": "https://mlflow.lab", "credentialsSecretRef": {"name": "mlflow-login"}}
    (spec, coordinator), *workers = containers(tracking={"mlflow": mlflow})
    assert secrets(coordinator) == {
        key: {"name": "mlflow-login", "key": key, "optional": True}
        for key in (
            "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
            "MLFLOW_TRACKING_TOKEN",
        )
    }
    assert "envFrom" not in coordinator
    assert coordinator["args"] == ["pod", "coordinate"]
    assert json.dumps(spec).count("mlflow-login") == 3
    for worker_spec, _ in workers:
        assert "mlflow" not in json.dumps(worker_spec).lower()


def test_a_template_does_not_take_the_tracking_credentials_from_elsewhere():
    stolen = {"secretKeyRef": {"name": "s3-keys", "key": "AWS_SECRET_ACCESS_KEY"}}
    theirs = {"name": "MLFLOW_TRACKING_TOKEN", "valueFrom": stolen}
    template = {"spec": {"containers": [{"name": "coordinator", "env": [theirs]}]}}
    mlflow = {"uri": "https://mlflow.lab", "credentialsSecretRef": {"name": "mlflow-login"}}
    (_, coordinator), *_ = containers(
        tracking={"mlflow": mlflow}, coordinator={"template": template}
    )
    assert secrets(coordinator)["MLFLOW_TRACKING_TOKEN"]["name"] == "mlflow-login"


def test_where_a_run_is_tracked_makes_no_new_pods():
    def coordinator_pod(**tracking):
        return containers(**tracking)[0]

    there, elsewhere = ({"mlflow": {"uri": f"http://mlflow-{n}:5000"}} for n in (1, 2))
    assert coordinator_pod(tracking=there) == coordinator_pod(tracking=elsewhere)
    assert coordinator_pod(tracking=there) == coordinator_pod()


def test_arguments_images_and_probes():
    (_, coordinator), (_, pool), (_, stage) = containers(workers={"replicas": 2, "image": "mine:1"})
    assert coordinator["args"] == ["pod", "coordinate"]
    assert pool["args"] == stage["args"] == ["pod", "work"]
    assert pool["image"] == "mine:1"
    assert coordinator["image"] == Settings().worker_image
    assert pool["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    for container in (coordinator, pool, stage):
        assert plain(container)["CYCLEQD_HEALTH_PORT"] == "8080"
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"] == {"path": "/healthz", "port": 8080}


def test_the_manifest_arrives_as_a_document_of_one_generation():
    run = make_run()
    run["metadata"]["generation"] = 7
    data = config_maps.manifest_config_map(run)["data"]
    document = json.loads(data["run.json"])
    assert data["generation"] == "7"
    assert document["metadata"] == {"name": "demo"}
    assert parse_resource(document) == parse_resource(run)
