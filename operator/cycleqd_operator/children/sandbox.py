"""The container for generated code in a worker's pod: beside the worker, and with nothing of it.

It starts before the worker, is started again when it ends, and ends after it (an init container
that restarts always). It has the worker's image, another user and group, no credentials and no
variable but its socket's. Of the pod's volumes it has the socket's, which it shares with the
worker, the files that generated code may read, which it cannot write, and a scratch of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from cycleqd.contract import pods, variables
from cycleqd.errors import ManifestError
from cycleqd.manifest.model import Manifest
from cycleqd_operator.kube.objects import Json
from cycleqd_operator.settings import Settings

USERS = range(65533, 65523, -1)
"""Who it may be: the first whom its pod's security contexts do not name."""

_SCRATCH = "sandbox-scratch"
_FILES = "sandbox-files"
_ALLOWED = frozenset({"name", "image", "imagePullPolicy", "resources"})

VOLUMES: Mapping[str, tuple[Json, str]] = {
    # In memory, so that a kernel of its own under both containers (gVisor, Kata) serves the socket.
    pods.SANDBOX: ({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, pods.SANDBOX_FOLDER),
    _FILES: ({"emptyDir": {}}, pods.SANDBOX_FILES_FOLDER),
}
"""What the worker shares with it."""

OWN_VOLUMES: Mapping[str, Json] = {_SCRATCH: {"emptyDir": {"sizeLimit": "2Gi"}}}
"""What it has alone."""

VARIABLES: Mapping[str, str] = {
    variables.SANDBOX: pods.SANDBOX_SOCKET,
    variables.SANDBOX_FILES: pods.SANDBOX_FILES_FOLDER,
}
"""What the worker is told."""


def is_wanted(manifest: Manifest) -> bool:
    """Whether a run's workers have it."""
    return manifest.spec.evaluation.sandbox != "Process"


def container(settings: Settings) -> Json:
    """The container, but for its image and its user, which follow from the worker's."""
    return {
        "name": pods.SANDBOX,
        "args": [pods.COMMAND_GROUP, pods.SANDBOX],
        "restartPolicy": "Always",
        "imagePullPolicy": settings.image_pull_policy,
        "env": [{"name": variables.SANDBOX, "value": pods.SANDBOX_SOCKET}],
        "resources": settings.sandbox_resources,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": pods.SANDBOX, "mountPath": pods.SANDBOX_FOLDER},
            {"name": _FILES, "mountPath": pods.SANDBOX_FILES_FOLDER, "readOnly": True},
            {"name": _SCRATCH, "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }


def check_template(theirs: Json, path: str) -> None:
    """See that a template sets nothing of the container but image and resources.

    Args:
        theirs: the template's pod spec, whose lists are lists of objects.
        path: of it in the manifest.

    Raises:
        ManifestError: it does, gives it a claim on devices, or has another container of that name.
    """
    problems = [
        f"{path}.initContainers[{index}].{field}: is not to be set in the container for generated"
        f" code, which takes {', '.join(sorted(_ALLOWED - {'name'}))}; remove it, or call a"
        f" container of your own something else than {pods.SANDBOX}"
        for index, found in enumerate(theirs.get("initContainers") or ())
        if found.get("name") == pods.SANDBOX
        for field in sorted(found.keys() - _ALLOWED)
    ]
    problems += [
        f"{path}.initContainers[{index}].resources.claims: is not to be set in the container for"
        " generated code, which has no devices; remove it, or give the claim to a container of your"
        " own"
        for index, found in enumerate(theirs.get("initContainers") or ())
        if found.get("name") == pods.SANDBOX and _has_claims(found)
    ]
    problems += [
        f"{path}.containers[{index}].name: {pods.SANDBOX} is the operator's own container for"
        " generated code; call this one something else, or set resources and image of that one in"
        " initContainers"
        for index, found in enumerate(theirs.get("containers") or ())
        if found.get("name") == pods.SANDBOX
    ]
    if problems:
        raise ManifestError(problems)


def _has_claims(container: Json) -> bool:
    """Whether a container names claims on devices; what is no mapping is the API server's."""
    resources = container.get("resources")
    return isinstance(resources, Mapping) and bool(resources.get("claims"))


def completed(containers: list[Json], worker: Json, pod: Json) -> list[Json]:
    """A pod's init containers, ours with the image and another user than the worker's.

    Args:
        containers: the init containers.
        worker: the worker's container, with the user's template in it.
        pod: the pod's security context.
    """
    taken = {
        context.get(field)
        for context in (worker.get("securityContext") or {}, pod)
        for field in ("runAsUser", "runAsGroup", "fsGroup")
    }
    user = next(number for number in USERS if number not in taken)
    identity = {"runAsUser": user, "runAsGroup": user}
    return [
        {
            **found,
            "image": found.get("image") or worker.get("image"),
            "securityContext": {**found["securityContext"], **identity},
        }
        if found.get("name") == pods.SANDBOX
        else found
        for found in containers
    ]
