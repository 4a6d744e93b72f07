"""The cluster's name server: CoreDNS on the bridge, so that pods find Services by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devcluster.base.binaries import binary
from devcluster.real import records
from devcluster.real.layout import CLUSTER_DOMAIN, HOST_ADDRESS, home

if TYPE_CHECKING:
    from pathlib import Path

NAME = "coredns"

COREFILE = """\
.:53 {{
  bind {address}
  errors
  ready {address}:8181
  kubernetes {domain} in-addr.arpa {{
    kubeconfig {kubeconfig}
  }}
  cache 5
}}
"""


def start(kubeconfig: Path) -> None:
    """Start the name server; it knows the cluster's names only."""
    folder = home() / "dns"
    folder.mkdir(parents=True, exist_ok=True)
    corefile = folder / "Corefile"
    text = COREFILE.format(address=HOST_ADDRESS, domain=CLUSTER_DOMAIN, kubeconfig=kubeconfig)
    corefile.write_text(text)
    command = [str(binary("coredns")), "-conf", str(corefile)]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    records.write(NAME, command, env, home() / "logs" / "coredns.log").start()
