"""What a cluster with real nodes needs of the machine: Linux, root, and a handful of packages."""

from __future__ import annotations

import os
import shutil
import sys

from devcluster.base.binaries import build
from devcluster.base.commands import CommandError
from devcluster.base.debian import install
from devcluster.real.node_files import CNI_PROGRAMS

# The Debian package of each program.
PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    f"{CNI_PROGRAMS}/bridge": "containernetworking-plugins",
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "gcc": "gcc",
    "nsenter": "util-linux",
    "sysctl": "procps",
}
TOOLS = ("kubernetes", "etcd", "coredns", "versitygw", "helm")


def obstacle() -> str | None:
    """Why no cluster with real nodes can be made here, None where one can.

    Missing Debian packages are no obstacle to root: `check` installs them.
    """
    if sys.platform != "linux":
        return f"real nodes need Linux; this is {sys.platform}"
    if os.geteuid() != 0:
        return "real nodes need root (namespaces, mounts, cgroups)"
    packages = missing_packages()
    if packages and shutil.which("apt-get") is None:
        return f"real nodes need {', '.join(packages)}; install them (Debian's names)"
    return None


def check() -> None:
    """Make sure that the machine can have nodes; installs missing Debian packages.

    Raises:
        CommandError: it cannot; the message says what to do.
    """
    if why := obstacle():
        raise CommandError(why)
    if packages := missing_packages():
        install(packages)


def missing_packages() -> list[str]:
    """Debian packages whose programs are not here."""
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


def build_tools() -> None:
    """Build the programs of scripts/tools that are missing, which says how far it is.

    Raises:
        ToolMissingError: one cannot be built.
    """
    build(*TOOLS)
