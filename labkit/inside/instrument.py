"""``labkit.instrument``: one line in an app, and what its server does is seen."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.base.clock import now_ns, utc_stamp
from labkit.base.errors import UsageError
from labkit.inside.flask_hooks import FlaskHooks
from labkit.inside.hooking import Hooking, greenlets
from labkit.inside.placed import Placed
from labkit.inside.record import Record
from labkit.inside.seeing import Seeing
from labkit.inside.shown import shown

if TYPE_CHECKING:
    from labkit.inside.recorder import Recorder
    from labkit.inside.telling import Telling
    from labkit.inside.watch import Watch
    from labkit.inside.watched import Watched

#: Under which a server, and its ``SocketIO``, has who looks into it.
_ATTRIBUTE = "_labkit_inside"

#: Memory is this many rows of events, and as many of emits: 17 MB, or 11 minutes of 100 events a second.
EVENTS_KEPT = 65_536


def instrument(thing: Any, *, events: int = EVENTS_KEPT, payloads: bool = False, blame: bool = False) -> "Inside":
    """See what a server does with every event, until :meth:`Inside.detach`.

    Args:
        thing: ``flask_socketio.SocketIO`` (before or after ``init_app``), ``socketio.Server`` or
            ``socketio.AsyncServer``; clients may be connected already.
        events: how many are kept, and as many emits: about 170 and 100 bytes each.
        payloads: keep the arguments of the last 1,000 events too.
        blame: watch who makes whom wait too: a thread that wakes every 8 ms (:meth:`Inside.watched`).

    Returns:
        What sees. For one that is instrumented already, the same again.

    Raises:
        UsageError: it is none of these, or `events` is less than 1; nothing was changed.
        ServerError: the installed version of a library has other private names; nothing was changed.
    """
    if isinstance(events, bool) or not isinstance(events, int) or events < 1:
        raise UsageError(f"events={events!r} cannot be kept: ask for 1 or more")
    there = getattr(_checked(thing), _ATTRIBUTE, None) or getattr(getattr(thing, "server", None), _ATTRIBUTE, None)
    inside = there if isinstance(there, Inside) else Inside(thing, events=events, payloads=payloads)
    if blame:
        inside.watch()
    return inside


class Inside:
    """What looks into one server. A context manager, which detaches at the end.

    Made by :func:`instrument`.
    """

    def __init__(self, thing: Any, *, events: int = EVENTS_KEPT, payloads: bool = False) -> None:
        self._seeing = Seeing(events=events, payloads=payloads)
        self._hooks: list[Hooking] = []
        self._placed = Placed()
        self._watch: Watch | None = None
        self._flask: FlaskHooks | None = None
        self._beside: list[Any] = []  # what tells others of it, each with a stop()
        self._started_ns, self._started_utc = now_ns(), utc_stamp()
        if _is_flask(thing):
            if thing.server is not None:
                self._look_into(thing.server)
            self._flask = FlaskHooks(thing, made=self._made, raised=self._raised, fail=self._seeing.fail)
        else:
            self._look_into(thing)
        if _ATTRIBUTE not in vars(thing):
            self._placed.put(thing, _ATTRIBUTE, self)

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def __repr__(self) -> str:
        return f"<Inside: {len(self._hooks)} server{'' if len(self._hooks) == 1 else 's'}, {self.record()!r}>"

    def _repr_html_(self) -> str:
        return shown(self.record(), None if self._watch is None else self.watched())

    def detach(self) -> bool:
        """Put everything back as it was; what was seen can still be asked for.

        Connections that are open keep simple-websocket's inbox as a list that stamps no more, until they end.

        Returns:
            False where somebody has since put a hook of their own in front of one of ours. Ours stays behind it.
        """
        while self._beside:
            self._beside.pop().stop()
        if self._watch is not None:
            self._watch.stop()
        back = [self._placed.take_off(), *(hooks.take_off() for hooks in self._hooks)]
        if self._flask is not None:
            back.append(self._flask.take_off())
        return all(back)

    def watch(self) -> None:
        """Watch from now on who makes whom wait; twice does no harm."""
        if self._watch is None:
            from labkit.inside.watch import Watch

            self._watch = Watch(self._seeing, self._hooks)
            self._watch.start()

    @property
    def is_watched(self) -> bool:
        """Whether who makes whom wait is watched, or was."""
        return self._watch is not None

    def watched(self) -> "Watched":
        """Who made whom wait so far, as a snapshot; ``labkit.blame(inside)`` reads it.

        Raises:
            UsageError: nobody watches.
        """
        if self._watch is None:
            raise UsageError("nobody watches who makes whom wait: call labkit.instrument(..., blame=True)")
        return self._watch.told()

    def record_events(self, recorder: "Recorder") -> None:
        """Give every event that arrives from now on, with what it carries, to a recorder too."""
        self._seeing.recorder = recorder

    def telling(self, *, whole: bool = False) -> "Telling":
        """What tells the last minute; with `whole`, all since now."""
        from labkit.inside.telling import Telling

        return Telling(self._seeing, self._hooks, lambda: self._watch, whole=whole)

    def publish(self, folder: str | Path | None = None) -> Path:
        """Let ``labkit watch`` in another terminal see what the server does now, until :meth:`detach`.

        Twice a second a real thread looks whether somebody watches; it writes a small file, and no port is opened.

        Args:
            folder: where the file goes; None for a new one in ``labkit-results``.

        Returns:
            The folder: ``labkit watch FOLDER``.

        Raises:
            UsageError: the folder cannot be written to.
        """
        from labkit.inside.publishing import Publishing, own_folder

        place, made = own_folder(folder)
        self._beside.append(publishing := Publishing(self.telling, place, made=made))
        publishing.start()
        return place

    def export(
        self,
        *,
        otel: bool = False,
        prometheus: bool = False,
        events: Collection[str] | None = None,
        tracer_provider: Any = None,
        meter_provider: Any = None,
        registry: Any = None,
    ) -> None:
        """Tell dashboards what the server does, until :meth:`detach`.

        Args:
            otel: spans and metrics through the API of OpenTelemetry; where they go, the app's SDK says.
            prometheus: metrics in a registry of ``prometheus_client``; the app serves them as it does its others.
            events: names that may be told; None for those that the server handles. All others are ``_other``.
            tracer_provider, meter_provider: of OpenTelemetry; the process's own where None.
            registry: of ``prometheus_client``; the process's own where None.

        Raises:
            MissingExtra: the package is absent.
            UsageError: there is no server yet, or `registry` has these metrics already.
        """
        if not self._hooks:
            raise UsageError("there is no server to export of yet: call export() after init_app()")
        exports: list[Any] = []
        if otel:
            from labkit.inside.otel import Telemetry

            providers = {"tracer_provider": tracer_provider, "meter_provider": meter_provider}
            exports.append(Telemetry(self._seeing, self._hooks, events, **providers))
        if prometheus:
            from labkit.inside.prometheus import Collector

            exports.append(Collector(self._seeing, self._hooks, events, registry=registry))
        for each in exports:
            each.start()
            self._beside.append(each)

    def record(self) -> Record:
        """What was seen so far, as a snapshot; the server goes on."""
        seeing = self._seeing
        taken_ns = now_ns()
        events, events_seen = seeing.events.snapshot()
        emits, emits_seen = seeing.emits.snapshot()
        heartbeats, _ = seeing.heartbeats.snapshot()
        names = tuple(seeing.names.names)
        return Record(
            events=events,
            emits=emits,
            names=names,
            namespaces=tuple(seeing.namespaces.names),
            errors=tuple(seeing.errors.names),
            connections=seeing.connections.told(),
            settings=self._settings(),
            events_seen=events_seen,
            emits_seen=emits_seen,
            connections_seen=seeing.connections.seen,
            started_ns=self._started_ns,
            taken_ns=taken_ns,
            started_utc=self._started_utc,
            long_run={
                names[index]: counting.snapshot()
                for index, counting in list(seeing.long_run.items())
                if index < len(names)
            },
            unseen=self._unseen(),
            failed=seeing.failed,
            payloads=tuple(seeing.payloads or ()),
            heartbeats=heartbeats,
        )

    def _look_into(self, server: Any) -> None:
        if server.is_asyncio_based():
            from labkit.inside.async_hooks import AsyncHooks

            self._hooks.append(AsyncHooks(server, self._seeing))
        else:
            from labkit.inside.sync_hooks import SyncHooks

            self._hooks.append(SyncHooks(server, self._seeing))
        if _ATTRIBUTE not in vars(server):
            self._placed.put(server, _ATTRIBUTE, self)

    def _made(self, server: Any) -> None:
        """``init_app`` has made a server."""
        if all(hooks.server is not server for hooks in self._hooks):
            self._look_into(server)

    def _raised(self, error: BaseException) -> None:
        """A handler has raised, and the app's own handler of errors is about to take it."""
        for hooks in self._hooks:
            hooks.raised_here(error)

    def _settings(self) -> dict[str, Any]:
        if not self._hooks:
            return {}
        server = self._hooks[-1].server
        return {
            "async_mode": server.eio.async_mode,
            "async_handlers": bool(server.async_handlers),
            "greenlets": greenlets(server),
            "ping_interval_s": server.eio.ping_interval,
            "ping_timeout_s": server.eio.ping_timeout,
            "transports": list(server.eio.transports),
            "allow_upgrades": bool(server.eio.allow_upgrades),
            "max_http_buffer_size": server.eio.max_http_buffer_size,
            "manager": type(server.manager).__name__,
        }

    def _unseen(self) -> tuple[str, ...]:
        told = []
        if any(hooks.server.is_asyncio_based() for hooks in self._hooks):
            told.append("read: by websocket, packets wait in a buffer of the web server that no hook can see")
            told.append("cpu_ns: handlers share the event loop's thread")
        if any(hooks.greenlets for hooks in self._hooks):
            told.append("cpu_ns: handlers are green threads, which share one thread")
        earlier = sum(1 for each in self._seeing.connections.told() if each.opened_ns == 0)
        if earlier:
            told.append(f"read, written: of connections that were there before the hooks ({earlier})")
        return tuple(told)


def _is_flask(thing: Any) -> bool:
    return hasattr(thing, "init_app") and hasattr(thing, "server")


def _checked(thing: Any) -> Any:
    """The thing, where it is one that can be looked into.

    Raises:
        UsageError: it is not.
    """
    server = thing.server if _is_flask(thing) else thing
    if not (hasattr(server, "eio") and hasattr(server, "is_asyncio_based")) and (server is not None or server is thing):
        raise UsageError(
            f"{type(thing).__name__} is no server: give a flask_socketio.SocketIO, a socketio.Server or an AsyncServer"
        )
    return thing
