"""The operator as a process on this machine, with the rights that its Role would give it.

It serves a cluster as a ServiceAccount, so what it may not do fails here as it would in a pod. Its
log, its metrics and its health are at hand; it can be stopped, killed and started again.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

from prometheus_client.parser import text_string_to_metric_families

from cycleqd_operator.kube.rights import RULES, PolicyRule
from devcluster.base.processes import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.samples import Sample

    from devcluster.base.cluster import Cluster, Json

ACCOUNT = "cycleqd-operator"
READY_SECONDS = 180.0
TERM_SECONDS = 25.0


def grant(
    cluster: Cluster,
    namespace: str,
    path: Path,
    rules: Sequence[PolicyRule] = RULES,
    *,
    cluster_wide: bool = False,
) -> Path:
    """Make a ServiceAccount that may what the operator needs.

    Args:
        cluster: as its administrator sees it.
        namespace: of the ServiceAccount, and of its Role unless `cluster_wide`.
        path: of the kubeconfig to write.
        rules: what it may.
        cluster_wide: give a ClusterRole in place of a Role.

    Returns:
        The kubeconfig.
    """
    kind = "ClusterRole" if cluster_wide else "Role"
    scope = {} if cluster_wide else {"namespace": namespace}
    name = f"{ACCOUNT}-{namespace}" if cluster_wide else ACCOUNT
    group = "rbac.authorization.k8s.io"
    meta = {"name": name, **scope}
    role: Json = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": meta}
    role["rules"] = [
        {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": list(rule.verbs)}
        for rule in rules
    ]
    account: Json = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": namespace},
    }
    binding: Json = {
        "apiVersion": f"{group}/v1",
        "kind": f"{kind}Binding",
        "metadata": meta,
        "roleRef": {"apiGroup": group, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
    }
    cluster.apply(account, role, binding)
    return cluster.as_service_account(namespace, ACCOUNT, path).kubeconfig


class OperatorProcess:
    """One operator process; a context manager that ends it.

    Args:
        kubeconfig: whom it serves, and as whom.
        folder: for its log; must exist.
        settings: environment variables without their prefix, such as ``NAMESPACES``.

    Attributes:
        log: its standard error.
        server: the process.
    """

    def __init__(self, kubeconfig: Path, folder: Path, **settings: str) -> None:
        self.log = folder / "operator.log"
        self._health_port, self._metrics_port = free_port(), free_port()
        settings = {
            "LOG_FORMAT": "text",
            "HEALTH_PORT": str(self._health_port),
            "METRICS_PORT": str(self._metrics_port),
            **settings,
        }
        environment = {f"CYCLEQD_OPERATOR_{name}": value for name, value in settings.items()}
        self.server = ServerProcess(
            [Path(sys.executable).with_name("cycleqd-operator")],
            {
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "KUBECONFIG": str(kubeconfig),
                **environment,
            },
            self.log,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.server.stop(TERM_SECONDS)

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until its probe answers: settings, permissions and caches are fine."""
        self.server.wait_until(self.is_healthy, seconds)

    def is_healthy(self) -> bool:
        """Whether its probe answers."""
        url = f"http://127.0.0.1:{self._health_port}/healthz"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False

    def metric(self, name: str, /, **labels: str) -> float:
        """Sum of a metric's samples that have these labels."""
        return sum(
            sample.value
            for sample in self._samples()
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def writes(self) -> dict[str, float]:
        """Writing requests so far by ``<verb> <kind>``, refused ones and 409 among them."""
        found: dict[str, float] = {}
        for sample in self._samples():
            if sample.name != "cycleqd_operator_api_requests_total":
                continue
            verb, kind = sample.labels["verb"], sample.labels["kind"]
            if verb in {"create", "patch", "delete"} and kind != "SelfSubjectAccessReview":
                what = f"{verb} {kind}"
                found[what] = found.get(what, 0.0) + sample.value
        return found

    def _samples(self) -> Iterator[Sample]:
        url = f"http://127.0.0.1:{self._metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            yield from family.samples
