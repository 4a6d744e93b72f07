"""Whether a process is traced: it is where OpenTelemetry's own variables name an endpoint.

All other settings are OpenTelemetry's as well, and its SDK reads them. Nothing of it is imported
where tracing is off. Whatever keeps spans from being sent is told once, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from cycleqd.tracing.spans import NO_SPANS, Spans

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN: Final = "http/protobuf"
EXPORTERS: Final = "OTEL_TRACES_EXPORTER"
DISABLED: Final = "OTEL_SDK_DISABLED"

COORDINATOR: Final = "cycleqd-coordinator"
WORKER: Final = "cycleqd-worker"
"""``service.name`` of the two roles, where the environment gives none."""

INSTALL: Final = "install cycleqd-operator[otel]"


def endpoint_variable(environment: Mapping[str, str]) -> str | None:
    """The variable that asks for traces, None where nobody does."""
    if environment.get(DISABLED, "").strip().lower() == "true":
        return None
    exporters = environment.get(EXPORTERS, "").strip()
    if exporters and "otlp" not in [name.strip() for name in exporters.split(",")]:
        return None
    return next((name for name in ENDPOINTS if environment.get(name, "").strip()), None)


def protocol_trouble(environment: Mapping[str, str]) -> str | None:
    """What is wrong with the protocol that is asked for, None where nothing is."""
    name = next((name for name in PROTOCOLS if environment.get(name, "").strip()), None)
    if name is None or environment[name].strip() == SPOKEN:
        return None
    return f"{name}: only {SPOKEN} is spoken; name a receiver of it (port 4318) or remove it"


@contextmanager
def traced(
    environment: Mapping[str, str], service: str, warn: Callable[[str], None]
) -> Iterator[Spans]:
    """Trace what is done inside, where that is asked for.

    Args:
        environment: of the process; the SDK reads its settings there.
        service: ``service.name`` where the environment gives none.
        warn: told, once, why there are no traces or not all; in any thread.
    """
    name = endpoint_variable(environment)
    if name is None:
        yield NO_SPANS
        return
    trouble = protocol_trouble(environment)
    if trouble is not None:
        warn(f"{trouble}; the run goes on untraced")
        yield NO_SPANS
        return
    try:
        from cycleqd.tracing.otlp import OtlpSpans  # noqa: PLC0415 - only where it is asked for

        spans = OtlpSpans(name, service, warn)
    except ModuleNotFoundError as error:
        warn(f"{name}: {error.name} is not installed; {INSTALL}; the run goes on untraced")
        yield NO_SPANS
        return
    except Exception as error:  # noqa: BLE001 - a setting of the SDK's, which is not the run's
        # Without its words, which may quote a header.
        warn(
            f"{name}: OpenTelemetry refuses its settings ({type(error).__name__}); see its other "
            "OTEL_ variables; the run goes on untraced"
        )
        yield NO_SPANS
        return
    try:
        yield spans
    finally:
        spans.close()
