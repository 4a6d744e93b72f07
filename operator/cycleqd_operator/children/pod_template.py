"""The pods of a run: what the coordinator and the workers find around them.

Variables, folders, the port and the arguments are those of `cycleqd.contract`. They, the restart
policy and the identity belong to the operator, the rest (images, resources, volumes, placement) to
the user's template. Beside a worker generated code has a container of its own
(`cycleqd_operator.children.sandbox`). Pods fit the restricted Pod Security Standard: not root, no
capabilities, a read-only root file system.
"""

from __future__ import annotations

from collections.abc import Mapping

from cycleqd.contract import pods, variables
from cycleqd.contract.s3 import environment
from cycleqd.manifest.cluster import PodTemplate
from cycleqd.manifest.model import Manifest
from cycleqd_operator.children import sandbox
from cycleqd_operator.children.pod_merge import merge
from cycleqd_operator.children.queue import pod_annotations
from cycleqd_operator.kube import names
from cycleqd_operator.kube.objects import Json, as_json
from cycleqd_operator.settings import Settings

USER = 65532
"""Numeric, so that the kubelet can see that it is not root."""

LOST_NODE_SECONDS = 30
"""Time after which the pods of a node that does not answer are replaced."""

_FIXED_VOLUMES = {"manifest", "ca", *sandbox.VOLUMES, *sandbox.OWN_VOLUMES}
_LOST_NODE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def worker_template(
    manifest: Manifest, settings: Settings, *, workers: int, stage: str | None = None
) -> Json:
    """The pod template of a worker Job.

    Args:
        manifest: the run.
        settings: the operator's defaults.
        workers: how many share the work.
        stage: the only stage to work on, such as ``generations/000012``; all when absent.
    """
    spec = manifest.spec.workers
    env = {**_common_env(manifest), variables.WORKERS: str(workers)}
    if stage is not None:
        env[variables.STAGE] = stage
    contained = sandbox.is_wanted(manifest)
    if contained:
        env |= sandbox.VARIABLES
    return _template(
        manifest,
        settings,
        component="worker",
        template=spec.template,
        container={
            "image": spec.image or settings.worker_image,
            "args": pods.arguments("worker"),
            "env": _variables(env) + _credentials(manifest),
            "resources": settings.worker_resources,
        },
        volumes={
            "shm": ({"emptyDir": {"medium": "Memory"}}, "/dev/shm"),  # noqa: S108
            **(sandbox.VOLUMES if contained else {}),
        },
        service_account=names.worker(manifest.metadata.name),
        owned={"automountServiceAccountToken": False},
    )


def coordinator_template(manifest: Manifest, settings: Settings) -> Json:
    """The pod template of the coordinator's Job."""
    run = manifest.metadata.name
    spec = manifest.spec.coordinator
    env = {
        **_common_env(manifest),
        variables.MANIFEST: pods.MANIFEST_FOLDER,
        variables.PROGRESS_CONFIG_MAP: names.progress_config_map(run),
    }
    namespace = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return _template(
        manifest,
        settings,
        component="coordinator",
        template=spec.template,
        container={
            "image": spec.image or settings.worker_image,
            "args": pods.arguments("coordinator"),
            "env": [
                *_variables(env),
                {"name": variables.NAMESPACE, "valueFrom": namespace},
                *_credentials(manifest),
                *_tracking_credentials(manifest),
            ],
            "resources": settings.coordinator_resources,
        },
        volumes={"manifest": (_config_map(names.manifest_config_map(run)), pods.MANIFEST_FOLDER)},
        service_account=names.coordinator(run),
        owned={"automountServiceAccountToken": True},
    )


def _template(
    manifest: Manifest,
    settings: Settings,
    *,
    component: pods.Component,
    template: PodTemplate | None,
    container: Json,
    volumes: Mapping[str, tuple[Json, str]],
    service_account: str,
    owned: Json,
) -> Json:
    """What both kinds of pods share, with the user's template merged in."""
    given = template or PodTemplate()
    path = f"spec.{'workers' if component == 'worker' else component}.template.spec"
    theirs = as_json(given.spec)
    volumes = {
        "scratch": ({"emptyDir": {}}, pods.SCRATCH_FOLDER),
        "tmp": ({"emptyDir": {}}, "/tmp"),  # noqa: S108
        **volumes,
        **_ca_volume(manifest),
    }
    contract: Json = {
        "name": component,
        **container,
        "ports": [{"name": "http", "containerPort": pods.HEALTH_PORT}],
        "imagePullPolicy": settings.image_pull_policy,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": name, "mountPath": path, **_access(name, volume)}
            for name, (volume, path) in volumes.items()
        ],
        **_probes(),
    }
    contained = pods.SANDBOX in volumes
    ours: Json = {
        "terminationGracePeriodSeconds": pods.GRACE_SECONDS[component],
        # A Service called "vllm" in the namespace would set VLLM_PORT and the like.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "tolerations": _tolerations(theirs.get("tolerations") or ()),
        "containers": [contract],
        "volumes": [{"name": name, **volume} for name, (volume, _) in volumes.items()],
    }
    if contained:
        ours["initContainers"] = [sandbox.container(settings)]
        ours["volumes"] += [{"name": name, **own} for name, own in sandbox.OWN_VOLUMES.items()]
    spec = merge(ours, theirs, path)
    if contained:
        sandbox.check_template(theirs, path)
        worker = next(found for found in spec["containers"] if found.get("name") == component)
        spec["initContainers"] = sandbox.completed(
            spec["initContainers"], worker, spec.get("securityContext") or {}
        )
    spec["containers"] = [
        _restored(found, contract) if found.get("name") == component else found
        for found in spec["containers"]
    ]
    fixed = {volume["name"] for volume in ours["volumes"]} & _FIXED_VOLUMES
    spec["volumes"] = [
        next(v for v in ours["volumes"] if v["name"] == found["name"])
        if found.get("name") in fixed
        else found
        for found in spec["volumes"]
    ]
    spec.update(owned, restartPolicy="Never", serviceAccountName=service_account)
    metadata: Json = {
        "labels": {**given.metadata.labels, **names.labels(manifest.metadata.name, component)}
    }
    if annotations := pod_annotations(given.metadata.annotations):
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": {key: v for key, v in spec.items() if v not in ([], {})}}


