"""Moving large objects: ranges fetched side by side, files sent in parts, both checked on the way.

The sizes are measured (``benchmarks/store.py``): a few large ranges in flight keep the network and
two cores busy, while boto3's defaults (8 MB, ten threads, a queue between them) spend the time in
Python.

The checksum of an object is made for this: the SHA-256 of the CRC-32s of its 32 MiB ranges. Each
range is checked by the thread that fetches it, while its bytes are in the processor's cache, at
6 GB/s instead of the 1.7 GB/s of a SHA-256 over everything, which cost as much as the transfer.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import HTTPClientError, IncompleteReadError

from cycleqd.store.localfile import CHUNK

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

S = TypeVar("S")
T = TypeVar("T")

# Part of the format: a stored checksum is over ranges of this size.
RANGE_BYTES = 32 << 20
PART_BYTES = 16 << 20
MAX_PARTS = 10_000
THREADS = 4
BODY_ATTEMPTS = 5

# Puts bytes at an offset; called by several threads for disjoint places.
Sink = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True)
class Location:
    """An object on a server."""

    client: S3Client
    bucket: str
    key: str


def checksum(crcs: Iterable[int]) -> str:
    """The checksum of an object from the CRC-32s of its ranges, in their order."""
    return hashlib.sha256(b"".join(crc.to_bytes(4, "big") for crc in crcs)).hexdigest()


def checksum_bytes(data: bytes) -> str:
    """The checksum of an object's whole content."""
    view = memoryview(data)
    return checksum(
        zlib.crc32(view[start : start + RANGE_BYTES]) for start in range(0, len(data), RANGE_BYTES)
    )


def checksum_file(path: Path) -> str:
    """The checksum of a local file's content."""
    crcs: list[int] = []
    with path.open("rb", buffering=0) as source:
        position = 0
        while chunk := source.read(min(CHUNK, RANGE_BYTES - position % RANGE_BYTES)):
            if position % RANGE_BYTES == 0:
                crcs.append(0)
            crcs[-1] = zlib.crc32(chunk, crcs[-1])
            position += len(chunk)
    return checksum(crcs)


def pause(attempt: int) -> None:
    """Wait a little longer after each failed attempt, with jitter."""
    time.sleep(min(2.0, 0.05 * 2**attempt) * (0.5 + random.random()))


def fetch(location: Location, start: int, size: int, sink: Sink) -> str:
    """Fetch ``size`` bytes of an object, from ``start`` on, into a sink by ranges.

    Returns:
        The checksum of what was fetched; the object's, when all of it was.
    """

    def one(at: int) -> int:
        return _fetch_range(location, start, at, min(RANGE_BYTES, size - at), sink)

    return checksum(_side_by_side(one, range(0, size, RANGE_BYTES)))


def _fetch_range(location: Location, start: int, at: int, length: int, sink: Sink) -> int:
    """Fetch the sink's ``length`` bytes from ``at``, going on where a broken connection stopped.

    Returns:
        The CRC-32 of these bytes.
    """
    done = 0
    crc = 0
    for attempt in range(BODY_ATTEMPTS):
        answer = location.client.get_object(
            Bucket=location.bucket,
            Key=location.key,
            Range=f"bytes={start + at + done}-{start + at + length - 1}",
        )
        try:
            while data := answer["Body"].read(CHUNK):
                crc = zlib.crc32(data, crc)
                sink(at + done, data)
                done += len(data)
        except (HTTPClientError, IncompleteReadError):
            if attempt == BODY_ATTEMPTS - 1:
                raise
            pause(attempt)
        finally:
            answer["Body"].close()
        if done >= length:
            return crc
    raise IncompleteReadError(actual_bytes=done, expected_bytes=length)


def send_parts(
    location: Location, upload: str, path: Path, size: int, part_bytes: int
) -> list[CompletedPartTypeDef]:
    """Send a file as the parts of a multipart upload.

    Args:
        location: the object.
        upload: the multipart upload's id.
        path: the local file.
        size: its size in bytes.
        part_bytes: the size of a part; a larger one is taken where the parts would be too many.

    Returns:
        What completes the upload.
    """
    part_bytes = max(part_bytes, -(-size // MAX_PARTS))
    descriptor = os.open(path, os.O_RDONLY)

    def send(index: int) -> CompletedPartTypeDef:
        answer = location.client.upload_part(
            Bucket=location.bucket,
            Key=location.key,
            UploadId=upload,
            PartNumber=index + 1,
            Body=os.pread(descriptor, part_bytes, index * part_bytes),
        )
        part: CompletedPartTypeDef = {"PartNumber": index + 1, "ETag": answer["ETag"]}
        if "ChecksumCRC32" in answer:
            part["ChecksumCRC32"] = answer["ChecksumCRC32"]
        return part

    try:
        return _side_by_side(send, range(-(-size // part_bytes)))
    finally:
        os.close(descriptor)


def _side_by_side(call: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """Results of a call for each item, in order; the first failure cancels what has not begun."""
    with ThreadPoolExecutor(THREADS) as pool:
        pending = [pool.submit(call, item) for item in items]
        try:
            return [future.result() for future in pending]
        except BaseException:
            for future in pending:
                future.cancel()
            raise


def fetch_bytes(at: Location, start: int, length: int) -> tuple[bytes, str]:
    """A range in memory, and its checksum as of `fetch`."""
    buffer = bytearray(length)

    def sink(offset: int, data: bytes) -> None:
        buffer[offset : offset + len(data)] = data

    found = fetch(at, start, length, sink)
    return bytes(buffer), found
