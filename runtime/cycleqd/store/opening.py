"""From the URI that a user writes to a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.errors import InputError
from cycleqd.store.folder import FolderStore
from cycleqd.store.keys import is_key
from cycleqd.store.settings import URI_FIELD, S3Settings

if TYPE_CHECKING:
    from cycleqd.store.base import ObjectStore

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def open_store(uri: str, s3: S3Settings | None = None) -> ObjectStore:
    """Open a store; nothing is contacted or written yet (`ObjectStore.probe` does).

    Args:
        uri: ``s3://bucket[/prefix]`` or a folder, relative to the working directory.
        s3: how to reach the S3 server; unused by a folder.

    Returns:
        The store.

    Raises:
        InputError: the URI or a setting cannot be used; the message never repeats credentials.
    """
    if uri.startswith("s3://"):
        from cycleqd.store.s3 import S3Store  # noqa: PLC0415 - boto3 costs a folder's user 0.3 s

        bucket, prefix = parse_s3_uri(uri)
        return S3Store(bucket, prefix, s3)
    if not uri:
        raise InputError(f"{URI_FIELD}: is empty; give a folder or s3://bucket/prefix")
    if "://" in uri:
        scheme = uri.partition("://")[0]
        raise InputError(
            f"{URI_FIELD}: stores of scheme {scheme!r} are unknown; give a folder or s3://bucket/prefix"
        )
    return FolderStore(Path(uri))


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket[/prefix]``.

    Raises:
        InputError: it is not such a URI; credentials in it are refused and not repeated.
    """
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if "@" in bucket or ":" in bucket:
        raise InputError(
            f"{URI_FIELD}: an s3:// URI holds bucket and prefix only, no credentials and no "
            "host; give credentials by the AWS chain (AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, a profile, a role) and the server by spec.storage.s3.endpoint"
        )
    if not _BUCKET.fullmatch(bucket):
        raise InputError(
            f"{URI_FIELD}: {bucket!r} is no bucket name (3 to 63 lower-case letters, digits, dots "
            "and hyphens)"
        )
    prefix = prefix.rstrip("/")
    if prefix and not is_key(prefix):
        raise InputError(
            f"{URI_FIELD}: {prefix!r} cannot be a prefix; use names of letters, digits and "
            "_+=@,~.- joined by single slashes"
        )
    return bucket, prefix
