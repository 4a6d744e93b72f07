"""Settings of the S3 server, in the one spelling of manifests and of variables.

The SDK has a spelling of its own, which `cycleqd.store.s3_client` alone knows. Nothing here is
secret: credentials come by the AWS chain.
"""

from __future__ import annotations

from typing import Literal

from cycleqd.contract import variables

AddressingStyle = Literal["Auto", "Path", "Virtual"]
Checksums = Literal["WhenSupported", "WhenRequired"]


def environment(
    *,
    endpoint: str | None,
    region: str | None,
    ca_bundle: str | None,
    addressing_style: AddressingStyle,
    checksums: Checksums,
) -> dict[str, str]:
    """The variables that give another process these settings."""
    told = {
        variables.S3_ENDPOINT: endpoint,
        variables.S3_REGION: region,
        variables.S3_CA_BUNDLE: ca_bundle,
        variables.S3_ADDRESSING_STYLE: addressing_style,
        variables.S3_CHECKSUMS: checksums,
    }
    return {name: value for name, value in told.items() if value is not None}
