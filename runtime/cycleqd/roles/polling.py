"""How often a store is looked at: what a look costs decides, not what it may find."""

from __future__ import annotations

S3_SECONDS = 1.0
FOLDER_SECONDS = 0.2
LONGEST_SECONDS = 5.0
"""Pauses of idle workers in a cluster grow up to this one: there are hundreds of them."""


def seconds_between_looks(uri: str) -> float:
    """Seconds between two looks at the store that a URI names."""
    return S3_SECONDS if uri.startswith("s3://") else FOLDER_SECONDS
