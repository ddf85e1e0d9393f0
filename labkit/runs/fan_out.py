"""Answers that are meant for a whole room: when its first, its middle and its last member had each, and who did not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.plan.exchange import ROOT

if TYPE_CHECKING:
    from labkit.runs.run import Run

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FanOut:
    """What became of answers that were meant for everybody.

    Attributes:
        members: the connections that each answer was meant for: senders, listeners, and the bystander where it is in
            the same namespace.
        first_ms, median_ms, last_ms: of each event, from its intended start until the first member had the answer,
            until half of them had it, until all had it; inf where it did not come so far in time.
        missed: of each event, how many members did not have the answer in time.
        missed_by: of each member, how many answers it did not have in time.
    """

    members: tuple[int, ...]
    first_ms: Float64
    median_ms: Float64
    last_ms: Float64
    missed: Int64
    missed_by: Int64

    def __repr__(self) -> str:
        told = f"{len(self.missed)} events to {len(self.members)} members"
        return f"<FanOut of {told}: {int(self.missed.sum())} of {self.missed.size * len(self.members)} answers missed>"


def members(
    senders: int, has_bystander: bool, listeners: int, namespace: str, bystander_namespace: str = ROOT
) -> tuple[int, ...]:
    """The connections of a namespace, by their numbers: senders, bystander, listeners.

    Args:
        senders: how many.
        has_bystander: whether there is one.
        listeners: how many.
        namespace: of senders and listeners.
        bystander_namespace: where the bystander is.
    """
    others = range(senders, senders + has_bystander + listeners)
    return (*range(senders), *(others[1:] if has_bystander and namespace != bystander_namespace else others))


def of(run: "Run") -> FanOut | None:
    """What became of the answers of a run, where they were meant for everybody; else None."""
    exchange = run.conditions.exchange
    return _told(run, _everybody(run)) if exchange.get("fan_out") and len(run) else None


def reached_everybody(run: "Run") -> int:
    """How many connections there were, where each of several had the answer to every event; else 0."""
    everybody = _everybody(run)
    meant = run.strays >= len(run) * (len(everybody) - 1) > 0 and not _told(run, everybody).missed.any()
    return len(everybody) if meant else 0


def _everybody(run: "Run") -> tuple[int, ...]:
    exchange = run.conditions.exchange
    listeners = 1 + exchange.get("listeners", 0)
    spaces = exchange.get("namespace", ROOT), exchange.get("bystander_namespace", ROOT)
    return members(run.plan.connections, len(run.pings["sent"]) > 0, listeners, *spaces)


def _told(run: "Run", everybody: tuple[int, ...]) -> FanOut:
    events, count = len(run), len(everybody)
    event, connection, at = (run.deliveries[name] for name in ("event", "connection", "at"))
    in_time = (event >= 0) & (at <= run.plan.intended_ns[event] + round(run.timeout_s * NS_PER_S))
    heard = np.flatnonzero(in_time & np.isin(connection, everybody))
    # The first of each event on each connection, in the order in which an event's came.
    heard = heard[np.argsort(at[heard], kind="stable")]
    _, first = np.unique(event[heard] * (max(everybody) + 1) + connection[heard], return_index=True)
    heard = heard[np.sort(first)]
    heard = heard[np.argsort(event[heard], kind="stable")]
    had = np.bincount(event[heard], minlength=events)
    begin = np.cumsum(had) - had
    waited_ms = (at[heard] - run.plan.intended_ns[event[heard]]) / NS_PER_MS

    def nth_ms(place: int) -> Float64:
        found: Float64 = np.full(events, np.inf)
        found[had > place] = waited_ms[begin[had > place] + place]
        return found

    by = np.bincount(connection[heard], minlength=max(everybody) + 1)
    missed_by = events - by[list(everybody)]
    return FanOut(everybody, nth_ms(0), nth_ms((count - 1) // 2), nth_ms(count - 1), count - had, missed_by)
