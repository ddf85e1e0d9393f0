"""Spans and metrics for OpenTelemetry: their names, what they are linked to, and nothing that is a secret."""

import asyncio

import pytest
import socketio as plain

import labkit
from labkit.base.errors import MissingExtra, UsageError
from tests.support.exporting import exporting
from tests.support.helpers import make_server, no_thread_dies, wait_until

pytest.importorskip("opentelemetry.sdk", reason="exports need OpenTelemetry: pip install 'labkit[export]'")

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(autouse=True)
def threads_end_well():
    with no_thread_dies():
        yield


class Telemetry:
    """Where everything goes."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])

    @property
    def options(self):
        return {"otel": True, "tracer_provider": self.tracers, "meter_provider": self.meters}

    def spans(self):
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def metrics(self):
        """By name and the event's label: the points."""
        found = {}
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        label = point.attributes.get("messaging.destination.name", point.attributes.get("transport"))
                        found.setdefault((metric.name, label), []).append(point)
        return found


@pytest.fixture
def telemetry():
    told = Telemetry()
    yield told
    told.meters.shutdown()
    told.tracers.shutdown()


@pytest.mark.measured
def test_spans_and_metrics_of_a_server(telemetry):
    with exporting(**telemetry.options) as (_, client):
        assert wait_until(lambda: len(telemetry.exporter.get_finished_spans()) == 6)
        spans, metrics = telemetry.spans(), telemetry.metrics()
        assert set(spans) == {"process echo", "process broken", "process _other", "process enter"}
        echo, broken, enter = (spans[f"process {name}"] for name in ("echo", "broken", "enter"))
        assert echo.kind is trace.SpanKind.CONSUMER
        assert echo.parent is None
        assert dict(enter.attributes) == {
            "messaging.system": "socket.io",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "enter",
            "messaging.socket.io.namespace": "/rooms",
            "messaging.socket.io.event_name": "enter",
        }
        assert broken.attributes["error.type"] == "KeyError"
        assert not broken.status.is_ok
        assert echo.status.status_code is trace.StatusCode.UNSET

        (processed,) = metrics["messaging.process.duration", "echo"]
        assert processed.count == 3
        assert processed.explicit_bounds[0] == 0.001
        assert metrics["labkit.socketio.queue.duration", "echo"][0].count == 3
        assert metrics["labkit.socketio.receive_loop.hold", "echo"][0].count == 3
        assert metrics["messaging.client.consumed.messages", "echo"][0].value == 3
        assert metrics["messaging.client.consumed.messages", "broken"][0].attributes["error.type"] == "KeyError"
        assert metrics["messaging.client.sent.messages", "_other"][0].value == 3  # nobody handles "echoed"
        assert metrics["labkit.socketio.in_flight", "echo"][0].value == 0
        assert metrics["socketio.server.active_connections", "websocket"][0].value == 1
        client.leave()
        assert wait_until(lambda: ("socketio.server.connection.duration", "websocket") in telemetry.metrics())
        said = repr(telemetry.metrics()) + "".join(
            map(str, (s.to_json() for s in telemetry.exporter.get_finished_spans()))
        )
        for secret in ("secret", client.sid, "made-up-by-a-client"):
            assert secret not in said


