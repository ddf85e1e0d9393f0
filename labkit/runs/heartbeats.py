"""How close a run came to losing its clients for want of a heartbeat.

The server sends a PING every `interval` and waits `timeout` for the PONG; the client leaves when no PING has come for
`interval + timeout` (Engine.IO protocol 4, https://github.com/socketio/engine.io-protocol). While a connection lives,
the next PING is due an interval after the last PONG was *read*, so the longest time between two PINGs holds both waits:
what it exceeds the interval by is the PONG's wait at the server and the PING's own. A client that the server drops is
not seen here but in the run's count of closed connections: its silence ends with it.

python-engineio 4.15 tells its clients the interval in whole seconds, rounded down (``int(interval) * 1000``): with
less than a second a browser is told 0, and leaves early.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.base.clock import NS_PER_S


@dataclass(frozen=True)
class Heartbeats:
    """Of all connections of a run.

    Attributes:
        interval_ns, timeout_ns: as the server told its clients.
        silence_ns: the longest time that a client had no PING: from the handshake, from PING to PING, to the end.
        pings: how many came.
    """

    interval_ns: int
    timeout_ns: int
    silence_ns: int
    pings: int

    @property
    def margin_s(self) -> float | None:
        """What was left until a client would have left for want of a PING; below 0 a browser has left.

        None where the run ended before the first PING was due: then nothing was put to the test.
        """
        if self.silence_ns <= self.interval_ns and not self.pings:
            return None
        return (self.interval_ns + self.timeout_ns - self.silence_ns) / NS_PER_S

    def to_dict(self) -> dict[str, Any]:
        """As JSON, in seconds."""
        return {
            "interval_s": self.interval_ns / NS_PER_S,
            "timeout_s": self.timeout_ns / NS_PER_S,
            "longest_silence_s": self.silence_ns / NS_PER_S,
            "margin_s": self.margin_s,
            "pings": self.pings,
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Heartbeats":
        """What :meth:`to_dict` wrote."""
        interval_ns, timeout_ns, silence_ns = (
            round(told[name] * NS_PER_S) for name in ("interval_s", "timeout_s", "longest_silence_s")
        )
        return cls(interval_ns, timeout_ns, silence_ns, int(told["pings"]))


def observed(told_ns: tuple[int, int], beats: Iterable[Sequence[int]], ends_ns: Iterable[int]) -> Heartbeats | None:
    """What clients saw; None where there was none.

    Args:
        told_ns: interval and timeout.
        beats: of each client the instants of the handshake and of every PING.
        ends_ns: of each client when it was last looked at, or closed.
    """
    silences, pings = [0], 0
    for instants, end_ns in zip(beats, ends_ns, strict=True):
        if not instants:
            return None
        pings += len(instants) - 1
        silences += [b - a for a, b in zip(instants, [*instants[1:], end_ns], strict=True)]
    return Heartbeats(*told_ns, max(silences), pings) if len(silences) > 1 else None


def merged(parts: Sequence[Heartbeats | None]) -> Heartbeats | None:
    """Of several processes' clients, one record."""
    seen = [part for part in parts if part is not None]
    if not seen:
        return None
    return replace(seen[0], silence_ns=max(p.silence_ns for p in seen), pings=sum(p.pings for p in seen))
