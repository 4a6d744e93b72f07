"""A client of an MLflow server: how it is made, and what its failures mean.

Credentials come from MLflow's own variables (``MLFLOW_TRACKING_USERNAME``,
``MLFLOW_TRACKING_PASSWORD``, ``MLFLOW_TRACKING_TOKEN``) and from nowhere else.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cycleqd.errors import CycleQDError, InputError, ServiceUnavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXTRA = "tracking with MLflow needs the extra: pip install 'cycleqd-operator[tracking]'"
"""What to do where the package is not installed."""

_SETTINGS = {
    # MLflow would try an unreachable server for four minutes before it says so.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    # It would tell its makers of every call.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Standard output is ours.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Settings of MLflow by variable, where the user has not chosen others."""

_REFUSED = range(400, 500)
_PATIENCE = (408, 429)


@dataclass(frozen=True)
class Server:
    """An MLflow server, and in what words to speak of it.

    Attributes:
        uri: its address.
        field: where the user wrote that.
        experiment_field: where the user names the experiment.
        login: what to do where it does not accept the credentials.
    """

    uri: str
    field: str = "--mlflow"
    experiment_field: str = "--experiment"
    login: str = (
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    )


def is_installed() -> bool:
    """Whether MLflow can be imported, which takes seconds and is not done for this."""
    return importlib.util.find_spec("mlflow") is not None


def check_uri(server: Server) -> None:
    """See that an address can be one of MLflow's and holds no secret.

    Raises:
        InputError: it cannot, or does; the text does not repeat it.
    """
    uri, field = server.uri, server.field
    try:
        parts = urlsplit(uri)
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        raise InputError(f"{field}: is no URI; write http://HOST:PORT") from None
    if secret and parts.scheme in ("http", "https"):
        raise InputError(
            f"{field}: holds a user or password, which process lists and logs would show; leave "
            "them out and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if not parts.scheme:
        raise InputError(f"{field}: {uri!r} has no scheme; write http://{uri or 'HOST:PORT'}")


def connect(server: Server) -> MlflowClient:
    """A client of the server at an address; nothing is asked yet.

    Raises:
        InputError: the address cannot be one, or MLflow is not installed.
    """
    check_uri(server)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds, and is an extra
    except ModuleNotFoundError as error:
        raise InputError(f"{server.field}: {error.name} is not installed; {EXTRA}") from error
    with told(server):
        return MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)


@contextmanager
def told(server: Server) -> Iterator[None]:
    """A block that asks MLflow; what it fails with is one of our errors.

    Raises:
        InputError: the server refuses what it is asked, so a retry cannot help.
        ServiceUnavailable: it does not answer, or not sensibly; it may later.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415 - what sending of files fails with

    try:
        yield
    except (MlflowException, RequestException) as error:
        raise _of(server, error) from error


def _of(server: Server, error: Exception) -> CycleQDError:
    said = str(error).partition("\n")[0][:500]
    status = _status_of(error)
    if status in (401, 403):
        return InputError(
            f"{server.field}: {server.uri} does not accept the credentials ({said}); {server.login}"
        )
    if status in _REFUSED and status not in _PATIENCE:
        return InputError(f"{server.field}: {server.uri} refuses: {said}")
    return ServiceUnavailable(
        f"{server.field}: {server.uri} does not answer ({said}); see that an MLflow server listens "
        "there"
    )


def _status_of(error: Exception) -> int:
    """The HTTP status that a request ended with; 500 where there was no answer."""
    response = getattr(error, "response", None)
    if response is not None:
        return int(response.status_code)
    return int(getattr(error, "get_http_status_code", lambda: 500)())