def _restored(container: Json, contract: Json) -> Json:
    """The container with what the contract fixes, whatever the user's template says."""
    fixed = {variable["name"]: variable for variable in contract["env"]}
    env = [fixed.get(found.get("name"), found) for found in container["env"]]
    mounts = {m["mountPath"]: m for m in contract["volumeMounts"] if m.get("readOnly")}
    return {
        **container,
        "args": contract["args"],
        "env": env,
        "volumeMounts": [mounts.get(m.get("mountPath"), m) for m in container["volumeMounts"]],
        "terminationMessagePolicy": contract["terminationMessagePolicy"],
    }


def _access(name: str, volume: Json) -> Json:
    """What a mount says about writing; one may connect to a socket that one cannot replace."""
    return {"readOnly": True} if name == pods.SANDBOX or "emptyDir" not in volume else {}


def _config_map(name: str) -> Json:
    return {"configMap": {"name": name}}


def _ca_volume(manifest: Manifest) -> dict[str, tuple[Json, str]]:
    ref = manifest.spec.storage.s3.ca_bundle_ref
    return {} if ref is None else {"ca": (_config_map(ref.name), pods.CA_FOLDER)}


def _variables(values: Mapping[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _common_env(manifest: Manifest) -> dict[str, str]:
    """What both roles need to reach the store and to report."""
    storage, s3 = manifest.spec.storage, manifest.spec.storage.s3
    ca = s3.ca_bundle_ref
    return {
        variables.STORE: f"{(storage.uri or '').rstrip('/')}/{manifest.metadata.name}",
        variables.CACHE: pods.SCRATCH_FOLDER,
        variables.HEALTH_PORT: str(pods.HEALTH_PORT),
        "HOME": f"{pods.SCRATCH_FOLDER}/home",
        **environment(
            endpoint=s3.endpoint,
            region=s3.region,
            ca_bundle=s3.ca_bundle if ca is None else f"{pods.CA_FOLDER}/{ca.key}",
            addressing_style=s3.addressing_style,
            checksums=s3.checksums,
        ),
    }


def _credentials(manifest: Manifest) -> list[Json]:
    """The Secret's keys as AWS variables; the kubelet reads it, the operator never does."""
    ref = manifest.spec.storage.s3.credentials_secret_ref
    if ref is None:
        return []

    keys: list[Json] = [
        {"key": variables.AWS_ACCESS_KEY_ID},
        {"key": variables.AWS_SECRET_ACCESS_KEY},
        {"key": variables.AWS_SESSION_TOKEN, "optional": True},
    ]
    return [
        {"name": key["key"], "valueFrom": {"secretKeyRef": {"name": ref.name, **key}}}
        for key in keys
    ]


def _tracking_credentials(manifest: Manifest) -> list[Json]:
    """Those of the tracking server, which only the coordinator talks to.

    Key by key, so that a Secret gives the pod no other variables; optional, since a Secret that is
    missing must not keep a run from going on.
    """
    tracking = manifest.spec.tracking
    ref = None if tracking is None else tracking.mlflow.credentials_secret_ref
    if ref is None:
        return []
    return [
        {
            "name": key,
            "valueFrom": {"secretKeyRef": {"name": ref.name, "key": key, "optional": True}},
        }
        for key in variables.MLFLOW
    ]


def _probes() -> Json:
    """Probes of the supervisor, which answers before any model is loaded."""
    get = {"httpGet": {"path": pods.HEALTH_PATH, "port": pods.HEALTH_PORT}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**get, "periodSeconds": 2, "failureThreshold": 300},
        "readinessProbe": {**get, "periodSeconds": 10, "failureThreshold": 3},
        "livenessProbe": {**get, "periodSeconds": 20, "failureThreshold": 6},
    }


def _tolerations(given: object) -> list[Json]:
    """Short waits for lost nodes, where the user's template does not say how long."""
    known = [  # a key of the user's may be anything, and is the API server's to refuse
        found.get("key")
        for found in (given if isinstance(given, list) else ())
        if isinstance(found, dict) and found.get("effect") in (None, "", "NoExecute")
    ]
    return [
        {
            "key": key,
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": LOST_NODE_SECONDS,
        }
        for key in _LOST_NODE
        if key not in known and None not in known
    ]
