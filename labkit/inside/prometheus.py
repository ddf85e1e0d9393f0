"""What a server does, as Prometheus asks for it: a collector for the registry of ``prometheus_client``.

Nothing is done while nobody asks: durations come from histograms that are counted anyway (a bound is exact to 3%), the
rest from rows that came since the last time. The app serves the text as it does with any other metric::

    labkit.instrument(socketio).export(prometheus=True)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": prometheus_client.make_wsgi_app()})
"""

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.errors import MissingExtra, UsageError
from labkit.inside import exported
from labkit.inside.exported import BOUNDS_S, TOLD, Allowed
from labkit.inside.following import Following
from labkit.inside.histogram import bucket
from labkit.inside.hooking import Hooking
from labkit.inside.record import EMIT_COLUMNS, OTHER, TRANSPORTS, UNKNOWN
from labkit.inside.seeing import DISPATCHED, ERROR, HANDLER_END, HANDLER_START, LOOP_FREE, NAME, Seeing
from labkit.inside.telling import DROPPED_NS, OPEN_KEPT

try:
    from prometheus_client import REGISTRY
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
except ImportError as error:
    raise MissingExtra("metrics for Prometheus need prometheus-client: pip install 'labkit[export]'") from error

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

#: Labels: the same names as those of OpenTelemetry's, as Prometheus writes them.
EVENT, ERROR_TYPE, TRANSPORT = "messaging_destination_name", "error_type", "transport"

#: Rows of one answer; of more, the rest is counted without its name.
_ROWS = 20_000

_EMIT_NAME = EMIT_COLUMNS.index("name")
_EDGES = tuple(bucket(round(bound_s * NS_PER_S)) + 1 for bound_s in BOUNDS_S)


class _Durations:
    """Durations of one label, by bounds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[next((at for at, bound in enumerate(BOUNDS_S) if seconds <= bound), len(BOUNDS_S))] += 1
        self.sum_s += seconds

    def add_counts(self, counts: Sequence[int], sum_s: float) -> None:
        """What a histogram of :mod:`labkit.inside.histogram` has counted."""
        before = 0
        for at, edge in enumerate((*_EDGES, len(counts))):
            self.counts[at] += sum(counts[before:edge])
            before = edge
        self.sum_s += sum_s

    def told(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus has them."""
        sums, total = [], 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            sums.append((bound, float(total)))
        return sums


