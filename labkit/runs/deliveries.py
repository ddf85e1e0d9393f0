"""Messages to a room that is spread over several servers: who was where, who had each message when, who missed it.

The books of broadcasts to clients that may lose their connection and come back. Socket.IO keeps nothing for a client
that is away, so a message that was sent meanwhile is missed, and counted apart from one that was lost on its way.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS
from labkit.runs.summary import Distribution

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

#: Of an instant that did not come, and of a server where nobody is.
NEVER = -1

#: Of a stay that had not ended.
STILL = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Absence:
    """One client's time without a connection.

    Attributes:
        receiver: its number.
        before, after: its servers, by their numbers.
        ms: from the end of one connection, as the client noticed it, until the next; inf where there was none.
    """

    receiver: int
    before: int
    after: int
    ms: float


@dataclass(frozen=True)
class Order:
    """Whether receivers had one sender's messages in the order in which they were sent.

    Attributes:
        pairs: neighbouring messages of one sender that one receiver had both.
        overtaken: those of which the later came first.
    """

    pairs: int
    overtaken: int

    def __str__(self) -> str:
        return f"{self.overtaken} of {self.pairs}"


@dataclass(frozen=True, eq=False)
class Deliveries:
    """What became of messages to a room; instants are on the lab's one clock, in nanoseconds.

    Attributes:
        servers: their names; elsewhere they are numbers.
        receivers: how many clients listen.
        due, sent: of each message; `sent` is NEVER where its sender had no connection.
        sender, sender_at: of each message, who sent it, and the server where that was.
        message, receiver, at: of each receipt.
        who, since, until, where: of each stay: which receiver was connected from when to when (`STILL`), and where.
    """

    servers: tuple[str, ...]
    receivers: int
    due: Int64
    sent: Int64
    sender: Int64
    sender_at: Int64
    message: Int64
    receiver: Int64
    at: Int64
    who: Int64
    since: Int64
    until: Int64
    where: Int64

    def __len__(self) -> int:
        return len(self.due)

    def __repr__(self) -> str:
        meant = f"{int(self._meant.sum())} of {len(self)} messages to {self.receivers} clients"
        return f"<Deliveries: {meant}, {self.lost} lost, {self.missed} missed while away, {self.duplicates} twice>"

    @functools.cached_property
    def first_at(self) -> Int64:
        """When each receiver had each message for the first time: a row a message; NEVER where it did not."""
        had = np.full((len(self), self.receivers), STILL)
        np.minimum.at(had, (self.message, self.receiver), self.at)
        return np.where(had == STILL, NEVER, had)

    @functools.cached_property
    def server_of(self) -> Int64:
        """Where each receiver was when each message was sent: a row a message; NEVER for nowhere."""
        found = np.full((len(self), self.receivers), NEVER)
        for who, since, until, where in zip(self.who, self.since, self.until, self.where, strict=True):
            found[(self.sent >= since) & (self.sent < until), who] = where
        return found

    @property
    def _was_sent(self) -> Bool:
        found: Bool = self.sent != NEVER
        return found

    @property
    def _meant(self) -> Bool:
        """Of each message and receiver, whether it was sent while that was connected."""
        found: Bool = self.server_of != NEVER
        meant: Bool = found & self._was_sent[:, None]
        return meant

    @property
    def own(self) -> Bool:
        """Of each message and receiver, whether that was on its sender's server."""
        found: Bool = (self.server_of == self.sender_at[:, None]) & self._meant
        return found

    @property
    def other(self) -> Bool:
        """Of each message and receiver, whether that was on another server than its sender."""
        return self._meant & ~self.own

    @property
    def unsent(self) -> int:
        """Messages whose sender had no connection."""
        return int((~self._was_sent).sum())

    def lost_among(self, chosen: Bool) -> int:
        """How many of those messages and receivers did not meet, although the receiver was connected."""
        return int((chosen & self._meant & (self.first_at == NEVER)).sum())

    @property
    def lost(self) -> int:
        """Messages that a receiver never had, although it was connected when they were sent; one for each receiver."""
        return self.lost_among(self._meant)

    @property
    def missed(self) -> int:
        """Messages that a receiver never had since it was not connected when they were sent; one for each receiver."""
        away = self._was_sent[:, None] & (self.server_of == NEVER)
        return int((away & (self.first_at == NEVER)).sum())

    @property
    def expected(self) -> int:
        """Messages times receivers that were connected."""
        return int(self._meant.sum())

    @property
    def duplicates(self) -> int:
        """Receipts of what the same receiver had already."""
        return len(self.at) - int((self.first_at != NEVER).sum())

    def waits_ms(self, chosen: Bool | None = None) -> Distribution:
        """From when a message was due until a receiver had it, of all that met, or of those that are chosen."""
        met = self._meant & (self.first_at != NEVER) & (self._meant if chosen is None else chosen)
        return Distribution.of(((self.first_at - self.due[:, None])[met] / NS_PER_MS).astype(np.float64))

    def nth_ms(self, share: float) -> Distribution:
        """From when a message was due until this share of those who were connected had it; inf where it did not come.

        Args:
            share: 0 for the first, 0.5 for half of them, 1 for all.
        """
        found = []
        for row in np.flatnonzero(self._meant.any(axis=1)):
            had = self.first_at[row, self._meant[row]]
            waits = np.sort(np.where(had == NEVER, np.inf, (had - self.due[row]) / NS_PER_MS))
            found.append(waits[max(0, math.ceil(share * len(waits)) - 1)])
        return Distribution.of(np.array(found, np.float64))

    def order(self, chosen: Bool | None = None, *, at_once: bool = False) -> Order:
        """Whether one sender's messages came in order.

        Args:
            chosen: of each message and receiver, whether it counts; all by default.
            at_once: only of messages that were due at the same instant: sent back to back, or emitted by one handler.
        """
        mask = self._meant if chosen is None else chosen
        pairs = overtaken = 0
        for sender in np.unique(self.sender):
            rows = np.flatnonzero((self.sender == sender) & self._was_sent)
            both = (self.first_at[rows] != NEVER) & mask[rows]
            both = both[1:] & both[:-1]
            if at_once:
                both &= (np.diff(self.due[rows]) == 0)[:, None]
            pairs += int(both.sum())
            overtaken += int((both & (np.diff(self.first_at[rows], axis=0) < 0)).sum())
        return Order(pairs, overtaken)

    @functools.cached_property
    def absences(self) -> tuple[Absence, ...]:
        """Each time that a receiver was without a connection."""
        found = []
        for receiver in range(self.receivers):
            mine = np.flatnonzero(self.who == receiver)
            mine = mine[np.argsort(self.since[mine], kind="stable")]
            for index, stay in enumerate(mine):
                if self.until[stay] == STILL:
                    continue
                following = mine[index + 1] if index + 1 < len(mine) else None
                ms = math.inf if following is None else float(self.since[following] - self.until[stay]) / NS_PER_MS
                after = NEVER if following is None else int(self.where[following])
                found.append(Absence(receiver, int(self.where[stay]), after, ms))
        return tuple(found)

    @property
    def away_ms(self) -> Distribution:
        """How long clients were without a connection; inf for one that did not come back."""
        return Distribution.of(np.array([each.ms for each in self.absences], np.float64))

    def there_at_the_end(self) -> dict[str, int]:
        """How many receivers are connected to each server at the end."""
        still = self.where[self.until == STILL]
        return {name: int((still == number).sum()) for number, name in enumerate(self.servers)}

    def to_dict(self) -> dict[str, Any]:
        """The figures; null where unknown or never."""
        return {
            "messages": len(self),
            "unsent": self.unsent,
            "expected": self.expected,
            "lost": self.lost,
            "lost_own": self.lost_among(self.own),
            "lost_other": self.lost_among(self.other),
            "missed_while_away": self.missed,
            "duplicates": self.duplicates,
            "first_ms": _figures(self.nth_ms(0)),
            "median_ms": _figures(self.nth_ms(0.5)),
            "last_ms": _figures(self.nth_ms(1)),
            "own_ms": _figures(self.waits_ms(self.own)),
            "other_ms": _figures(self.waits_ms(self.other)),
            "order": {"pairs": self.order().pairs, "overtaken": self.order().overtaken},
            "absences": len(self.absences),
            "away_ms": _figures(self.away_ms),
        }


def _figures(of: Distribution) -> dict[str, float | int | None]:
    name, tail = of.tail
    told = {"p50": of.p50_ms, "p98": tail if name == "p98" else math.nan, "max": of.max_ms}
    return {"samples": len(of), **{key: round(ms, 3) if math.isfinite(ms) else None for key, ms in told.items()}}
