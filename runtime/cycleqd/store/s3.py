"""The store in an S3 bucket.

Creation is one conditional request (``If-None-Match: *`` on PutObject and on
CompleteMultipartUpload), so the server decides who was first and an object appears whole or not at
all. Every object carries two metadata: ``checksum`` (`cycleqd.store.s3_transfer`), verified on each
whole read whatever checksums the server knows; and ``writer``, a random mark by which a create
whose answer was lost on the way recognises its own success.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import secrets
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's, as nothing here meets Python's
    HTTPClientError,
    IncompleteReadError,
)

from cycleqd.errors import (
    ConditionalWritesUnsupported,
    ObjectNotFound,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
)
from cycleqd.scratch import scratch_folder
from cycleqd.store.base import check_size
from cycleqd.store.keys import check_key, check_prefix, folder_prefix, is_key, is_name
from cycleqd.store.localfile import atomic_file, disk_errors, write_all
from cycleqd.store.probing import probe_creates, probe_object
from cycleqd.store.s3_client import ATTEMPTS, make_client
from cycleqd.store.s3_errors import error_code, http_status, s3_errors
from cycleqd.store.s3_transfer import (
    PART_BYTES,
    RANGE_BYTES,
    Location,
    checksum_bytes,
    checksum_file,
    fetch,
    fetch_bytes,
    pause,
    send_parts,
)
from cycleqd.store.settings import S3Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from mypy_boto3_s3.type_defs import (
        CreateMultipartUploadRequestTypeDef,
        HeadObjectOutputTypeDef,
        ListObjectsV2RequestPaginateTypeDef,
        PutObjectRequestTypeDef,
    )

    from cycleqd.store.base import Names

logger = logging.getLogger(__name__)

CONFLICT_ATTEMPTS = 8
# Larger bodies are not sent before asking whether the key is taken.
UNASKED_BYTES = 64 << 10
# An upload this old has no living writer: whoever uploads for longer starts over.
ABANDONED = timedelta(hours=24)


class S3Store:
    """An `ObjectStore` below a prefix of a bucket; safe to share between threads.

    Args:
        bucket: the bucket's name.
        prefix: keys are below it; empty for the whole bucket.
        settings: how to reach the server.
        attempts: tries of each request before the store counts as unavailable.
        part_bytes: files above this size go as multipart uploads with parts of this size (the
            protocol's least is 5 MiB).
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        settings: S3Settings | None = None,
        *,
        attempts: int = ATTEMPTS,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._bucket = bucket
        self._prefix = folder_prefix(prefix)
        self._settings = settings or S3Settings()
        self._client = make_client(self._settings, attempts)
        self._part_bytes = part_bytes

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def create(self, key: str, data: bytes) -> bool:
        """See `ObjectStore.create`."""
        at = self._at(key)
        if len(data) > UNASKED_BYTES and self.exists(key):
            return False
        marks = _marks(checksum_bytes(data))
        request: PutObjectRequestTypeDef = {
            "Bucket": at.bucket,
            "Key": at.key,
            "Body": data,
            "IfNoneMatch": "*",
            "Metadata": marks,
        }
        if self._settings.checksums == "WhenSupported":
            # As a header: botocore would put it behind the body, which over TLS hides a refusal
            # that the server sends without having read the body (versitygw).
            crc = zlib.crc32(data).to_bytes(4, "big")
            request["ChecksumCRC32"] = base64.b64encode(crc).decode()
        return self._create(key, marks["writer"], lambda: self._client.put_object(**request))

    def create_file(self, key: str, path: Path) -> bool:
        """See `ObjectStore.create_file`."""
        at = self._at(key)
        with disk_errors(f"cannot read {path}"):
            size = path.stat().st_size
            if size <= self._part_bytes:
                return self.create(key, path.read_bytes())
            if self.exists(key):
                return False
            marks = _marks(checksum_file(path))
            return self._create(key, marks["writer"], lambda: self._upload(at, path, size, marks))

    def _create(self, key: str, writer: str, send: Callable[[], object]) -> bool:
        """Send a conditional create until it is clear who created the object."""
        at = self._at(key)
        with self._errors(f"cannot create {key}"):
            for attempt in range(CONFLICT_ATTEMPTS):
                try:
                    send()
                except ClientError as error:
                    outcome = self._settle(error, at, writer)
                    if outcome is not None:
                        return outcome
                    pause(attempt)
                except (ConnectionError, HTTPClientError):
                    # The answer never came; the object may be there all the same.
                    outcome = self._wrote(at, writer)
                    if outcome is None:
                        raise
                    return outcome
                else:
                    return True
        raise StoreUnavailable(
            f"cannot create {key} in {self.uri}: {CONFLICT_ATTEMPTS} attempts met a conflict"
        )

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        at = self._at(key)
        with self._errors(f"cannot read {key}"):
            answer = self._client.get_object(Bucket=at.bucket, Key=at.key)
            size, expected = answer["ContentLength"], _recorded(answer["Metadata"])
            data: bytes | None = None
            try:
                check_size(key, self.uri, size)
                if size <= RANGE_BYTES:
                    data = answer["Body"].read()
            except (HTTPClientError, IncompleteReadError):
                logger.info("connection broke while reading %s; fetching it again", key)
            finally:
                answer["Body"].close()
            if data is None:
                data, found = fetch_bytes(at, 0, size)
            else:
                found = checksum_bytes(data)
        self._verify(key, found, expected)
        return data

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        at = self._at(key)
        if length <= 0 or start >= (size := self.size(key)):
            return b""
        length = min(length, size - start)
        with self._errors(f"cannot read {key}"):
            return fetch_bytes(at, start, length)[0]

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`."""
        at = self._at(key)
        with self._errors(f"cannot read {key}"):
            head = self._client.head_object(Bucket=at.bucket, Key=at.key)
            with atomic_file(path) as descriptor:

                def sink(offset: int, data: bytes) -> None:
                    write_all(descriptor, data, offset)

                found = fetch(at, 0, head["ContentLength"], sink)
                self._verify(key, found, _recorded(head["Metadata"]))

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        try:
            self.size(key)
        except ObjectNotFound:
            return False
        return True

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        return self._head(key)["ContentLength"]

    def written(self, key: str) -> datetime:
        """See `ObjectStore.written`."""
        return self._head(key)["LastModified"].astimezone(UTC)

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.list`."""
        check_prefix(prefix)
        pages = self._client.get_paginator("list_objects_v2")
        with self._errors("cannot list"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for entry in page.get("Contents", ()):
                    key = entry["Key"].removeprefix(self._prefix)
                    if is_key(key):  # not the markers that consoles put as folders
                        yield key

    def children(self, prefix: str, after: str = "") -> Names:
        """See `ObjectStore.children`."""
        folder = self._prefix + folder_prefix(prefix)
        request: ListObjectsV2RequestPaginateTypeDef = {
            "Bucket": self._bucket,
            "Prefix": folder,
            "Delimiter": "/",
        }
        if after:
            request["StartAfter"] = folder + after
        names: set[str] = set()
        pages = self._client.get_paginator("list_objects_v2")
        with self._errors("cannot list"):
            for page in pages.paginate(**request):
                below = [entry["Key"] for entry in page.get("Contents", ())]
                below += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
                names.update(key.removeprefix(folder).removesuffix("/") for key in below)
        return sorted(name for name in names if is_name(name) and name > after)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        at = self._at(key)
        with self._errors(f"cannot delete {key}"):
            self._client.delete_object(Bucket=at.bucket, Key=at.key)

    def probe(self) -> None:
        """See `ObjectStore.probe`; also aborts uploads that killed writers left."""
        with probe_object(self) as key:
            probe_creates(self, key)
            self._probe_multipart(key)
        try:
            self.sweep()
        except StoreError as error:  # a right that only this needs: s3:ListBucketMultipartUploads
            logger.warning("%s; left-over uploads stay: %s", self.uri, error)

    def sweep(self, older_than: timedelta = ABANDONED) -> int:
        """Abort multipart uploads below the prefix whose writers are gone.

        Args:
            older_than: the age from which an upload counts as abandoned.

        Returns:
            How many were aborted.
        """
        limit = datetime.now(UTC) - older_than
        swept = 0
        pages = self._client.get_paginator("list_multipart_uploads")
        with self._errors("cannot sweep"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] <= limit:
                        self._abort(
                            Location(self._client, self._bucket, upload["Key"]), upload["UploadId"]
                        )
                        swept += 1
        return swept

    def _at(self, key: str) -> Location:
        return Location(self._client, self._bucket, self._prefix + check_key(key))

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return s3_errors(f"{what} in {self.uri}", self._client, self._bucket)

    def _head(self, key: str) -> HeadObjectOutputTypeDef:
        at = self._at(key)
        with self._errors(f"cannot look up {key}"):
            return self._client.head_object(Bucket=at.bucket, Key=at.key)

    def _verify(self, key: str, found: str, expected: str | None) -> None:
        if expected is None:
            raise StoreCorrupt(
                f"object {key} in {self.uri} has no recorded checksum (metadata ``checksum``); "
                "was it copied without its metadata?"
            )
        if found != expected:
            raise StoreCorrupt(
                f"object {key} in {self.uri} is damaged: its checksum is {found}, but {expected} "
                "was written; restore it from a copy, or delete it to have it made again"
            )

    def _upload(self, at: Location, path: Path, size: int, marks: dict[str, str]) -> None:
        """One whole multipart upload; aborted when anything fails."""
        request: CreateMultipartUploadRequestTypeDef = {
            "Bucket": at.bucket,
            "Key": at.key,
            "Metadata": marks,
        }
        if self._settings.checksums == "WhenSupported":
            # Botocore adds CRC32 to the parts then, which must be announced here.
            request["ChecksumAlgorithm"] = "CRC32"
        upload = self._client.create_multipart_upload(**request)["UploadId"]
        try:
            parts = send_parts(at, upload, path, size, self._part_bytes)
            self._client.complete_multipart_upload(
                Bucket=at.bucket,
                Key=at.key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
            )
        except BaseException:
            self._abort(at, upload)
            raise

    def _abort(self, at: Location, upload: str) -> None:
        # What cannot be aborted now stays invisible, and a later sweep or the bucket's lifecycle
        # rule removes it; the error that led here matters more.
        with contextlib.suppress(ClientError, BotoCoreError):
            self._client.abort_multipart_upload(Bucket=at.bucket, Key=at.key, UploadId=upload)

    def _settle(self, error: ClientError, at: Location, writer: str) -> bool | None:
        """What a refused create means: whether we created the object, or None to try again."""
        retried = int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0
        lost_upload = error_code(error) == "NoSuchUpload"
        if http_status(error) == 412 or (lost_upload and retried):
            # Of a repeated request the first may have succeeded with its answer lost.
            return self._wrote(at, writer) if retried else False
        if http_status(error) == 409:
            return None  # ConditionalRequestConflict: a race is being decided
        raise error

    def _wrote(self, at: Location, writer: str) -> bool | None:
        try:
            head = self._client.head_object(Bucket=at.bucket, Key=at.key)
        except ClientError as error:
            if http_status(error) == 404:
                return None
            raise
        return _metadata(head["Metadata"]).get("writer") == writer

    def _probe_multipart(self, key: str) -> None:
        """Upload in parts over an existing key, which the server must refuse at the end."""
        at = self._at(key)
        with scratch_folder("probe") as folder, self._errors("cannot probe"):
            late = folder / "late"
            late.write_bytes(b"late\n")
            try:
                self._upload(at, late, 5, _marks(""))
            except ClientError as error:
                if self._settle(error, at, "") is False:
                    return
        raise ConditionalWritesUnsupported(
            f"{self.uri}: a multipart upload replaced an existing object; the server does not "
            "honour If-None-Match: * on CompleteMultipartUpload. Use one that does (docs/store.md "
            "lists those tested)"
        )


def _marks(checksum: str) -> dict[str, str]:
    return {"checksum": checksum, "writer": secrets.token_hex(8)}


def _metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata with the names in lower case; servers differ in how they return them."""
    return {name.lower(): value for name, value in metadata.items()}


def _recorded(metadata: Mapping[str, str]) -> str | None:
    return _metadata(metadata).get("checksum")