class Collector:
    """What a registry asks, from :meth:`start` to :meth:`stop`.

    Args:
        seeing: what the hooks see.
        hooks: of the servers.
        events: names that may be told; None for those that the servers handle.
        registry: that asks; the process's own where None.
    """

    def __init__(
        self,
        seeing: Seeing,
        hooks: Sequence[Hooking],
        events: Collection[str] | None = None,
        *,
        registry: "CollectorRegistry | None" = None,
    ) -> None:
        self._seeing = seeing
        self._allowed = Allowed(hooks, events)
        self._registry = REGISTRY if registry is None else registry
        self._lock = threading.Lock()  # two may ask at once
        self._events = Following(seeing.events, _ROWS)
        self._emits = Following(seeing.emits, _ROWS)
        self._open: dict[int, None] = {}
        self._hold: dict[str, _Durations] = {}
        self._connections: dict[str, _Durations] = {}
        self._counted: set[int] = set()
        self._errors: Counter[tuple[str, str]] = Counter()
        self._sent: Counter[str] = Counter()

    def start(self) -> None:
        """Let the registry ask.

        Raises:
            UsageError: it has metrics of these names already, of another server.
        """
        try:
            self._registry.register(self)
        except ValueError as error:
            raise UsageError(f"{error}: give each server a registry of its own") from error

    def stop(self) -> None:
        """Have it ask no more."""
        self._registry.unregister(self)

    def describe(self) -> "Iterator[Metric]":
        """The names, so that a registry knows them without asking for values."""
        for name in (exported.PROCESS_DURATION, exported.QUEUE_DURATION, exported.RECEIVE_LOOP_HOLD):
            yield _histogram(name, EVENT)
        yield _histogram(exported.CONNECTION_DURATION, TRANSPORT)

    def collect(self) -> "Iterator[Metric]":
        """What is so far."""
        with self._lock:
            return iter(self._collected())

    def _collected(self) -> "list[Metric]":
        running = self._take_events()
        self._take_emits()
        self._take_connections()
        live = list(self._seeing.connections.live.values())
        process, queue = self._long_run("service_ns"), self._long_run("queue_ns")
        found: list[Any] = [
            _durations(exported.PROCESS_DURATION, EVENT, process),
            _durations(exported.QUEUE_DURATION, EVENT, queue),
            _durations(exported.RECEIVE_LOOP_HOLD, EVENT, self._hold),
            _durations(exported.CONNECTION_DURATION, TRANSPORT, self._connections),
        ]
        consumed, errors, sent = (
            CounterMetricFamily(_plain(name), told, labels=labels)
            for name, told, labels in (
                (exported.CONSUMED, TOLD[exported.CONSUMED], [EVENT]),
                ("messaging.process.errors", "Events whose handlers raised.", [EVENT, ERROR_TYPE]),
                (exported.SENT, TOLD[exported.SENT], [EVENT]),
            )
        )
        for name, each in process.items():
            consumed.add_metric([name], sum(each.counts))
        for (name, kind), count in self._errors.items():
            errors.add_metric([name, kind], count)
        for name, count in self._sent.items():
            sent.add_metric([name], count)
        in_flight = GaugeMetricFamily(_plain(exported.IN_FLIGHT), TOLD[exported.IN_FLIGHT], labels=[EVENT])
        for name, count in running.items():
            in_flight.add_metric([name], count)
        name = exported.ACTIVE_CONNECTIONS
        active = GaugeMetricFamily(_plain(name), TOLD[name], labels=[TRANSPORT])
        by_websocket = sum(each.websocket for each in live)
        for transport, count in zip(TRANSPORTS, (len(live) - by_websocket, by_websocket), strict=True):
            active.add_metric([transport], count)
        found += [consumed, errors, sent, in_flight, active]
        least = min((each.headroom_ns for each in live if each.headroom_ns is not None), default=None)
        if least is not None:
            name = _plain(exported.HEADROOM) + "_seconds"
            found.append(GaugeMetricFamily(name, TOLD[exported.HEADROOM], value=least / NS_PER_S))
        return found

    def _long_run(self, kind: str) -> dict[str, _Durations]:
        told: dict[str, _Durations] = {}
        names = self._seeing.names.names
        for index, counting in list(self._seeing.long_run.items()):
            if names[index] in ("connect", "disconnect"):
                continue  # which are no messages
            histogram = counting.snapshot()[kind]
            label = self._allowed.label(names[index])
            told.setdefault(label, _Durations()).add_counts(histogram.counts, histogram.total_ns / NS_PER_S)
        return told

    def _take_events(self) -> Counter[str]:
        """What has ended since; by name, how many run."""
        new, _ = self._events.new()
        running: Counter[str] = Counter()
        before, self._open = self._open, {}
        for number in (*before, *new):
            self._take_event(number, running)
        while len(self._open) > OPEN_KEPT:
            self._open.pop(next(iter(self._open)))
        return running

    def _take_event(self, number: int, running: Counter[str]) -> None:
        ring = self._seeing.events
        row, at = ring.data, number % ring.rows * ring.width
        if row[at] > number:
            return
        if row[at] == number:
            start, end, free = row[at + HANDLER_START], row[at + HANDLER_END], row[at + LOOP_FREE]
            label = self._allowed.label(self._seeing.names.names[row[at + NAME]])
            if end and free:
                self._hold.setdefault(label, _Durations()).add((free - row[at + DISPATCHED]) / NS_PER_S)
                if row[at + ERROR] != UNKNOWN:
                    self._errors[label, self._seeing.errors.names[row[at + ERROR]]] += 1
                return
            if free and not start and now_ns() - free > DROPPED_NS:
                return
            running[label] += bool(start and not end)
        self._open[number] = None

    def _take_emits(self) -> None:
        ring = self._seeing.emits
        new, passed_over = self._emits.new()
        if passed_over:
            self._sent[OTHER] += passed_over
        for number in new:
            at = number % ring.rows * ring.width
            name = self._seeing.names.names[ring.data[at + _EMIT_NAME]] if ring.data[at] == number else OTHER
            self._sent[self._allowed.label(name)] += 1

    def _take_connections(self) -> None:
        known = self._seeing.connections.told()
        for each in known:
            if each.closed_ns and each.opened_ns and each.number not in self._counted:
                self._counted.add(each.number)
                transport = TRANSPORTS[bool(each.upgraded_ns) or each.first_transport == TRANSPORTS[1]]
                durations = self._connections.setdefault(transport, _Durations())
                durations.add((each.closed_ns - each.opened_ns) / NS_PER_S)
        self._counted &= {each.number for each in known}


def _plain(name: str) -> str:
    """As Prometheus writes it."""
    return name.replace(".", "_")


def _histogram(name: str, label: str) -> Any:
    return HistogramMetricFamily(f"{_plain(name)}_seconds", TOLD[name], labels=[label])


def _durations(name: str, label: str, values: dict[str, _Durations]) -> Any:
    family = _histogram(name, label)
    for value, each in values.items():
        family.add_metric([value], each.told(), each.sum_s)
    return family
