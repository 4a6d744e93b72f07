"""The kinds of API objects that the operator meets, and their paths on the API server.

The client, the watches and the permission check all read this one table, so a kind is spelled once.
"""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "cycleqd.io"
VERSION = "v1alpha1"


@dataclass(frozen=True)
class Resource:
    """One namespaced kind.

    Attributes:
        group: API group, empty for the core group.
        version: version of the group.
        plural: name in paths and in RBAC rules.
        kind: name in manifests.
    """

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """As in manifests: ``batch/v1``, ``v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """Path of one object, of a namespace's objects, or of all."""
        root = f"/apis/{self.group}" if self.group else "/api"
        parts = [root, self.version]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/".join(parts)


RUN = Resource(GROUP, VERSION, "cycleqdruns", "CycleQDRun")
JOB = Resource("batch", "v1", "jobs", "Job")
POD = Resource("", "v1", "pods", "Pod")
CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
ROLE = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDING = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
EVENT = Resource("events.k8s.io", "v1", "events", "Event")

WATCHED = (RUN, JOB, POD, CONFIG_MAP)
"""Kinds that the cache holds: runs, and what carries the run label."""

BY_KIND = {
    resource.kind: resource for resource in (*WATCHED, SERVICE_ACCOUNT, ROLE, ROLE_BINDING, EVENT)
}
