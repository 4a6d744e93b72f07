"""Tracing is off by default and imports nothing; whatever is the matter with it is told once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cycleqd.tracing import otlp
from cycleqd.tracing.spans import NO_SPANS, NoSpans
from cycleqd.tracing.starting import endpoint_variable, traced
from tests.run.synthetic import archives, do_everything, fresh

from .receiver import ENDPOINT, Receiver

HERE = {ENDPOINT: "http://localhost:4318"}
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
LOOK = """
import os, sys
import cycleqd.cli, cycleqd.roles.local, cycleqd.roles.worker, cycleqd.evaluation.evaluate
from cycleqd.tracing.starting import traced
OFF = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}
for environment in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, OFF):
    with traced(environment, "cycleqd-worker", print):
        pass
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""


def test_nothing_is_imported_where_nobody_asks() -> None:
    said = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({ENDPOINT: " "}, None),
        (HERE, ENDPOINT),
        ({**HERE, TRACES: "http://other:4318/v1/traces"}, TRACES),
        ({**HERE, "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({**HERE, "OTEL_TRACES_EXPORTER": "none"}, None),
        ({**HERE, "OTEL_TRACES_EXPORTER": "console, otlp"}, ENDPOINT),
    ],
    ids=str,
)
def test_opentelemetry_s_own_variables_decide(
    environment: dict[str, str], expected: str | None
) -> None:
    assert endpoint_variable(environment) == expected


def test_packages_that_are_missing_are_named_with_their_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "cycleqd.tracing.otlp")
    warnings: list[str] = []
    with traced(HERE, "cycleqd-worker", warnings.append) as spans:
        assert spans is NO_SPANS
    missing = "opentelemetry is not installed; install cycleqd-operator[otel]"
    assert warnings == [f"{ENDPOINT}: {missing}; the run goes on untraced"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "s3cret", "refuses its settings (ValueError)"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "s3cret", ""),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/s3cret", ""),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", ""),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "s3cret", ""),
    ],
)
def test_wrong_settings_are_told_without_their_values(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setenv(name, value)
    warnings: list[str] = []
    with traced(os.environ, "cycleqd-worker", warnings.append) as spans:
        assert isinstance(spans, NoSpans) == bool(told)
    assert [told in warning for warning in warnings] == [True] * bool(told)
    assert not [warning for warning in warnings if "s3cret" in warning]


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("place", ["silent", "closed", "nowhere://user:s3cret@host"])
def test_a_receiver_that_takes_nothing_costs_one_warning(
    place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = place if "://" in place else request.getfixturevalue(place)
    monkeypatch.setenv(ENDPOINT, endpoint)
    monkeypatch.setattr(otlp, "LAST_SECONDS", 0.2)
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    warnings: list[str] = []
    traced_run, untraced = fresh(), fresh()
    with traced(os.environ, "cycleqd-coordinator", warnings.append) as spans:
        do_everything(traced_run, spans=spans)
    (warning,) = warnings
    assert warning.startswith(f"{ENDPOINT}: does not take all spans")
    assert "s3cret" not in warning
    do_everything(untraced)
    assert archives(traced_run.objects) == archives(untraced.objects)
