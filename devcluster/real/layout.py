"""Where the parts of `make cluster` lie: folders, addresses, names. One such cluster a machine.

The host has the bridge, with the API server, the S3 server and the name server on its address. Each
node is a network namespace behind it, with a network of its own for pods:

    host   cqd0 10.99.0.1     kube-apiserver, versitygw :7070, CoreDNS :53
    node-a eth0 10.99.0.11    pods 10.244.11.0/24
    node-b eth0 10.99.0.12    pods 10.244.12.0/24

State lies in `CYCLEQD_CLUSTER_HOME` (by default under ~/.local/state), images in the cache folder;
both on one file system, so that nodes share the images' files by hard links.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = "cqd0"
HOST_ADDRESS = "10.99.0.1"
PREFIX_LENGTH = 24
SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.244.0.0/16"
CLUSTER_DOMAIN = "cluster.local"
API_PORT = 6443
S3_PORT = 7070


@dataclass(frozen=True)
class NodeLayout:
    """One node's names and addresses.

    Attributes:
        name: as `kubectl get nodes` shows it.
        number: last part of its address and third part of its pods'.
    """

    name: str
    number: int

    @property
    def address(self) -> str:
        """The node's address on the bridge."""
        return f"10.99.0.{self.number}"

    @property
    def pod_range(self) -> str:
        """Addresses of its pods, in CIDR notation."""
        return f"10.244.{self.number}.0/24"

    @property
    def namespace(self) -> str:
        """Its network namespace, and its cgroup folder."""
        return f"cqd-{self.name}"

    @property
    def link(self) -> str:
        """The host's end of its cable."""
        return f"cqd{self.number}"

    @property
    def folder(self) -> Path:
        """Its containers, volumes, configuration and logs."""
        return home() / "nodes" / self.name


NODES = (NodeLayout("node-a", 11), NodeLayout("node-b", 12))


def home() -> Path:
    """The folder of the running cluster; it exists exactly while something of it may."""
    given = os.environ.get("CYCLEQD_CLUSTER_HOME")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(given) if given else Path(state) / "cycleqd" / "cluster"


def cache() -> Path:
    """The folder of images, which outlives clusters and clones."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "cycleqd" / "images"


def kubeconfig() -> Path:
    """The administrator's kubeconfig of the running cluster."""
    return home() / "kubeconfig"
