"""A run: what was planned, every stamp that was taken, and what became of every event.

Times are int64 ns from the start of the run, the instant from which the plan's offsets count; :data:`NEVER` where a
stage was not reached or cannot be shown. A run is frozen, is saved as ``NAME.npz`` and ``NAME.json``, and loading one
executes nothing.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import MissingExtra, RecordError, UsageError
from labkit.plan.schedules import Schedule
from labkit.runs import fan_out as fan_outs
from labkit.runs import order, quality, run_file
from labkit.runs.conditions import Conditions
from labkit.runs.note import Note
from labkit.runs.stages import DELIVERIES, NEVER, SIDE_MARKS, STAGES, Delivery, Outcome, outcome_label

if TYPE_CHECKING:
    import pandas as pd

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

_EVENT_COLUMNS = (*STAGES, *SIDE_MARKS, "work_cpu", "outcome", "service")
#: A run has the first only where its client asked for acknowledgements, the second only where its work is a mix.
_OPTIONAL_COLUMNS = {"acked", "kind"}
_DELIVERY_COLUMNS = ("event", "connection", "at", "kind")
_PING_COLUMNS = ("intended", "sent", "acked")
_SAMPLE_COLUMNS = ("at", "threads", "resident_bytes", "cpu")
_ARRIVAL_COLUMNS = ("began", "opened", "upgraded", "greeted", "set_up")


@dataclass(frozen=True, eq=False)
class Run:
    """One plan, fired once at one strategy.

    Attributes:
        strategy, work, mode: their names.
        variant: under what name it is shown, where one strategy was measured under several settings; else empty.
        plan: what was fired.
        timeout_s: an event that has no answer this long after its intended start has timed out.
        events: one array per column, one place per event: the stages and side marks in ns, ``work_cpu`` (ns of thread
            CPU time), ``outcome`` (a :class:`~labkit.runs.stages.Outcome`) and ``service`` (ns that the event takes
            when nothing else runs, from the calibration before the run); ``acked`` where the client asked for it;
            ``kind`` where the work is a mix: its number in `kinds`.
        deliveries: ``event`` (-1 where it cannot be told), ``connection``, ``at``, ``kind`` (a
            :class:`~labkit.runs.stages.Delivery`). Connections are numbered: senders, bystander, listener.
        pings: the bystander's: ``intended``, ``sent``, ``acked``.
        samples: the server's process over time: ``at``, ``threads``, ``resident_bytes``, ``cpu`` (ns).
        messages: what went wrong, by event.
        machine: what it was measured on: system, cores, versions; JSON.
        conditions: settings and confounders.
        kinds: the names of the kinds of events, where the work is a mix; else empty.
        arrivals: of each connection, in ns from when the first began to connect: ``began``, ``opened`` (its first
            transport was there), ``upgraded`` (a websocket had taken the place of polling), ``greeted`` (the namespace
            let it in), ``set_up`` (it had done what it does before the load). Empty where nobody looked.
    """

    strategy: str
    work: str
    mode: str
    plan: Schedule
    timeout_s: float
    events: Mapping[str, Int64]
    deliveries: Mapping[str, Int64]
    pings: Mapping[str, Int64]
    samples: Mapping[str, Int64]
    messages: Mapping[int, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)
    variant: str = ""
    kinds: tuple[str, ...] = ()
    arrivals: Mapping[str, Int64] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part, columns, length in (
            ("events", _EVENT_COLUMNS, len(self.plan)),
            ("deliveries", _DELIVERY_COLUMNS, None),
            ("pings", _PING_COLUMNS, None),
            ("samples", _SAMPLE_COLUMNS, None),
            ("arrivals", _ARRIVAL_COLUMNS if self.arrivals else (), None),
        ):
            arrays = getattr(self, part)
            optional = _OPTIONAL_COLUMNS if part == "events" else set()
            if set(arrays) - optional != set(columns):
                raise RecordError(f"a run's {part} have the columns {', '.join(columns)}, not {', '.join(arrays)}")
            lengths = {len(array) for array in arrays.values()}
            if len(lengths) > 1 or (length is not None and lengths != {length}):
                raise RecordError(f"the columns of a run's {part} differ in length: {sorted(lengths)}")
            for array in arrays.values():
                array.setflags(write=False)
        kind = self.events.get("kind")
        if (kind is None) != (not self.kinds) or (
            kind is not None and len(kind) and not 0 <= kind.min() <= kind.max() < len(self.kinds)
        ):
            raise RecordError("a run of a mix has names of kinds, and of every event the number of one of them")

    def __len__(self) -> int:
        return len(self.plan)

    @property
    def name(self) -> str:
        """Under what name it is shown: that of its variant, or of its strategy."""
        return self.variant or self.strategy

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items() if count)
        mark = "" if self.is_valid else "INVALID, see run.quality: "
        return f"<Run {mark}{self.name}: {self.plan.name}, each {self.work}; {counts or 'no events'}>"

    @property
    def has_gil(self) -> bool:
        """Whether what served had a GIL, as it said itself, or else as the lab's own interpreter; True if unknown."""
        told = self.conditions.interpreter.get("gil", self.machine.get("gil"))
        return told is not False

    # --- whether it can be trusted ---

    @cached_property
    def quality(self) -> tuple[Note, ...]:
        """Every reason to doubt it, each with what to do; empty is the good case."""
        return tuple(quality.check(self))

    @property
    def is_valid(self) -> bool:
        """Whether its figures may be used."""
        return not any(note.invalid for note in self.quality)

    # --- what was measured, in ms, one value an event; NaN where it cannot be told ---

    def between_ms(self, start: str, end: str) -> Float64:
        """From one stage or side mark to another."""
        return between_ms(self.events[start], self.events[end])

    @property
    def own_ms(self) -> Float64:
        """End-to-end latency from the intended start (corrected for coordinated omission); inf where no answer came.

        Only an event with the outcome *answered* has an answer here: a strategy must not win by refusing. NaN where
        nobody can tell, since answers are not matched with events.
        """
        return self._answered(self.between_ms("intended", "delivered"))

    @property
    def own_from_send_ms(self) -> Float64:
        """The same from the actual send: what a client that waits for its turn would report."""
        return self._answered(self.between_ms("sent", "delivered"))

    def _answered(self, latency_ms: Float64) -> Float64:
        outcome = self.events["outcome"]
        own: Float64 = np.where(
            outcome == Outcome.ANSWERED, latency_ms, np.where(outcome == Outcome.SENT, np.nan, np.inf)
        )
        return own

    @property
    def handler_blocking_ms(self) -> Float64:
        """From the start to the end of the handler."""
        return self.between_ms("handler_start", "handler_end")

    @property
    def connection_blocked_ms(self) -> Float64:
        """How long the receive loop of its connection could not take the next packet (head-of-line blocking)."""
        return self.between_ms("dispatched", "loop_free")

    def is_kind(self, kind: str) -> NDArray[np.bool_]:
        """Which events are of a kind: ``run.own_ms[run.is_kind("chat")]``.

        Raises:
            UsageError: the run has no such kind.
        """
        if kind not in self.kinds:
            known = f"its kinds are {', '.join(self.kinds)}" if self.kinds else "its work is no mix"
            raise UsageError(f"this run has no events of kind {kind!r}: {known}")
        mask: NDArray[np.bool_] = self.events["kind"] == self.kinds.index(kind)
        return mask

    @property
    def acked_ms(self) -> Float64:
        """From the intended start to the acknowledgement, inf where none came; empty where none was asked for."""
        if "acked" not in self.events:
            return np.zeros(0)
        waited = self.between_ms("intended", "acked")
        return np.where(np.isnan(waited), np.inf, waited)

    @property
    def inbox_wait_ms(self) -> Float64:
        """From the inbox to the receive loop."""
        return self.between_ms("read", "dispatched")

    @property
    def service_ms(self) -> Float64:
        """From the start to the end of the work itself."""
        return self.between_ms("work_start", "work_end")

    @property
    def transit_ms(self) -> Float64:
        """From the client's write to the server's inbox; the server's reader thread has to get the GIL for it."""
        return self.between_ms("sent", "read")

    @property
    def lateness_ms(self) -> Float64:
        """The generator's own: how much later than intended it sent, events and pings."""
        own = self.between_ms("intended", "sent")
        pings = between_ms(self.pings["intended"], self.pings["sent"])
        lateness: Float64 = np.concatenate([own, pings])
        return lateness[~np.isnan(lateness)]

    @property
    def bystander_ms(self) -> Float64:
        """Of each ping, from its intended start to its acknowledgement; inf where none came."""
        latency = between_ms(self.pings["intended"], self.pings["acked"])
        return np.where(np.isnan(latency), np.inf, latency)

    # --- what became of it ---

    @property
    def outcomes(self) -> dict[str, int]:
        """How many events had which outcome."""
        return {o.label: int(np.count_nonzero(self.events["outcome"] == o)) for o in Outcome}

    @property
    def lost(self) -> int:
        """Events whose caller never heard anything: timed out and disconnected."""
        return self.outcomes["timed out"] + self.outcomes["disconnected"]

    @property
    def unaccounted(self) -> int:
        """Events without an outcome; must be 0."""
        return len(self) - sum(self.outcomes.values())

    def delivered(self, kind: str) -> int:
        """How many deliveries were of a kind, by its word: answer, duplicate, late, stray, garbled or unmatched."""
        return int(np.count_nonzero(self.deliveries["kind"] == DELIVERIES.index(kind)))

    @cached_property
    def order(self) -> order.Order:
        """Whether each client's answers came in the order of its events."""
        return order.observed(self)

    @property
    def connect_ms(self) -> Float64:
        """Of each connection, from its first packet until the namespace let it in; empty where nobody looked."""
        if not self.arrivals:
            return np.zeros(0)
        return between_ms(self.arrivals["began"], self.arrivals["greeted"])

    @property
    def upgrade_ms(self) -> Float64:
        """Of each connection, from its first poll's answer until the websocket was there; empty where nobody looked."""
        if not self.arrivals:
            return np.zeros(0)
        return between_ms(self.arrivals["opened"], self.arrivals["upgraded"])

    @property
    def strays(self) -> int:
        """Answers that came to somebody who did not ask."""
        return self.delivered("stray")

    @cached_property
    def fan_out(self) -> fan_outs.FanOut | None:
        """When everybody had each answer, and who missed which, where answers are meant for everybody; else None."""
        return fan_outs.of(self)

    @property
    def threads_peak(self) -> int | None:
        """Threads of the server's process at the peak, more than before the burst; None where nobody looked."""
        threads = self.samples["threads"]
        return None if len(threads) == 0 else int(threads.max() - threads[0])

    @property
    def makespan_ms(self) -> float:
        """From the first intended start to the last answer; NaN where there was none."""
        delivered = self.events["delivered"][self.events["delivered"] != NEVER]
        if len(delivered) == 0:
            return float("nan")
        return float(delivered.max() - self.events["intended"].min()) / NS_PER_MS

    # --- tables ---

    def events_table(self) -> "pd.DataFrame":
        """A DataFrame, one row an event: stages in ms from the start of the run, NaN where missing, and the outcome."""
        table: pd.DataFrame = require_pandas().DataFrame({"connection": self.plan.connection})
        for stage in (*STAGES, *SIDE_MARKS):
            table[f"{stage}_ms"] = _as_ms(self.events[stage])
        table["work_cpu_ms"] = _as_ms(self.events["work_cpu"])
        if self.kinds:
            table["kind"] = [self.kinds[number] for number in self.events["kind"].tolist()]
        table["outcome"] = [outcome_label(o) for o in self.events["outcome"].tolist()]
        table["message"] = [self.messages.get(i, "") for i in range(len(self))]
        table.index.name = "event"
        return table

    def deliveries_table(self) -> "pd.DataFrame":
        """A DataFrame, one row a delivery."""
        table: pd.DataFrame = require_pandas().DataFrame(
            {column: self.deliveries[column] for column in ("event", "connection")}
        )
        table["at_ms"] = _as_ms(self.deliveries["at"])
        table["kind"] = [Delivery(k).label for k in self.deliveries["kind"].tolist()]
        return table

    def pings_table(self) -> "pd.DataFrame":
        """A DataFrame, one row a ping of the bystander."""
        table: pd.DataFrame = require_pandas().DataFrame({f"{c}_ms": _as_ms(self.pings[c]) for c in _PING_COLUMNS})
        return table

    # --- files ---

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``path.npz`` and ``path.json``, whole or not at all; returns the path of the second."""
        return run_file.write(self, Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote; `path` with or without its ending.

        Raises:
            RecordError: it is not there, is no run, is damaged, or was written by a newer labkit.
        """
        return run_file.read(Path(path), cls)


def between_ms(start: Int64, end: Int64) -> Float64:
    """From one column of instants to another, in ms; NaN where either is missing."""
    missing = (start == NEVER) | (end == NEVER)
    difference = np.where(missing, 0, end) - np.where(missing, 0, start)
    result: Float64 = np.where(missing, np.nan, difference / NS_PER_MS)
    return result


def _as_ms(ns: Int64) -> Float64:
    return np.where(ns == NEVER, np.nan, ns / NS_PER_MS)


def require_pandas() -> Any:
    """pandas, or a `MissingExtra` that says how to get it."""
    try:
        import pandas
    except ImportError:
        raise MissingExtra("tables need pandas: pip install 'labkit[lab]'") from None
    return pandas
