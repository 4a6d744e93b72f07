"""Kubeconfig files: an API server, its authority and one identity, all embedded in one file."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.base.certificates import KeyPair


def write_kubeconfig(
    path: Path,
    server: str,
    authority: bytes,
    identity: KeyPair | str,
    namespace: str = "default",
) -> Path:
    """Write a kubeconfig that only its owner can read.

    Args:
        path: the file.
        server: URL of the API server.
        authority: PEM of the certificate that signed the server's.
        identity: a client certificate, or a bearer token.
        namespace: of commands that name none.
    """
    if isinstance(identity, str):
        user: dict[str, str] = {"token": identity}
    else:
        user = {
            "client-certificate-data": _encoded(identity.certificate.read_bytes()),
            "client-key-data": _encoded(identity.key.read_bytes()),
        }
    cluster = {"server": server, "certificate-authority-data": _encoded(authority)}
    context = {"cluster": "cycleqd", "user": "user", "namespace": namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cycleqd", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "cycleqd", "context": context}],
        "current-context": "cycleqd",
    }
    path.touch(0o600)
    path.write_text(yaml.safe_dump(document))
    return path


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
