"""The configuration of a node's programs: containerd, its pod network, kubelet and kube-proxy.

The settings are those that run with few rights on a developer's machine: cgroups without systemd,
no AppArmor, no raising of an out-of-memory score, no kernel parameters.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from devcluster.real.layout import CLUSTER_DOMAIN, HOST_ADDRESS, POD_RANGE

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.base.certificates import KeyPair
    from devcluster.real.layout import NodeLayout

CNI_PROGRAMS = "/usr/lib/cni"
# Sockets must have short paths; /run is the node's own.
SOCKET = "/run/containerd/containerd.sock"
# What a pod gets of the developer's processes, whatever runs in it.
POD_PIDS = 1024

CONTAINERD = """\
version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_programs}"
    conf_dir = "{cni_folder}"
"""


def containerd(root: Path, pause_image: str, cni_folder: Path) -> str:
    """Containerd's configuration (TOML).

    Args:
        root: images and containers.
        pause_image: of every pod's sandbox.
        cni_folder: has the pod network's configuration.
    """
    return CONTAINERD.format(
        root=root,
        socket=SOCKET,
        pause_image=pause_image,
        cni_folder=cni_folder,
        cni_programs=CNI_PROGRAMS,
    )


def pod_network(node: NodeLayout) -> str:
    """The chain of network plugins that connects each pod: a bridge within the node."""
    addresses = {
        "type": "host-local",
        "dataDir": str(node.folder / "addresses"),
        "ranges": [[{"subnet": node.pod_range}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": "cycleqd", "plugins": [bridge, ports]})


def kubelet(node: NodeLayout, authority: Path, server: KeyPair) -> str:
    """Kubelet's configuration.

    Args:
        node: which node.
        authority: certificate that its clients' are signed by.
        server: what it serves with.
    """
    return _document(
        "kubelet.config.k8s.io/v1beta1",
        "KubeletConfiguration",
        authentication={
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        authorization={"mode": "Webhook"},
        tlsCertFile=str(server.certificate),
        tlsPrivateKeyFile=str(server.key),
        cgroupDriver="cgroupfs",
        cgroupRoot=f"/{node.namespace}",
        clusterDNS=[HOST_ADDRESS],
        clusterDomain=CLUSTER_DOMAIN,
        containerRuntimeEndpoint=f"unix://{SOCKET}",
        failSwapOn=False,
        # The disk is the developer's: neither evict pods nor delete images for the want of it.
        evictionHard={"memory.available": "100Mi", "nodefs.available": "1%"},
        imageGCHighThresholdPercent=100,
        imageGCLowThresholdPercent=99,
        makeIPTablesUtilChains=False,
        nodeLeaseDurationSeconds=20,
        podLogsDir=str(node.folder / "pod-logs"),
        podPidsLimit=POD_PIDS,
        resolvConf=str(node.folder / "resolv.conf"),
        volumePluginDir=str(node.folder / "volume-plugins"),
    )


def proxy(node: NodeLayout, kubeconfig: Path) -> str:
    """kube-proxy's configuration: Services by nftables, no tuning of the kernel."""
    return _document(
        "kubeproxy.config.k8s.io/v1alpha1",
        "KubeProxyConfiguration",
        mode="nftables",
        clusterCIDR=POD_RANGE,
        clientConnection={"kubeconfig": str(kubeconfig)},
        conntrack={"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        hostnameOverride=node.name,
    )


def _document(api_version: str, kind: str, **settings: Any) -> str:  # noqa: ANN401  # any YAML
    return yaml.safe_dump({"apiVersion": api_version, "kind": kind, **settings}, sort_keys=False)
