"""Saying in the user's words what botocore says in AWS's.

Every message names what was tried, where, and the field or the right to change. Nothing of a
request is repeated, since requests are signed with secrets.
"""

from __future__ import annotations

import re
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import botocore.exceptions as aws
from urllib3.util.ssl_match_hostname import CertificateError

from cycleqd.errors import (
    ConditionalWritesUnsupported,
    CycleQDError,
    ObjectNotFound,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from cycleqd.store.settings import (
    CA_BUNDLE_FIELD,
    ENDPOINT_FIELD,
    PROFILE_VARIABLE,
    REGION_FIELD,
    URI_FIELD,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

CREDENTIALS_REMEDY = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    f"a profile ({PROFILE_VARIABLE}) or a role of the machine or service account"
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One kind of refusal: how it is known, and what it means."""

    error: type[CycleQDError]
    message: str
    codes: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()

    def covers(self, code: str, status: int) -> bool:
        return code in self.codes or status in self.statuses


# The first that covers an answer speaks.
_ANSWERS = (
    _Answer(
        StoreRefused,
        "there is no bucket {bucket!r} at {where}; create it, or correct "
        f"{URI_FIELD} or {ENDPOINT_FIELD}",
        frozenset({"NoSuchBucket"}),
    ),
    _Answer(ObjectNotFound, "no such object", frozenset({"404", "NoSuchKey", "NotFound"})),
    _Answer(
        StoreDenied,
        f"{{where}} refuses the credentials ({{code}}); {CREDENTIALS_REMEDY}",
        frozenset(
            {
                "AccessKeyIdNotFound",
                "ExpiredToken",
                "InvalidAccessKeyId",
                "InvalidToken",
                "SignatureDoesNotMatch",
                "TokenRefreshRequired",
                "XAdminUserNotFound",
            }
        ),
    ),
    _Answer(
        StoreRefused,
        "{region!r} is not the region of bucket {bucket!r} ({code}); set "
        f"{REGION_FIELD}{{to_region}}",
        frozenset(
            {
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
                "PermanentRedirect",
                "TemporaryRedirect",
            }
        ),
        frozenset({301, 307}),
    ),
    _Answer(
        StoreFull,
        "{where} has no room left ({code}); free space or raise the quota",
        frozenset(
            {
                "InsufficientStorage",
                "QuotaExceeded",
                "XMinioAdminBucketQuotaExceeded",
                "XMinioStorageFull",
            }
        ),
        frozenset({507}),
    ),
    _Answer(
        ConditionalWritesUnsupported,
        "{where} does not implement a header that the store needs (If-None-Match: *); use a "
        "server that does (docs/store.md lists those tested)",
        frozenset({"NotImplemented"}),
        frozenset({501}),
    ),
    _Answer(
        StoreDenied,
        "{where} denies access ({code}); allow s3:GetObject, s3:PutObject, s3:DeleteObject, "
        "s3:AbortMultipartUpload and s3:ListBucket on {bucket!r}, or use other credentials: "
        f"{CREDENTIALS_REMEDY}",
        statuses=frozenset({401, 403}),
    ),
    _Answer(
        StoreUnavailable,
        "{where} keeps failing ({code}, HTTP {status}) after all retries",
        frozenset({"RequestTimeout", "SlowDown", "Throttling", "TooManyRequests"}),
        frozenset({429, *range(500, 600)}),
    ),
)
_OTHER = _Answer(StoreError, "{where} answers {code} (HTTP {status})")

_UNTRUSTED = ("CERTIFICATE", "WRONG_VERSION_NUMBER")
"""Words of OpenSSL's reason codes for a peer that is not trusted, or speaks no TLS."""


def error_code(error: aws.ClientError) -> str:
    """The server's code of an error, or the HTTP status where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def http_status(error: aws.ClientError) -> int:
    """The HTTP status of an error's answer; 0 when unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def s3_errors(what: str, client: S3Client, bucket: str) -> Iterator[None]:
    """Turn botocore's exceptions inside the block into the store's, ``what`` opening the message.

    Raises:
        ObjectNotFound: the server has no such key.
        StoreFull: the server has no room.
        StoreDenied: credentials are missing, refused, or lack a right.
        StoreRefused: the bucket, the region or the certificate is not right.
        StoreUnavailable: no answer, or only temporary failures, after all retries.
        ConditionalWritesUnsupported: the server refuses a conditional header.
        StoreError: anything else, naming the field to change.
    """
    try:
        yield
    except aws.ClientError as error:
        raise _from_answer(error, what, client, bucket) from error
    except (aws.NoCredentialsError, aws.PartialCredentialsError) as error:
        raise StoreDenied(
            f"{what}: no complete AWS credentials found; {CREDENTIALS_REMEDY}"
        ) from error
    except (aws.CredentialRetrievalError, aws.NoAuthTokenError, aws.SSOError) as error:
        raise StoreDenied(
            f"{what}: credentials cannot be obtained; {CREDENTIALS_REMEDY}"
        ) from error
    except aws.SSLError as error:
        if not _is_about_trust(error):
            raise _no_answer(error, what, client) from error
        raise StoreRefused(
            f"{what}: the TLS certificate of {client.meta.endpoint_url} is not trusted, or it does "
            f"not speak TLS; set {CA_BUNDLE_FIELD} to the certificates that sign it, or correct "
            f"the scheme or name in {ENDPOINT_FIELD}"
        ) from error
    except (aws.ConnectionError, aws.HTTPClientError, aws.IncompleteReadError) as error:
        raise _no_answer(error, what, client) from error
    except aws.BotoCoreError as error:
        raise StoreError(f"{what}: {type(error).__name__}: {error}") from error


def _is_about_trust(error: aws.SSLError) -> bool:
    """Whether TLS failed for good; a connection that merely broke is worth a retry."""
    cause: BaseException | None = error.kwargs.get("error")
    while cause is not None:
        if isinstance(cause, CertificateError):
            return True
        if isinstance(cause, ssl.SSLError) and any(w in (cause.reason or "") for w in _UNTRUSTED):
            return True
        cause = next((part for part in cause.args if isinstance(part, BaseException)), None)
    return False


def _no_answer(error: Exception, what: str, client: S3Client) -> StoreUnavailable:
    return StoreUnavailable(
        f"{what}: no answer from {client.meta.endpoint_url} after all retries "
        f"({type(error).__name__}); is the server up, and {ENDPOINT_FIELD} right?"
    )


def _from_answer(error: aws.ClientError, what: str, client: S3Client, bucket: str) -> CycleQDError:
    code, status = error_code(error), http_status(error)
    answer = next((answer for answer in _ANSWERS if answer.covers(code, status)), _OTHER)
    named = _named_region(error)
    message = answer.message.format(
        bucket=bucket,
        code=code,
        region=client.meta.region_name,
        status=status,
        to_region=f" to {named!r}" if named else "",
        where=client.meta.endpoint_url,
    )
    return answer.error(f"{what}: {message}")


def _named_region(error: aws.ClientError) -> str:
    """The right region, where the answer names it."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    expected = re.search(r"expecting '([a-z0-9-]+)'", str(error))
    return str(
        error.response.get("Error", {}).get("Region")
        or headers.get("x-amz-bucket-region")
        or (expected.group(1) if expected else "")
    )