@pytest.mark.measured
def test_a_span_is_linked_to_the_handshake(telemetry):
    server = make_server(lambda socketio, _: socketio.on("hi")(lambda: trace.get_current_span().get_span_context()[1]))
    server.start()
    client = plain.Client(handle_sigint=False)
    try:
        with labkit.instrument(server.socketio) as inside:
            inside.export(**telemetry.options)
            client.connect(server.url, headers={"traceparent": f"00-{TRACE}-{SPAN}-01"}, transports=["websocket"])
            current = client.call("hi", timeout=5)
            assert wait_until(telemetry.spans)
    finally:
        client.disconnect()
        server.stop()
    span = telemetry.spans()["process hi"]
    (link,) = span.links
    assert (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") == (TRACE, SPAN)
    assert span.context.trace_id != link.context.trace_id
    assert current == span.context.span_id  # what the handler calls is below it


def test_an_asyncio_server(telemetry):
    server = plain.AsyncServer(async_mode="asgi")

    @server.on("hi")
    async def hi(sid):
        await asyncio.sleep(0)
        return trace.get_current_span().get_span_context().span_id

    @server.on("broken")
    async def broken(sid):
        raise KeyError("secret-payload")

    async def handle(name):
        return await server._handle_event_internal(server, "sid", "eio", [name], "/", None)

    with labkit.instrument(server) as inside:
        inside.export(**telemetry.options)
        assert asyncio.iscoroutinefunction(server.eio.handlers["connect"])
        asyncio.run(handle("hi"))
        with pytest.raises(KeyError):
            asyncio.run(handle("broken"))
    spans = telemetry.spans()
    assert set(spans) == {"process hi", "process broken"}
    assert spans["process broken"].attributes["error.type"] == "KeyError"
    assert "secret" not in spans["process broken"].to_json()
    assert ("labkit.socketio.queue.duration", "hi") not in telemetry.metrics()  # it did not come through a connection


def test_it_begins_a_trace_of_its_own_and_leaves_the_one_that_is_there(telemetry):
    """With async_handlers=False a handler runs within the request that brought its connection."""
    server = plain.Server(async_mode="threading", async_handlers=False)
    server.on("hi", lambda sid: None)
    with labkit.instrument(server) as inside:
        inside.export(**telemetry.options)
        with telemetry.tracers.get_tracer("web").start_as_current_span("GET /socket.io") as request:
            server._handle_event_internal(server, "sid", "eio", ["hi"], "/", None)
            assert trace.get_current_span() is request
    assert telemetry.spans()["process hi"].parent is None


def test_it_goes_as_it_came(telemetry):
    server = plain.Server(async_mode="threading")
    owners = (server, server.manager, server.eio)
    before = [{name: id(value) for name, value in vars(owner).items()} for owner in owners], dict(server.eio.handlers)
    inside = labkit.instrument(server)
    inside.export(**telemetry.options)
    assert "<locals>._handle_event" in repr(server._handle_event)
    assert inside.detach()
    after = [{name: id(value) for name, value in vars(owner).items()} for owner in owners], dict(server.eio.handlers)
    assert after == before
    assert telemetry.metrics()["socketio.server.active_connections", "websocket"][0].value == 0


def test_one_that_fails_takes_itself_off(telemetry, monkeypatch, caplog):
    server = plain.Server(async_mode="threading", async_handlers=False)
    server.on("hi", lambda sid: None)
    with labkit.instrument(server) as inside:
        inside.export(**telemetry.options)
        (export,) = inside._beside
        monkeypatch.setattr(export._tracer, "start_span", lambda *_, **__: 1 / 0)
        for _ in range(2):
            server._handle_event_internal(server, "sid", "eio", ["hi"], "/", None)
        assert [record.getMessage() for record in caplog.records if "export failed" in record.getMessage()] == [
            "labkit's export failed and takes itself off, the app goes on: _handle_event_internal"
        ]
        assert "Telemetry" not in repr(server._handle_event_internal)


def test_before_there_is_a_server():
    from flask_socketio import SocketIO

    inside = labkit.instrument(SocketIO())
    with pytest.raises(UsageError, match="call export"):
        inside.export(otel=True)
    inside.detach()


@pytest.mark.parametrize(
    ("module", "package", "name"),
    [("otel", "opentelemetry", "opentelemetry-api"), ("prometheus", "prometheus_client", "prometheus-client")],
)
def test_without_the_package(monkeypatch, module, package, name):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"labkit.inside.{module}", raising=False)
    with labkit.instrument(plain.Server(async_mode="threading")) as inside:
        with pytest.raises(MissingExtra, match=rf"{name}: pip install 'labkit\[export\]'"):
            inside.export(**{module: True})
        assert not inside._beside
