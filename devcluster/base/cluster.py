"""What a client needs of a cluster, whoever runs it: a kubeconfig, a kubectl, a Python client."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from kubernetes import client, config

from devcluster.base.binaries import binary
from devcluster.base.kubeconfigs import write_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]
KUBECTL_SECONDS = 180.0
TOKEN_SECONDS = 3600 * 12


@dataclass(frozen=True)
class Cluster:
    """An API server as one identity sees it.

    Attributes:
        kubeconfig: file with the address, the authority and the identity.
    """

    kubeconfig: Path

    def kubectl(
        self,
        *arguments: str,
        stdin: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        check: bool = True,
        timeout: float = KUBECTL_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run the kubectl of the cluster's own version.

        Args:
            arguments: of kubectl.
            stdin: text, or objects that are given as JSON (with ``-f -`` among the arguments).
            check: whether a failure raises.
            timeout: seconds.

        Raises:
            RuntimeError: it failed; the message has what it wrote.
        """
        if stdin is not None and not isinstance(stdin, str):
            objects = [stdin] if isinstance(stdin, dict) else list(stdin)
            stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        done = subprocess.run(
            [str(binary("kubectl", "kubernetes")), *arguments],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done

    def get(self, kind: str, name: str, namespace: str | None = None) -> Json | None:
        """One object as the API server returns it, None where there is none."""
        scope = ["-n", namespace] if namespace else []
        done = self.kubectl("get", kind, name, *scope, "-o", "json", "--ignore-not-found")
        found: Json | None = json.loads(done.stdout) if done.stdout.strip() else None
        return found

    def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Json]:
        """Objects of one kind, in one or all namespaces."""
        scope = ["-n", namespace] if namespace else ["-A"]
        done = self.kubectl("get", kind, *scope, "-l", selector, "-o", "json")
        items: list[Json] = json.loads(done.stdout)["items"]
        return items

    def apply(self, *objects: Mapping[str, Any], namespace: str | None = None) -> None:
        """`kubectl apply` of objects, in order."""
        scope = ["-n", namespace] if namespace else []
        self.kubectl("apply", *scope, "-f", "-", stdin=objects)

    @cached_property
    def api(self) -> client.ApiClient:
        """A client for `kubernetes.client.*Api`; each request still needs a time limit."""
        configuration = client.Configuration()
        config.load_kube_config(str(self.kubeconfig), client_configuration=configuration)
        # An outage shows at once, and nobody's log fills with attempts.
        configuration.retries = 0
        return client.ApiClient(configuration)

    def make_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Make a namespace, and wait until pods can be created in it."""
        metadata = {"name": name, "labels": dict(labels or {})}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        deadline = time.monotonic() + 60
        while self.get("serviceaccount", "default", name) is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"namespace {name} got no default ServiceAccount in 60 s")
            time.sleep(0.1)

    def as_service_account(self, namespace: str, name: str, path: Path) -> Cluster:
        """The same cluster as a ServiceAccount sees it; its kubeconfig is written to `path`."""
        body = {"spec": {"expirationSeconds": TOKEN_SECONDS}}
        token = client.CoreV1Api(self.api).create_namespaced_service_account_token(
            name, namespace, body, _request_timeout=10
        )
        server, authority = self.endpoint
        return Cluster(write_kubeconfig(path, server, authority, token.status.token, namespace))

    @property
    def endpoint(self) -> tuple[str, bytes]:
        """URL of the API server and PEM of its authority."""
        settings = self.api.configuration
        return str(settings.host), Path(str(settings.ssl_ca_cert)).read_bytes()

    def apply_crds(self, *files: Path) -> None:
        """Install custom resource definitions and wait until they are served."""
        for file in files:
            self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
            for document in yaml.safe_load_all(file.read_text()):
                name = f"crd/{document['metadata']['name']}"
                self.kubectl("wait", "--for=condition=Established", name, "--timeout=30s")
