"""A Kubernetes control plane as child processes: no root, no containers, ready in seconds.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler with certificates of their own, so
that Jobs, garbage collection, quotas, RBAC, admission and CEL are the real ones. Nodes are somebody
else's matter: kwok, `pod_player`, or real kubelets, for whose sake addresses, service range and
flags are parameters. Single components can be killed and started again, as an outage would.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from devcluster.base.binaries import binary
from devcluster.base.certificates import Authority, service_account_keys
from devcluster.base.cluster import Cluster
from devcluster.base.kubeconfigs import write_kubeconfig
from devcluster.base.processes import ServerProcess, end_by_pid_file, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Component = Literal["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
COMPONENTS: tuple[Component, ...] = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
)
LOOPBACK = "127.0.0.1"
# A kube-apiserver that is told to stop drains its watches for up to a minute.
STOP_SECONDS: dict[Component, float] = {
    "etcd": 5,
    "kube-apiserver": 3,
    "kube-controller-manager": 5,
    "kube-scheduler": 5,
}
# Clients of loopback may be quick: many tests share one control plane.
QUICK_CLIENT = ("--kube-api-qps=500", "--kube-api-burst=1000")
# Heaps of tests are small: memory is spent where the processor is short.
SELDOM_COLLECTED = {"GOGC": "400"}


@dataclass(frozen=True)
class ControlPlaneSettings:
    """What differs between control planes.

    Attributes:
        address: IP address that the API server listens on and advertises. Anything but a loopback
            address is also what pods reach it by, through the Service `kubernetes`.
        names: further host names and addresses in the API server's certificate.
        service_range: addresses of Services, in CIDR notation.
        node_grace_seconds: how long a silent node counts as Ready.
        flags: further flags by component; a later flag wins over an earlier one.
        port: of the API server, a free one by default.
        outlives_parent: whether the processes go on when the starting process ends; then only
            `ControlPlane.end_left_behind` ends them.
    """

    address: str = LOOPBACK
    names: Sequence[str] = ()
    service_range: str = "10.96.0.0/16"
    node_grace_seconds: int = 20
    flags: Mapping[Component, Sequence[str]] = field(default_factory=dict)
    port: int | None = None
    outlives_parent: bool = False


class ControlPlane:
    """The four processes over a data folder.

    Attributes:
        folder: data, certificates, kubeconfigs and logs.
        settings: addresses and flags.
        authority: signs every certificate but etcd's.
        processes: running components by name.
        admin: the cluster as its administrator sees it.
    """

    def __init__(self, folder: Path, settings: ControlPlaneSettings | None = None) -> None:
        self.settings = settings or ControlPlaneSettings()
        self.folder = folder
        for part in ("logs", "kubeconfigs", "run"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.port = self.settings.port or free_port(self.settings.address)
        self.server = f"https://{self.settings.address}:{self.port}"
        self.authority = Authority(folder / "certificates", "cycleqd-devcluster")
        self.service_accounts = service_account_keys(folder / "certificates")
        self.processes: dict[Component, ServerProcess] = {}
        self._etcd_authority = Authority(folder / "etcd-certificates", "cycleqd-devcluster-etcd")
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self._controller_ports: dict[Component, int] = {
            "kube-controller-manager": free_port(),
            "kube-scheduler": free_port(),
        }
        self.admin = self.as_user("admin", ["system:masters"])

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.admin.kubeconfig

    @property
    def authority_pem(self) -> bytes:
        """The certificate by which clients know the API server."""
        return self.authority.pair.certificate.read_bytes()

    def as_user(self, user: str, groups: Sequence[str] = ()) -> Cluster:
        """The cluster as a user sees it, by a client certificate.

        A kubelet is the user ``system:node:NAME`` of group ``system:nodes``.
        """
        file_name = user.replace(":", "-")
        pair = self.authority.issue(file_name, user, groups)
        path = self.folder / "kubeconfigs" / file_name
        return Cluster(write_kubeconfig(path, self.server, self.authority_pem, pair))

    def start(self) -> None:
        """Start every component; returns when pods can be created in namespace default.

        Raises:
            RuntimeError: one ended or was not ready in time; the message ends with its log.
        """
        try:
            for name in COMPONENTS:
                self.start_component(name)
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait until all components answer and the first ServiceAccount exists."""
        for name in COMPONENTS:
            self.processes[name].wait_until(lambda name=name: self.is_healthy(name), seconds)  # type: ignore[misc]
        deadline = time.monotonic() + seconds
        while self.admin.get("serviceaccount", "default", "default") is None:
            if time.monotonic() > deadline:
                log = self.processes["kube-controller-manager"].tail()
                raise RuntimeError(f"no default ServiceAccount in {seconds} s:\n{log}")
            time.sleep(0.1)

    def start_component(self, name: Component) -> None:
        """Start one component that does not run, and wait until it answers."""
        process = self.processes.get(name)
        if process is not None and not process.running:
            process.restart()
        elif process is None:
            flags = [*self._flags(name), *self.settings.flags.get(name, ())]
            module = "etcd" if name == "etcd" else "kubernetes"
            pid_file = self._pid_file(name) if self.settings.outlives_parent else None
            self.processes[name] = ServerProcess(
                [binary(name, module), *flags],
                {"PATH": os.environ["PATH"], "HOME": str(self.folder), **SELDOM_COLLECTED},
                self.folder / "logs" / f"{name}.log",
                cwd=self.folder,
                pid_file=pid_file,
            )
        # Controllers answer only when the API server does: those are waited for together.
        if name in {"etcd", "kube-apiserver"}:
            self.processes[name].wait_until(lambda: self.is_healthy(name))

    def kill_component(self, name: Component) -> None:
        """End one component at once, as a crash would."""
        self.processes[name].kill()

    def is_healthy(self, name: Component) -> bool:
        """Whether a component answers its readiness check."""
        context = ssl.create_default_context(cadata=self.authority_pem.decode())
        if name == "etcd":
            pair = self._etcd_authority.pair
            context = ssl.create_default_context(cafile=str(pair.certificate))
            client = self._etcd_authority.folder / "client"
            context.load_cert_chain(client.with_suffix(".crt"), client.with_suffix(".key"))
            url = f"https://{LOOPBACK}:{self._etcd_port}/health"
        elif name == "kube-apiserver":
            url = f"{self.server}/readyz"
        else:
            url = f"https://{LOOPBACK}:{self._controller_ports[name]}/healthz"
        try:
            with urllib.request.urlopen(url, timeout=5, context=context) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """End all components, the API server before etcd."""
        for name in reversed(COMPONENTS):
            process = self.processes.get(name)
            if process is not None:
                process.stop(STOP_SECONDS[name])

    @classmethod
    def end_left_behind(cls, folder: Path) -> None:
        """End the components of a folder whose starting process has ended."""
        for name in reversed(COMPONENTS):
            end_by_pid_file(folder / "run" / f"{name}.pid", STOP_SECONDS[name])

    def _pid_file(self, name: Component) -> Path:
        return self.folder / "run" / f"{name}.pid"

    def _flags(self, name: Component) -> list[str]:
        match name:
            case "etcd":
                return self._etcd_flags()
            case "kube-apiserver":
                return self._api_server_flags()
            case "kube-controller-manager":
                return self._controller_manager_flags()
            case "kube-scheduler":
                return self._controller_flags("kube-scheduler")

    def _etcd_flags(self) -> list[str]:
        self._etcd_authority.issue("client", "kube-apiserver")
        server = self._etcd_authority.issue("server", "etcd", names=[LOOPBACK])
        authority = self._etcd_authority.pair.certificate
        peer = f"http://{LOOPBACK}:{self._etcd_peer_port}"
        client = f"https://{LOOPBACK}:{self._etcd_port}"
        return [
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--cert-file={server.certificate}",
            f"--key-file={server.key}",
            f"--trusted-ca-file={authority}",
            "--client-cert-auth",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _api_server_flags(self) -> list[str]:
        network = ipaddress.ip_network(self.settings.service_range)
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        names += ["kubernetes.default.svc.cluster.local", "localhost", LOOPBACK]
        names += [str(network[1]), self.settings.address, *self.settings.names]
        server = self.authority.issue("kube-apiserver", "kube-apiserver", names=names)
        kubelet_client = self.authority.issue(
            "kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"]
        )
        etcd = self._etcd_authority
        flags = [
            f"--etcd-servers=https://{LOOPBACK}:{self._etcd_port}",
            f"--etcd-cafile={etcd.pair.certificate}",
            f"--etcd-certfile={etcd.folder / 'client.crt'}",
            f"--etcd-keyfile={etcd.folder / 'client.key'}",
            f"--bind-address={self.settings.address}",
            f"--advertise-address={self.settings.address}",
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={self.settings.service_range}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self.service_accounts.certificate}",
            f"--service-account-signing-key-file={self.service_accounts.key}",
            f"--client-ca-file={self.authority.pair.certificate}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--kubelet-client-certificate={kubelet_client.certificate}",
            f"--kubelet-client-key={kubelet_client.key}",
            f"--kubelet-certificate-authority={self.authority.pair.certificate}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged",
        ]
        if ipaddress.ip_address(self.settings.address).is_loopback:
            # An EndpointSlice may not hold a loopback address.
            flags.append("--endpoint-reconciler-type=none")
        return flags

    def _controller_manager_flags(self) -> list[str]:
        return [
            *self._controller_flags("kube-controller-manager"),
            "--use-service-account-credentials",
            f"--root-ca-file={self.authority.pair.certificate}",
            f"--service-account-private-key-file={self.service_accounts.key}",
            f"--node-monitor-grace-period={self.settings.node_grace_seconds}s",
            "--node-monitor-period=2s",
        ]

    def _controller_flags(self, name: Component) -> list[str]:
        user = self.as_user(f"system:{name}")
        server = self.authority.issue(name, f"system:{name}", names=[LOOPBACK])
        return [
            f"--kubeconfig={user.kubeconfig}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._controller_ports[name]}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            "--leader-elect=false",
            *QUICK_CLIENT,
        ]
