"""Spans by the OpenTelemetry SDK, sent over OTLP; the only module that imports any of it.

Spans wait in a bounded queue and are sent by a thread of their own; a queue that is full drops the
oldest ones. No call of the run waits for the receiver, but for a bounded time at the end. The
provider is not made the process's global one, which belongs to whoever calls this library.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision

from cycleqd.tracing.attributes import ERROR_TYPE
from cycleqd.tracing.roots import Root
from cycleqd.tracing.spans import Attributes, Span
from cycleqd.version import __version__

LAST_SECONDS: Final = 2.0
"""How long the end of a process waits for spans that are not sent yet."""


class _Ids(RandomIdGenerator):
    """Random ids, but for one root at a time that brings its own.

    Roots are recorded by one thread, the coordinator's.
    """

    root: Root | None = None

    def generate_trace_id(self) -> int:
        return super().generate_trace_id() if self.root is None else self.root.trace

    def generate_span_id(self) -> int:
        return super().generate_span_id() if self.root is None else self.root.span

    def is_trace_id_random(self) -> bool:
        return False


class _ToldExporter(SpanExporter):
    """Sends, and tells the first time that it fails."""

    def __init__(self, exporter: SpanExporter, tell: Callable[[], None]) -> None:
        self._exporter = exporter
        self._tell = tell

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - a URL that is none, a broken proxy: never the run's
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._tell()
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _OtlpSpan:
    """A span of the SDK's."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def tell(self, facts: Attributes) -> None:
        self._span.set_attributes(dict(facts))

    def fail(self, kind: str) -> None:
        self._span.set_attribute(ERROR_TYPE, kind)
        self._span.set_status(trace.StatusCode.ERROR)


class OtlpSpans:
    """The spans of one process.

    Args:
        variable: the one that names the endpoint, for messages.
        service: ``service.name`` where the environment gives none.
        warn: told once that spans are lost; in any thread.

    Raises:
        ValueError: the environment holds a setting that is none.
    """

    def __init__(self, variable: str, service: str, warn: Callable[[str], None]) -> None:
        self._variable = variable
        self._warn = warn
        self._warned = threading.Event()
        self._ids = _Ids()
        given = OTELResourceDetector().detect().attributes
        ours = {
            "service.name": service,
            "service.version": __version__,
            "host.name": socket.gethostname(),
        }
        self._provider = TracerProvider(
            resource=Resource.create({k: v for k, v in ours.items() if k not in given}),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        exporter = _ToldExporter(OTLPSpanExporter(), self._tell)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("cycleqd", __version__)

    @contextmanager
    def span(self, name: str, facts: Attributes, root: Root | None = None) -> Iterator[Span]:
        """Time what is done inside."""
        context = None if root is None else self._below(root)
        span = self._tracer.start_span(name, context, attributes=dict(facts))
        told = _OtlpSpan(span)
        with trace.use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            try:
                yield told
            except BaseException as error:  # a process that is told to end is cut off as well
                told.fail(type(error).__name__)
                raise

    def record(
        self, root: Root, name: str, facts: Attributes, links: Sequence[Root], begun: int
    ) -> None:
        """Tell of a root that has ended now."""
        self._ids.root = root
        try:
            span = self._tracer.start_span(
                name,
                Context(),
                attributes=dict(facts),
                links=[trace.Link(self._context(other)) for other in links],
                start_time=begun,
            )
        finally:
            self._ids.root = None
        span.end()

    def close(self) -> None:
        """Send what is left, for `LAST_SECONDS` at most."""
        sent = threading.Event()

        def send() -> None:
            self._provider.shutdown()
            sent.set()

        ending = threading.Thread(target=send, name="tracing", daemon=True)
        try:
            ending.start()
            sent.wait(LAST_SECONDS)
        except SystemExit:  # told to end, as a worker is whose run is complete: this is its end
            sent.wait(LAST_SECONDS)
            raise
        if not sent.is_set():
            self._tell()

    def _tell(self) -> None:
        if not self._warned.is_set():
            self._warned.set()
            self._warn(
                f"{self._variable}: does not take all spans, which are lost; see that a receiver "
                "of OTLP over HTTP answers there; the run goes on"
            )

    def _below(self, root: Root) -> Context:
        return trace.set_span_in_context(trace.NonRecordingSpan(self._context(root)), Context())

    def _context(self, root: Root) -> trace.SpanContext:
        """A root as another process would name it, sampled where a root with its id is."""
        decided = self._provider.sampler.should_sample(Context(), root.trace, "")
        sampled = decided.decision is Decision.RECORD_AND_SAMPLE
        flags = trace.TraceFlags.SAMPLED if sampled else trace.TraceFlags.DEFAULT
        return trace.SpanContext(
            root.trace, root.span, is_remote=True, trace_flags=trace.TraceFlags(flags)
        )
