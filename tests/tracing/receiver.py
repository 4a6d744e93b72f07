"""A receiver of OTLP over HTTP that keeps the spans it is sent, as Jaeger or a collector would."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PATH = "/v1/traces"


@dataclass(frozen=True)
class Sent:
    """A span as it came over the wire.

    Attributes:
        trace, span, parent: ids; the parent's is 0 for a root.
        name: its name.
        facts: its attributes.
        links: traces and spans that it is linked to.
        failed: whether its status is an error.
        begun, ended: nanoseconds since 1970.
        resource: attributes of the process.
    """

    trace: int
    span: int
    parent: int
    name: str
    facts: dict[str, Any]
    links: tuple[tuple[int, int], ...]
    failed: bool
    begun: int
    ended: int
    resource: dict[str, Any]


@dataclass
class Receiver:
    """What came so far, and where it is sent to."""

    endpoint: str
    spans: list[Sent] = field(default_factory=list)

    def named(self, name: str) -> list[Sent]:
        return [span for span in self.spans if span.name == name]

    def below(self, parent: Sent) -> list[Sent]:
        return [s for s in self.spans if (s.trace, s.parent) == (parent.trace, parent.span)]

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            process = _values(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_sent(span, process) for span in scope.spans]


def _sent(span: Any, resource: dict[str, Any]) -> Sent:
    return Sent(
        trace=_id(span.trace_id),
        span=_id(span.span_id),
        parent=_id(span.parent_span_id),
        name=span.name,
        facts=_values(span.attributes),
        links=tuple((_id(link.trace_id), _id(link.span_id)) for link in span.links),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        begun=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        resource=resource,
    )


def _id(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _values(pairs: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")

    return {pair.key: value(pair) for pair in pairs}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == PATH
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
