"""How to reach an S3 server; never with what credentials.

Credentials come from the usual AWS chain alone (environment, shared files and profiles, web
identity of a service account, container and instance roles), so nothing secret can end up in a
manifest, a URI, a log or an error. The names of the manifest's fields stand here once, since every
error of the store names the field to change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from cycleqd.contract.s3 import AddressingStyle, Checksums
from cycleqd.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

URI_FIELD = "spec.storage.uri"
ENDPOINT_FIELD = "spec.storage.s3.endpoint"
REGION_FIELD = "spec.storage.s3.region"
CA_BUNDLE_FIELD = "spec.storage.s3.caBundle"
ADDRESSING_FIELD = "spec.storage.s3.addressingStyle"
CHECKSUMS_FIELD = "spec.storage.s3.checksums"
PROFILE_VARIABLE = "AWS_PROFILE"
"""The profile is one of the AWS chain's names of credentials, so no field of a manifest."""


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where and how to speak S3; every default is right for AWS.

    Attributes:
        endpoint: URL of the server; None is AWS (or what ``AWS_ENDPOINT_URL`` says).
        region: None takes the chain's region, else ``us-east-1``.
        ca_bundle: file of the certificates that sign the server's; None takes the usual ones.
        addressing_style: ``Path`` (endpoint/bucket/key), ``Virtual`` (bucket.endpoint/key) or
            ``Auto``: path for an endpoint of one's own, virtual for AWS.
        checksums: ``WhenSupported`` sends CRC32 with every upload for the server to check;
            ``WhenRequired`` leaves it out for servers that refuse the header. The store's own
            SHA-256 is kept and verified either way.
    """

    endpoint: str | None = None
    region: str | None = None
    ca_bundle: Path | None = None
    addressing_style: AddressingStyle = "Auto"
    checksums: Checksums = "WhenSupported"

    def __post_init__(self) -> None:
        """Refuse what can never work.

        Raises:
            InputError: a field's value is wrong; the message names the field and never repeats
                an endpoint that carries credentials.
        """
        if self.endpoint is not None:
            _check_endpoint(self.endpoint)
        if self.ca_bundle is not None and not self.ca_bundle.is_file():
            raise InputError(
                f"{CA_BUNDLE_FIELD}: no file {str(self.ca_bundle)!r}; "
                "give a PEM file of certificates or leave the field out"
            )
        for field, value, allowed in (
            (ADDRESSING_FIELD, self.addressing_style, get_args(AddressingStyle)),
            (CHECKSUMS_FIELD, self.checksums, get_args(Checksums)),
        ):
            if value not in allowed:
                raise InputError(f"{field}: {value!r} is not one of {', '.join(allowed)}")


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise InputError(f"{ENDPOINT_FIELD}: not a URL with a valid host and port") from None
    if "@" in parts.netloc:
        raise InputError(
            f"{ENDPOINT_FIELD}: the URL carries credentials; take them out and give them by the "
            "AWS chain (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role)"
        )
    plain = not parts.query and not parts.fragment and parts.path in {"", "/"}
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or not plain
        or not port_is_valid
    ):
        raise InputError(
            f"{ENDPOINT_FIELD}: {endpoint!r} is not an endpoint; write https://host[:port] "
            "(bucket and prefix belong into the s3:// URI)"
        )
