"""How this process reaches S3: the manifest's fields, else ``CYCLEQD_S3_*`` variables, else AWS.

The variables serve commands that have a store but no manifest yet (``cycleqd status s3://...``) and
the workers that a run starts. None of them is secret; credentials come by the AWS chain.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar, get_args

from cycleqd.contract import variables
from cycleqd.contract.s3 import AddressingStyle, Checksums, environment
from cycleqd.errors import InputError
from cycleqd.manifest.cluster import S3
from cycleqd.store import ObjectStore, S3Settings, open_store

Choice = TypeVar("Choice", bound=str)


def settings_of(s3: S3 | None = None) -> S3Settings:
    """The store's settings; what the manifest leaves open comes from the environment.

    Raises:
        InputError: a value cannot be used.
    """
    s3 = s3 or S3()
    given = s3.model_fields_set
    ca_bundle = s3.ca_bundle or os.environ.get(variables.S3_CA_BUNDLE)
    if s3.ca_bundle and not Path(s3.ca_bundle).is_file():
        # The manifest of a store may come from another folder or machine.
        ca_bundle = os.environ.get(variables.S3_CA_BUNDLE) or s3.ca_bundle
    style, checksums = s3.addressing_style, s3.checksums
    if "addressing_style" not in given:
        style = _chosen(variables.S3_ADDRESSING_STYLE, style, get_args(AddressingStyle))
    if "checksums" not in given:
        checksums = _chosen(variables.S3_CHECKSUMS, checksums, get_args(Checksums))
    return S3Settings(
        endpoint=s3.endpoint or os.environ.get(variables.S3_ENDPOINT),
        region=s3.region or os.environ.get(variables.S3_REGION),
        ca_bundle=Path(ca_bundle) if ca_bundle else None,
        addressing_style=style,
        checksums=checksums,
    )


def _chosen(variable: str, default: Choice, choices: tuple[Choice, ...]) -> Choice:
    """A variable's choice, spelled as in a manifest; botocore's spelling of it is taken too."""
    given = os.environ.get(variable)
    if not given:
        return default
    for choice in choices:
        if given.replace("_", "").lower() == choice.lower():
            return choice
    raise InputError(f"{variable}: {given!r} is not one of {', '.join(choices)}")


def environment_of(settings: S3Settings) -> dict[str, str]:
    """The variables that give a child process the same settings."""
    return environment(
        endpoint=settings.endpoint,
        region=settings.region,
        ca_bundle=None if settings.ca_bundle is None else str(settings.ca_bundle),
        addressing_style=settings.addressing_style,
        checksums=settings.checksums,
    )


def open_location(uri: str, s3: S3Settings | None) -> tuple[ObjectStore, str]:
    """The store that holds an object, and the object's key in it."""
    folder, _, name = uri.rpartition("/")
    return open_store(folder, s3), name
