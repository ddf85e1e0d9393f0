"""Under what a run was measured: settings, confounders, and what server and client said of themselves.

What the machine is stands beside it, in :attr:`labkit.runs.run.Run.machine`. Judges and the checks of quality read
these fields, and never a caption.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from labkit.plan.exchange import Exchange
from labkit.plan.link import Link
from labkit.runs.heartbeats import Heartbeats

#: Where a client fires from: a process of its own, or a thread of the server's process.
OUTSIDE, INSIDE = "outside", "inside"


#: What a bystander can do instead of sending an event of the app: ping frames of its websocket (RFC 6455, 5.5.2), which
#: the server's websocket library answers, and no handler. Or nothing.
HEARTBEAT, NO_BYSTANDER = "heartbeat", "none"


#: The kinds of fields, as a file has them; all others are numbers.
_YES_OR_NO = ("stock", "instrumented", "gc_frozen", "answers_checked", "acknowledged_otherwise", "is_cut_short")
_TEXT = ("measured", "client", "url", "bystander")
_NAMED = ("options", "tuned", "parameters", "exchange", "network", "interpreter")
_LISTS = ("handler_errors", "spare_cpu", "server_log", "closings", "too_large")
_UNKNOWN_AT_TIMES = ("switch_interval_s", "client_cpu_s", "server_cpu_s", "server_switches")


@dataclass(frozen=True)
class Conditions:
    """The conditions of one run. Where a field was not measured it is None, or as it stands here.

    Attributes:
        measured: when; ISO 8601, UTC.
        start_ns: the instant on the clock from which the plan's offsets count.
        options: what ``SocketIO(...)`` was given, the strategy's own options among them.
        tuned: what differs from a stock server, for people to read.
        stock: the server's defaults were left as they are.
        instrumented: hooks stamped the server's stages.
        parameters: of the strategy, by name.
        client: :data:`OUTSIDE` or :data:`INSIDE` the server's process.
        switch_interval_s: of ``sys.setswitchinterval`` in the server's process.
        gc_frozen: the garbage collector was kept off what was there before the run.
        full_collections: of the garbage collector, in the server's process during the run.
        client_collections: of any generation, in the client's process.
        client_cpu_s: CPU seconds of the client's process.
        server_cpu_s: CPU seconds of the server's process and of those below it.
        server_switches: context switches of the server's process; None where they cannot be counted.
        warm_up_asked, warm_up_answered: events before the run.
        exchange: how events were asked and answered (:class:`labkit.plan.exchange.Exchange`), by name; empty where it
            was as usual and nobody noted it.
        acknowledged_otherwise: nothing answered the warm-up, and its acknowledgements carried something.
        answers_checked: every answer was compared with the expected one.
        ping_hz, window_s: of the bystander: its rate, and for how long it pinged.
        duration_s: of the run.
        clock_resolution_s: the step in which stamps are read.
        clocks_parted_s: by how much the wall clock and the stamps' clock parted during the run.
        heartbeats: how close the clients came to leaving; None where nobody looked.
        closed_senders, closed_others: how many connections of senders, and how many others, closed before the end.
        closings: with what connections closed before the end, each once: ``websocket code 1000 (9 connections)``.
        too_large: events or answers that are larger than a limit of this server or client, each as a sentence.
        rounded: how many answers held a whole number of which a page loses digits (beyond 2**53).
        handler_errors: the last line of each traceback.
        spare_cpu: of the CPU that a loop found alone, the share that two loops find: before and after the run.
        server_log: its first lines.
        url: of a server that is not the lab's, without its query; empty where it is.
        bystander: which event it sends, :data:`HEARTBEAT` where it sends ping frames; empty where the lab decided.
        ramp_s: within which clients came; 0 where they came all at once.
        is_cut_short: somebody had enough before the whole plan was sent.
        network: what the lab put between clients and server (:class:`labkit.plan.link.Link`), by name; empty for
            nothing.
        interpreter: what serves an app of the reader's that was started in a mode, as it said itself: `python`,
            `implementation`, `gil` (None where nobody knows), `free_threaded`, `mode`, `async_mode`, and `versions`
            by distribution; empty where nobody asked.
    """

    measured: str = ""
    start_ns: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, str] = field(default_factory=dict)
    stock: bool = False
    instrumented: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    client: str = OUTSIDE
    switch_interval_s: float | None = None
    gc_frozen: bool = False
    full_collections: int = 0
    client_collections: int = 0
    client_cpu_s: float | None = None
    server_cpu_s: float | None = None
    server_switches: int | None = None
    warm_up_asked: int = 0
    warm_up_answered: int = 0
    exchange: Mapping[str, Any] = field(default_factory=dict)
    acknowledged_otherwise: bool = False
    answers_checked: bool = False
    ping_hz: float = 0.0
    window_s: float = 0.0
    duration_s: float = 0.0
    clock_resolution_s: float = 0.0
    clocks_parted_s: float = 0.0
    heartbeats: Heartbeats | None = None
    closed_senders: int = 0
    closed_others: int = 0
    closings: tuple[str, ...] = ()
    too_large: tuple[str, ...] = ()
    rounded: int = 0
    handler_errors: tuple[str, ...] = ()
    spare_cpu: tuple[float, ...] = ()
    server_log: tuple[str, ...] = ()
    url: str = ""
    bystander: str = ""
    ramp_s: float = 0.0
    is_cut_short: bool = False
    network: Mapping[str, Any] = field(default_factory=dict)
    interpreter: Mapping[str, Any] = field(default_factory=dict)

    @property
    def link(self) -> Link | None:
        """The network between clients and server; None where the lab put none there."""
        return Link.from_dict(self.network)

    @property
    def is_serial(self) -> bool:
        """Whether the server handled the events of a connection one at a time (``async_handlers=False``)."""
        return self.options.get("async_handlers") is False

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "heartbeats": self.heartbeats and self.heartbeats.to_dict()}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` wrote; a field of a newer labkit is left out.

        Raises:
            TypeError, ValueError, UsageError: a value is not of its field's kind.
        """
        known = {each.name: told[each.name] for each in fields(cls) if each.name in told}
        for name, value in known.items():
            if not _is_of_its_kind(name, value):
                raise TypeError(f"{name} is {value!r}")
        for name in _LISTS:
            known[name] = tuple(known.get(name, ()))
        Exchange.of(known.get("exchange", {}))
        Link.from_dict(known.get("network", {}))
        beats = known.get("heartbeats")
        return cls(**{**known, "heartbeats": None if beats is None else Heartbeats.from_dict(beats)})

    @classmethod
    def from_schema_1(cls, environment: Mapping[str, Any]) -> Self:
        """The conditions of a run that was saved when one dictionary held them and the machine together."""
        told = dict(environment)
        captions = told.get("server_settings", {})
        told["tuned"] = {name: value for name, value in captions.items() if not name.startswith("SocketIO(")}
        told["options"] = {
            name.removeprefix("SocketIO(").removesuffix("=...)"): {"True": True, "False": False}.get(value, value)
            for name, value in captions.items()
            if name.startswith("SocketIO(")
        }
        told["warm_up_asked"], told["warm_up_answered"] = told.get("warm_up", (0, 0))
        told["spare_cpu"] = [share for share in told.get("spare_cpu", ()) if share is not None]
        closed = told.get("closed", {})
        told["closed_senders"], told["closed_others"] = closed.get("senders", 0), closed.get("others", 0)
        return cls.from_dict(told)


def _is_of_its_kind(name: str, value: Any) -> bool:
    """Whether a value out of a file can be that of this field."""
    if name in _YES_OR_NO or isinstance(value, bool):
        return isinstance(value, bool) and name in _YES_OR_NO
    if name in _LISTS:
        each = (int, float) if name == "spare_cpu" else (str,)
        return isinstance(value, list | tuple) and all(isinstance(one, each) for one in value)
    if name in _TEXT:
        return isinstance(value, str)
    if name in _NAMED:
        return isinstance(value, dict)
    if name == "heartbeats":
        return value is None or isinstance(value, dict)
    return isinstance(value, int | float) or (value is None and name in _UNKNOWN_AT_TIMES)
