"""The cables of the cluster: a bridge, and a network namespace for each node behind it.

Nothing of the host's own network is touched: the bridge, the nodes' namespaces and the routes to
their pods are added and removed again. Pods reach each other and the host, not the world outside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.base.commands import run
from devcluster.real.layout import BRIDGE, HOST_ADDRESS, NODES, PREFIX_LENGTH

if TYPE_CHECKING:
    from devcluster.real.layout import NodeLayout

NAMESPACES = Path("/run/netns")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def forwarding() -> str:
    """Whether the host forwards packets, as the kernel writes it."""
    return FORWARDING.read_text().strip()


def make() -> None:
    """Make the bridge and the nodes' namespaces; what exists already is made anew."""
    remove()
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{HOST_ADDRESS}/{PREFIX_LENGTH}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    FORWARDING.write_text("1")
    for node in NODES:
        _make_node(node)
    for node in NODES:
        for other in NODES:
            if other != node:
                _inside(node, "ip", "route", "add", other.pod_range, "via", other.address)


def remove(forwarding_before: str | None = None) -> None:
    """Remove all that `make` makes; what is not there is no error.

    Args:
        forwarding_before: what `forwarding` said before `make`, to set again.
    """
    for node in NODES:
        if (NAMESPACES / node.namespace).exists():
            run("ip", "netns", "delete", node.namespace)
        if _has_link(node.link):
            # It also goes with its other end, at any moment.
            run("ip", "link", "delete", node.link, check=False)
    if _has_link(BRIDGE):
        run("ip", "link", "delete", BRIDGE)
    # `ip netns` mounts this folder over itself when it makes the first namespace.
    mounts = Path("/proc/self/mounts").read_text()
    if f" {NAMESPACES} " in mounts and not any(NAMESPACES.iterdir()):
        run("umount", NAMESPACES)
    if forwarding_before is not None:
        FORWARDING.write_text(forwarding_before)


def is_whole() -> bool:
    """Whether all of the network exists; a restart of the machine takes it away."""
    return len(left()) == 1 + 2 * len(NODES)


def left() -> list[str]:
    """What of the network exists, for `status` and for the test that nothing is left."""
    links = [name for name in (BRIDGE, *(node.link for node in NODES)) if _has_link(name)]
    names = [node.namespace for node in NODES]
    return links + [name for name in names if (NAMESPACES / name).exists()]


def _make_node(node: NodeLayout) -> None:
    run("ip", "netns", "add", node.namespace)
    run(
        "ip",
        "link",
        "add",
        node.link,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        node.namespace,
    )
    run("ip", "link", "set", node.link, "master", BRIDGE, "up")
    _inside(node, "ip", "link", "set", "lo", "up")
    _inside(node, "ip", "address", "add", f"{node.address}/{PREFIX_LENGTH}", "dev", "eth0")
    _inside(node, "ip", "link", "set", "eth0", "up")
    _inside(node, "ip", "route", "add", "default", "via", HOST_ADDRESS)
    _inside(node, "sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1")
    run("ip", "route", "add", node.pod_range, "via", node.address, "dev", BRIDGE)


def _inside(node: NodeLayout, *command: str) -> None:
    run("nsenter", f"--net={NAMESPACES / node.namespace}", *command)


def _has_link(name: str) -> bool:
    return (Path("/sys/class/net") / name).exists()
