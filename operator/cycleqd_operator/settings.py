"""The operator's settings: read once from the environment, then frozen.

Each field is the environment variable ``CYCLEQD_OPERATOR_<FIELD>`` (upper case); the Helm chart
sets them and ``cycleqd-operator --help`` lists them. Lists are comma-separated, objects are JSON.
A wrong or an unknown variable of that prefix ends the process with a message that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticUndefined

from cycleqd.errors import InputError

PREFIX = "CYCLEQD_OPERATOR_"

SERVICE_LINK = re.compile(r"(.*_)?(SERVICE_(HOST|PORT(_.*)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_.*)?)")
"""Variables that Kubernetes adds for a Service named ``cycleqd-operator...``; no settings."""

GPU_LIMIT = {"limits": {"nvidia.com/gpu": "1"}}
ANY_FIELD = "*"
NO_FIELD = "none"
FIELD_PATTERN = r"metadata\.(labels|annotations)|(?!(metadata|spec)\b)[a-zA-Z]+(\.[a-zA-Z]+)*"
"""A field of a pod template, as `Settings.pod_template_fields` names it."""

CONTAINED = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"cpu": "4", "memory": "4Gi"},
}
SMALL = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "4Gi"}}


class Settings(BaseModel):
    """What an administrator may choose; see each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    worker_image: str = "ghcr.io/cycleqd/worker:0.1.0"
    """Image of coordinator and worker pods where the run's manifest names none."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Pull policy of these pods."""

    image_pull_secrets: tuple[str, ...] = ()
    """Names of pull secrets, which must exist in the runs' namespaces."""

    worker_resources: dict[str, Any] = GPU_LIMIT
    """Resources (JSON) of a worker's container where the run's template sets none."""

    sandbox_resources: dict[str, Any] = CONTAINED
    """Resources (JSON) of a worker pod's container for generated code where the run's template sets
    none: programs run side by side on its cores, as many as fit into its memory."""

    coordinator_resources: dict[str, Any] = SMALL
    """Resources (JSON) of a coordinator's container where the run's template sets none."""

    pod_template_fields: tuple[str, ...] = (ANY_FIELD,)
    """Fields of a pod's spec that the templates of runs may set, such as ``tolerations`` and
    ``containers.resources``, each with all below it, and ``metadata.labels`` and
    ``metadata.annotations``; ``*`` for any, ``none`` for none."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to serve with Roles only; empty serves the whole cluster with a ClusterRole."""

    concurrency: int = Field(default=8, ge=1, le=64)
    """Runs reconciled at the same time; one run is never reconciled twice at once."""

    resync_seconds: float = Field(default=300.0, ge=1)
    """Seconds between full relists, which correct whatever a watch missed."""

    status_interval_seconds: float = Field(default=10.0, ge=0)
    """Least seconds between two status writes of a run; a changed condition is written at once."""

    request_timeout_seconds: float = Field(default=30.0, ge=1)
    """Seconds after which a request to the API server is given up and tried again."""

    start_timeout_seconds: float = Field(default=60.0, ge=0)
    """Seconds to wait at start for the API server and the custom resource definition."""

    metrics_port: int = Field(default=9090, ge=0, le=65535)
    """Port of ``/metrics``; 0 serves none."""

    health_port: int = Field(default=8080, ge=0, le=65535)
    """Port of ``/healthz``, which answers once the caches are filled; 0 serves none."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity that is logged."""

    log_format: Literal["json", "text"] = "json"
    """One JSON object a line, or text for people."""

    @field_validator("image_pull_secrets", "namespaces", "pod_template_fields", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Comma-separated text becomes a list; empty parts are dropped."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "worker_resources", "sandbox_resources", "coordinator_resources", mode="before"
    )
    @classmethod
    def _parse(cls, value: object) -> object:
        """JSON text becomes an object."""
        if isinstance(value, str):
            try:
                return json.loads(value)
            except json.JSONDecodeError as error:
                raise ValueError(f"must be a JSON object: {error}") from None
        return value

    @field_validator("pod_template_fields")
    @classmethod
    def _fields(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        """Each is a field, or one word stands for all or none of them."""
        if fields in ((ANY_FIELD,), (NO_FIELD,)):
            return fields
        for field in fields:
            if not re.fullmatch(FIELD_PATTERN, field):
                raise ValueError(
                    f"{field!r} must be {ANY_FIELD} or {NO_FIELD} alone, metadata.labels,"
                    " metadata.annotations or a field of a pod's spec, such as tolerations"
                )
        return fields

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            environment: such as ``os.environ``; an empty value stands for the default.

        Raises:
            InputError: a variable is wrong or unknown; the message names each one.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX) and value != "" and not _is_service_link(name, value)
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InputError("\n".join(_problem(found) for found in error.errors())) from None

    @classmethod
    def describe(cls) -> str:
        """One paragraph for each variable: its name, default and meaning."""
        paragraphs = []
        for name, field in cls.model_fields.items():
            default = "" if field.default is PydanticUndefined else _as_text(field.default)
            paragraphs.append(f"  {PREFIX}{name.upper()}={default}\n      {field.description}")
        return "\n".join(paragraphs)


def _is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes, not the administrator, set the variable."""
    return bool(SERVICE_LINK.fullmatch(name)) or value.startswith(("tcp://", "udp://", "sctp://"))


def _as_text(value: object) -> str:
    """A default as it would be written in the environment."""
    if isinstance(value, tuple):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _problem(found: Mapping[str, Any]) -> str:
    """One line about one variable."""
    variable = PREFIX + str(found["loc"][0]).upper()
    if found["type"] == "extra_forbidden":
        return f"{variable}: there is no such setting; see cycleqd-operator --help"
    return f"{variable}: {found['msg']}, not {found['input']!r}"
