"""How this process reaches S3: the manifest's fields, else ``CYCLEQD_S3_*`` variables, else AWS.

The variables serve commands that have a store but no manifest yet (``cycleqd status s3://...``) and
the workers that a run starts. None of them is secret; credentials come by the AWS chain.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from cycleqd.manifest.cluster import S3
from cycleqd.store import ObjectStore, S3Settings, open_store
from cycleqd.store.settings import AddressingStyle, Checksums

ENDPOINT = "CYCLEQD_S3_ENDPOINT"
REGION = "CYCLEQD_S3_REGION"
CA_BUNDLE = "CYCLEQD_S3_CA_BUNDLE"
ADDRESSING_STYLE = "CYCLEQD_S3_ADDRESSING_STYLE"
CHECKSUMS = "CYCLEQD_S3_CHECKSUMS"

_CHECKSUMS: dict[str, Checksums] = {
    "WhenSupported": "when_supported",
    "WhenRequired": "when_required",
}


def settings_of(s3: S3 | None = None) -> S3Settings:
    """The store's settings; what the manifest leaves open comes from the environment.

    Raises:
        InputError: a value cannot be used.
    """
    s3 = s3 or S3()
    given = s3.model_fields_set
    ca_bundle = s3.ca_bundle or os.environ.get(CA_BUNDLE)
    if s3.ca_bundle and not Path(s3.ca_bundle).is_file():
        # The manifest of a store may come from another folder or machine.
        ca_bundle = os.environ.get(CA_BUNDLE) or s3.ca_bundle
    style = os.environ.get(ADDRESSING_STYLE, "auto")
    checksums = os.environ.get(CHECKSUMS, "when_supported")
    if "addressing_style" in given:
        style = s3.addressing_style.lower()
    if "checksums" in given:
        checksums = _CHECKSUMS[s3.checksums]
    return S3Settings(
        endpoint=s3.endpoint or os.environ.get(ENDPOINT),
        region=s3.region or os.environ.get(REGION),
        ca_bundle=Path(ca_bundle) if ca_bundle else None,
        # S3Settings checks both against what it knows.
        addressing_style=cast(AddressingStyle, style),
        checksums=cast(Checksums, checksums),
    )


def environment_of(settings: S3Settings) -> dict[str, str]:
    """The variables that give a child process the same settings."""
    variables = {
        ENDPOINT: settings.endpoint,
        REGION: settings.region,
        CA_BUNDLE: None if settings.ca_bundle is None else str(settings.ca_bundle),
        ADDRESSING_STYLE: settings.addressing_style,
        CHECKSUMS: settings.checksums,
    }
    return {name: value for name, value in variables.items() if value is not None}


def open_location(uri: str, s3: S3Settings | None) -> tuple[ObjectStore, str]:
    """The store that holds an object, and the object's key in it."""
    folder, _, name = uri.rpartition("/")
    return open_store(folder, s3), name
