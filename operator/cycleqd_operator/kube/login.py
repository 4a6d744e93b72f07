"""Where the API server is and who this process is, for our client and for kopf's watches alike.

``KUBECONFIG`` wins where it is set; in a pod the ServiceAccount's token is used, and read anew as
it rotates; else the user's default kubeconfig.
"""

from __future__ import annotations

import os

import kopf
from kubernetes.aio import client, config

from cycleqd.errors import InputError


async def load_configuration() -> client.Configuration:
    """The client configuration of this process.

    Raises:
        InputError: there is neither a kubeconfig nor a ServiceAccount.
    """
    found = client.Configuration()
    file = os.environ.get("KUBECONFIG")
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and not file:
            config.load_incluster_config(client_configuration=found)
        else:
            await config.load_kube_config(config_file=file or None, client_configuration=found)
    except (config.ConfigException, OSError) as error:
        raise InputError(
            f"cannot find the API server: {error}; set KUBECONFIG, or run in a pod with a"
            " ServiceAccount token"
        ) from error
    return found


async def connection_of(configuration: client.Configuration) -> kopf.ConnectionInfo:
    """The same place and identity in kopf's terms."""
    header = await configuration.get_api_key_with_prefix("BearerToken")
    scheme, _, token = (header or "").partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        username=configuration.username or None,
        password=configuration.password or None,
        scheme=scheme if token else None,
        token=token or scheme or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
    )
