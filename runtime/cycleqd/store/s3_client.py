"""Making the boto3 client: time limits, retries, checksums, and what the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import boto3
import botocore.exceptions as aws
from botocore.config import Config

from cycleqd.errors import InputError
from cycleqd.store.settings import PROFILE_VARIABLE, REGION_FIELD, S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from cycleqd.contract.s3 import AddressingStyle, Checksums

CONNECT_SECONDS = 10
READ_SECONDS = 60
# Botocore's standard mode: exponential backoff with jitter, some 8 s of patience in all. Longer
# outages are for the caller, which exits with 75 and is started again.
ATTEMPTS = 5
POOL = 32

_ADDRESSING_STYLES: dict[AddressingStyle, Literal["auto", "path", "virtual"]] = {
    "Auto": "auto",
    "Path": "path",
    "Virtual": "virtual",
}
_CHECKSUMS: dict[Checksums, Literal["when_supported", "when_required"]] = {
    "WhenSupported": "when_supported",
    "WhenRequired": "when_required",
}


def make_client(settings: S3Settings, attempts: int = ATTEMPTS) -> S3Client:
    """A client that may be shared between threads.

    Raises:
        InputError: the profile does not exist, or the configuration cannot be used.
    """
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=POOL,
        tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": _ADDRESSING_STYLES[settings.addressing_style]},
        request_checksum_calculation=_CHECKSUMS[settings.checksums],
        # Every read is verified by the store's own SHA-256, which is stronger than botocore's CRC.
        response_checksum_validation="when_required",
    )
    try:
        session = boto3.Session()
        return session.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region or session.region_name or "us-east-1",
            verify=None if settings.ca_bundle is None else str(settings.ca_bundle),
            config=config,
        )
    except aws.ProfileNotFound as error:
        raise InputError(f"{PROFILE_VARIABLE}: {error}") from error
    except aws.InvalidRegionError as error:
        raise InputError(f"{REGION_FIELD}: {error}") from error
    except (aws.BotoCoreError, ValueError) as error:
        raise InputError(f"spec.storage.s3: cannot make an S3 client: {error}") from error
