"""The real nodes: each with namespaces, a containerd, a kubelet and a kube-proxy of its own.

A node's programs run under `node_init`, process 1 of the node's process namespace; killing that one
process is losing the node.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.base.binaries import binary
from devcluster.base.commands import CommandError
from devcluster.real import cgroups, image_store, node_files, records
from devcluster.real.layout import HOST_ADDRESS

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster
    from devcluster.base.control_plane import ControlPlane
    from devcluster.real.images import Images
    from devcluster.real.layout import NodeLayout
    from devcluster.real.records import Record

GPUS = 2
READY_SECONDS = 300.0
# Empty and private in each node: sockets, pods' network namespaces, results of network plugins.
PRIVATE = ("/run", "/var/lib/cni", "/var/log")


def start(node: NodeLayout, plane: ControlPlane, images: Images) -> None:
    """Make a node and start it; `wait_until_ready` tells when it takes pods."""
    node.folder.mkdir(parents=True, exist_ok=True)
    for part in ("cni", "logs", "pod-logs", "kubelet", "volume-plugins"):
        (node.folder / part).mkdir(exist_ok=True)
    cgroups.make(node.namespace)
    if not (node.folder / "containerd").exists():
        image_store.copy_to(node.folder / "containerd")
    _write_files(node, plane, images)
    document = node.folder / "programs.json"
    document.write_text(json.dumps({"folders": PRIVATE, "programs": _programs(node)}))
    unshare = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--mount-proc"]
    program = Path(__file__).with_name("node_init.py")
    init = [sys.executable, "-S", str(program), str(document)]
    records.write(
        node.name,
        ["nsenter", f"--net=/run/netns/{node.namespace}", *unshare, "--kill-child", *init],
        {"PATH": os.environ["PATH"], "HOME": str(node.folder)},
        node.folder / "logs" / "init.log",
    ).start()


def wait_until_ready(node: NodeLayout, cluster: Cluster) -> None:
    """Wait until the node takes pods; gives it its make-believe GPUs.

    Raises:
        CommandError: it took too long; the message ends with its kubelet's log.
    """
    deadline = time.monotonic() + READY_SECONDS
    registered = False
    while True:
        found = cluster.get("node", node.name)
        if found is not None and not registered:
            (node.folder / "registered").touch()
            give_gpus(node, cluster)
            registered = True
        conditions = (found or {}).get("status", {}).get("conditions", [])
        if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            return
        if time.monotonic() > deadline:
            logs = node.folder / "logs"
            tail = "".join(
                f"\n--- {log.name}\n{log.read_text(errors='replace')[-2000:]}"
                for log in (logs / "init.log", logs / "containerd.log", logs / "kubelet.log")
                if log.exists()
            )
            raise CommandError(f"{node.name} was not Ready in {READY_SECONDS:.0f} s:{tail}")
        time.sleep(0.2)


def give_gpus(node: NodeLayout, cluster: Cluster, count: int = GPUS) -> None:
    """Let the node say that it has GPUs; the scheduler counts them as it would real ones."""
    patch = [
        {"op": "add", "path": f"/status/{part}/nvidia.com~1gpu", "value": str(count)}
        for part in ("capacity", "allocatable")
    ]
    cluster.kubectl(
        "patch", "node", node.name, "--subresource=status", "--type=json", "-p", json.dumps(patch)
    )


def process(node: NodeLayout) -> Record:
    """The node as a server process: `end(0)` loses it at once, containers and all."""
    return records.read(node.name)


def inside(node: NodeLayout) -> list[str]:
    """The command by which another command is run within the node.

    Raises:
        CommandError: the node does not run.
    """
    outer = process(node).pid
    children = Path(f"/proc/{outer}/task/{outer}/children")
    if outer is None or not (first := children.read_text().split()):
        raise CommandError(f"{node.name} does not run")
    return ["nsenter", f"--target={first[0]}", "--mount", "--net", "--pid"]


def containerd_client(node: NodeLayout) -> list[str]:
    """The command `ctr` for the node's containers and images."""
    ctr = ["ctr", "--address", node_files.SOCKET, "--namespace", "k8s.io"]
    return [*inside(node), *ctr]


def remove(node: NodeLayout) -> None:
    """End a node, if it runs, and remove what it had."""
    if node.name in records.names():
        process(node).end(0)
    cgroups.remove(node.namespace)
    if node.folder.exists():
        shutil.rmtree(node.folder)


def _write_files(node: NodeLayout, plane: ControlPlane, images: Images) -> None:
    folder = node.folder
    user = plane.as_user(f"system:node:{node.name}", ["system:nodes"])
    server = plane.authority.issue(
        f"kubelet-{node.name}", node.name, names=[node.name, node.address]
    )
    proxy_user = plane.as_user("system:kube-proxy")
    texts = {
        "containerd.toml": node_files.containerd(
            folder / "containerd", images.pause, folder / "cni"
        ),
        "cni/10-cycleqd.conflist": node_files.pod_network(node),
        "kubelet.yaml": node_files.kubelet(node, plane.authority.pair.certificate, server),
        "kube-proxy.yaml": node_files.proxy(node, proxy_user.kubeconfig),
        "resolv.conf": f"nameserver {HOST_ADDRESS}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    shutil.copy(user.kubeconfig, folder / "kubeconfig")


def _programs(node: NodeLayout) -> list[dict[str, object]]:
    folder = node.folder
    kubelet = [
        str(binary("kubelet", "kubernetes")),
        f"--config={folder / 'kubelet.yaml'}",
        f"--kubeconfig={folder / 'kubeconfig'}",
        f"--root-dir={folder / 'kubelet'}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    ]
    commands: dict[str, tuple[list[str], str]] = {
        "containerd": (["containerd", "--config", str(folder / "containerd.toml")], ""),
        "kubelet": (kubelet, node_files.SOCKET),
        "kube-proxy": (
            [str(binary("kube-proxy", "kubernetes")), f"--config={folder / 'kube-proxy.yaml'}"],
            str(folder / "registered"),
        ),
    }
    return [
        {
            "name": name,
            "command": command,
            "log": str(folder / "logs" / f"{name}.log"),
            "waits_for": waits_for,
        }
        for name, (command, waits_for) in commands.items()
    ]
