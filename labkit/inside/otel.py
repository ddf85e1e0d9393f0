"""Spans and metrics for OpenTelemetry, through its API alone: whoever runs the app chooses where they go.

A span ``process {event}`` is made where the handler runs, as the current one: what the handler calls (a database's
instrumentation, say) has its spans below it. It begins a trace of its own and is *linked* to the span of the
connection's handshake, or to what the client sent as ``traceparent`` with it. The names follow the conventions for
messaging, which are "in development".

Hooks are put in front of those of :mod:`labkit.inside.hooking`. They cost some 40 us an event where an SDK is
installed; one that fails logs once and takes itself off.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.errors import MissingExtra
from labkit.inside import exported, waits_now
from labkit.inside.exported import BOUNDS_S, TOLD, Allowed
from labkit.inside.hooking import Hooking
from labkit.inside.placed import Placed
from labkit.inside.record import TRANSPORTS, UNKNOWN
from labkit.inside.seeing import ERROR, Event, Seeing, log

try:
    from opentelemetry import context, metrics, propagate, trace
    from opentelemetry.metrics import CallbackOptions, Observation
except ImportError as error:
    raise MissingExtra("spans and metrics need opentelemetry-api: pip install 'labkit[export]'") from error

_NAME = "labkit"


class Telemetry:
    """Makes spans and metrics of what some hooks see, from :meth:`start` to :meth:`stop`.

    Args:
        seeing: what the hooks see.
        hooks: of the servers that there are.
        events: names that may be told; None for those that the servers handle.
        tracer_provider, meter_provider: where spans and metrics go; the process's own where None.
    """

    def __init__(
        self,
        seeing: Seeing,
        hooks: Sequence[Hooking],
        events: Collection[str] | None = None,
        *,
        tracer_provider: "trace.TracerProvider | None" = None,
        meter_provider: "metrics.MeterProvider | None" = None,
    ) -> None:
        self._seeing, self._hooks = seeing, hooks
        self._allowed = Allowed(hooks, events)
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        self._placed = Placed()
        self._handshakes: dict[str, trace.SpanContext] = {}
        self._failed: set[str] = set()
        self._stopped = False
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)

        def durations(name: str) -> metrics.Histogram:
            return meter.create_histogram(
                name, unit="s", description=TOLD[name], explicit_bucket_boundaries_advisory=BOUNDS_S
            )

        self._process, self._queue = durations(exported.PROCESS_DURATION), durations(exported.QUEUE_DURATION)
        self._hold, self._open = durations(exported.RECEIVE_LOOP_HOLD), durations(exported.CONNECTION_DURATION)
        self._consumed, self._sent = (
            meter.create_counter(name, unit="{message}", description=TOLD[name])
            for name in (exported.CONSUMED, exported.SENT)
        )
        self._in_flight = meter.create_up_down_counter(
            exported.IN_FLIGHT, unit="{message}", description=TOLD[exported.IN_FLIGHT]
        )
        meter.create_observable_up_down_counter(
            exported.ACTIVE_CONNECTIONS,
            [self._active],
            unit="{connection}",
            description=TOLD[exported.ACTIVE_CONNECTIONS],
        )
        meter.create_observable_gauge(
            exported.HEADROOM, [self._headroom], unit="s", description=TOLD[exported.HEADROOM]
        )

    def start(self) -> None:
        """Put the hooks in front of what is there."""
        for hooks in self._hooks:
            server, eio = hooks.server, hooks.server.eio
            put, is_async = self._placed.put, server.is_asyncio_based()
            put(server, "_handle_event_internal", (self._process_async if is_async else self._process_sync)(server))
            put(server, "_handle_event", (self._hold_async if is_async else self._hold_sync)(server))
            put(server.manager, "emit", self._emit(server.manager.emit))
            put(eio.handlers, "connect", self._connect(eio.handlers["connect"]))
            put(eio.handlers, "disconnect", self._disconnect(eio.handlers["disconnect"]))

    def stop(self) -> None:
        """Put back what was there. Instruments of the API cannot be taken back: they tell nothing more."""
        self._stopped = True
        self._placed.take_off()
        self._handshakes.clear()

    def _fail(self, hook: str) -> None:
        """A hook has raised: say so once, and take it off. Called where the exception is handled."""
        self._placed.take_off(hook)
        if hook not in self._failed:
            self._failed.add(hook)
            log.error("labkit's export failed and takes itself off, the app goes on: %s", hook, exc_info=True)

    # An event

    def _process_sync(self, server: Any) -> Callable[..., Any]:
        before = server._handle_event_internal

        def _handle_event_internal(*args: Any) -> Any:
            handling = self._begin(*args)
            try:
                result = before(*args)
            except BaseException as error:
                self._end(handling, error)
                raise
            self._end(handling, None)
            return result

        return _handle_event_internal

    def _process_async(self, server: Any) -> Callable[..., Any]:
        before = server._handle_event_internal

        async def _handle_event_internal(*args: Any) -> Any:
            handling = self._begin(*args)
            try:
                result = await before(*args)
            except BaseException as error:
                self._end(handling, error)
                raise
            self._end(handling, None)
            return result

        return _handle_event_internal

    def _begin(self, *args: Any) -> "_Handling | None":
        try:
            _, _, eio_sid, data, namespace, _ = args
            name = self._allowed.label(data[0])
            about = _about(name)
            link = self._handshakes.get(eio_sid)
            span = self._tracer.start_span(
                f"process {name}",
                context=context.Context(),
                kind=trace.SpanKind.CONSUMER,
                attributes={
                    **about,
                    "messaging.operation.type": "process",
                    "messaging.socket.io.namespace": namespace or "/",
                    "messaging.socket.io.event_name": name,
                },
                links=[] if link is None else [trace.Link(link)],
            )
            handling = _Handling(span, context.attach(trace.set_span_in_context(span)), about, data, now_ns())
            self._in_flight.add(1, about)
            if (waited_s := self._waited_s(handling)) is not None:
                self._queue.record(waited_s, about)
        except Exception:  # noqa: BLE001 (whatever an export raises is no business of the app)
            self._fail("_handle_event_internal")
            return None
        return handling

    def _waited_s(self, handling: "_Handling") -> float | None:
        data, ring = handling.data, self._seeing.events
        if type(data) is not Event or ring.data[data.at] != data.number:
            return None
        return max(0, handling.began_ns - waits_now.came(ring.data, data.at)) / NS_PER_S

    def _end(self, handling: "_Handling | None", error: BaseException | None) -> None:
        if handling is None:
            return
        try:
            span, about = handling.span, handling.about
            context.detach(handling.token)
            self._in_flight.add(-1, about)
            kind = self._raised(handling.data) if error is None else type(error).__name__
            # Not the exception itself: what it says may be a payload.
            if kind is not None:
                span.set_status(trace.StatusCode.ERROR)
                span.set_attribute("error.type", kind)
                about = {**about, "error.type": kind}
            span.end()
            self._process.record((now_ns() - handling.began_ns) / NS_PER_S, about)
            self._consumed.add(1, about)
        except Exception:  # noqa: BLE001
            self._fail("_handle_event_internal")

    def _raised(self, data: Any) -> str | None:
        """What a handler raised and the app's own handler of errors took."""
        ring = self._seeing.events
        if type(data) is not Event or ring.data[data.at] != data.number:
            return None
        kind = ring.data[data.at + ERROR]
        return None if kind == UNKNOWN else self._seeing.errors.names[kind]

    def _hold_sync(self, server: Any) -> Callable[..., Any]:
        before = server._handle_event

        def _handle_event(eio_sid: str, namespace: str, id: Any, data: Any) -> Any:  # noqa: A002 (upstream's)
            began_ns = now_ns()
            try:
                return before(eio_sid, namespace, id, data)
            finally:
                self._held(data, began_ns)

        return _handle_event

    def _hold_async(self, server: Any) -> Callable[..., Any]:
        before = server._handle_event

        async def _handle_event(eio_sid: str, namespace: str, id: Any, data: Any) -> Any:  # noqa: A002
            began_ns = now_ns()
            try:
                return await before(eio_sid, namespace, id, data)
            finally:
                self._held(data, began_ns)

        return _handle_event

    def _held(self, data: Any, began_ns: int) -> None:
        try:
            self._hold.record((now_ns() - began_ns) / NS_PER_S, _about(self._allowed.label(data[0])))
        except Exception:  # noqa: BLE001
            self._fail("_handle_event")

    def _emit(self, before: Callable[..., Any]) -> Callable[..., Any]:
        def emit(event: Any, *args: Any, **kwargs: Any) -> Any:  # what an asyncio one returns, its caller awaits
            try:
                self._sent.add(1, _about(self._allowed.label(event), "send"))
            except Exception:  # noqa: BLE001
                self._fail("emit")
            return before(event, *args, **kwargs)

        return emit

    # A connection

    def _connect(self, before: Callable[..., Any]) -> Callable[..., Any]:
        # What an asyncio server has here is a coroutine function, and Engine.IO asks whether it is.
        def connect(eio_sid: str, environ: Any) -> Any:
            self._shook_hands(eio_sid, environ)
            return before(eio_sid, environ)

        return _like(before, connect)

    def _disconnect(self, before: Callable[..., Any]) -> Callable[..., Any]:
        def disconnect(eio_sid: str, *reason: Any) -> Any:
            self._parted(eio_sid)
            return before(eio_sid, *reason)

        return _like(before, disconnect)

    def _shook_hands(self, eio_sid: str, environ: Any) -> None:
        try:
            here = trace.get_current_span().get_span_context()
            if not here.is_valid:
                headers = {
                    key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key[:5] == "HTTP_"
                }
                there = propagate.extract(headers, context=context.Context())
                here = trace.get_current_span(there).get_span_context()
            if here.is_valid:
                self._handshakes[eio_sid] = here
        except Exception:  # noqa: BLE001
            self._fail("connect")

    def _parted(self, eio_sid: str) -> None:
        try:
            self._handshakes.pop(eio_sid, None)
            live = self._seeing.connections.live.get(eio_sid)
            if live is not None and live.opened_ns:
                about = {"transport": TRANSPORTS[live.websocket]}
                self._open.record((now_ns() - live.opened_ns) / NS_PER_S, about)
        except Exception:  # noqa: BLE001
            self._fail("disconnect")

    def _active(self, _: "CallbackOptions") -> "Iterable[Observation]":
        live = [] if self._stopped else list(self._seeing.connections.live.values())
        by_websocket = sum(each.websocket for each in live)
        for transport, count in zip(TRANSPORTS, (len(live) - by_websocket, by_websocket), strict=True):
            yield Observation(count, {"transport": transport})

    def _headroom(self, _: "CallbackOptions") -> "Iterable[Observation]":
        live = [] if self._stopped else list(self._seeing.connections.live.values())
        least = min((each.headroom_ns for each in live if each.headroom_ns is not None), default=None)
        return [] if least is None else [Observation(least / NS_PER_S)]


class _Handling:
    """An event whose handler runs."""

    __slots__ = ("about", "began_ns", "data", "span", "token")

    def __init__(self, span: "trace.Span", token: Any, about: dict[str, str], data: Any, began_ns: int) -> None:
        self.span, self.token, self.about, self.data, self.began_ns = span, token, about, data, began_ns


def _about(name: str, operation: str = "process") -> dict[str, str]:
    """The attributes of every metric: never a session id, never a room."""
    return {
        "messaging.system": "socket.io",
        "messaging.operation.name": operation,
        "messaging.destination.name": name,
    }


def _like(before: Callable[..., Any], hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook, as a coroutine function where that which it stands in front of is one."""
    import inspect

    if not inspect.iscoroutinefunction(before):
        return hook

    async def hook_async(*args: Any) -> Any:
        return await hook(*args)

    return hook_async
