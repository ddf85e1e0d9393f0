r"""When bytes arrive that were sent over a link: one direction of one TCP connection, without sockets and clocks.

What a program sees of a network is what TCP makes of it:

- *Delay*: each segment is under way for ``delay_ms``, evenly varied by ``jitter_ms``.
- *Order*: bytes come out as they went in. A segment that was faster waits for the one before it.
- *Loss* is no gap but a pause: everything behind a lost segment waits for it (head-of-line blocking). Its sender learns
  of the loss when a later segment is acknowledged, at the earliest one and a quarter round trips after it was sent
  (RACK, RFC 8985, section 6), and else by the retransmission timeout (RFC 6298: the smoothed round trip and four times
  its deviation, of which Linux takes at least 200 ms). What is lost again waits for the timeout, doubled each time.
- *Connecting* takes a round trip before a client may send. If the first segments are lost, they are sent again after
  1 s, doubled for each further loss (RFC 6298, 2.1 and 5.5).

Not modelled: bandwidth, slow start, what a loss does to the congestion window, and the loss of acknowledgements, which
later ones make up for.
"""

from collections import deque
from dataclasses import dataclass
from random import Random

from labkit.base.clock import NS_PER_MS
from labkit.plan.link import Link

#: What a segment carries over Ethernet: 1,500 bytes, less the headers of IP and TCP with time stamps.
SEGMENT_BYTES = 1448

#: A line with so many bytes under way takes no more, as a receive window that is full. With 40 ms one way a connection
#: carries some 6 MB/s, which is far more than events are.
MOST_BYTES = 256 * 1024

#: Of the first segments of a connection, and the longest of all (Linux's TCP_TIMEOUT_INIT and TCP_RTO_MAX).
_FIRST_TIMEOUT_MS, _LONGEST_TIMEOUT_MS = 1_000.0, 120_000.0

#: A segment counts as lost when it is overdue by this share of a round trip, and later ones came (RFC 8985, 6.2).
_REORDERING = 1 / 4


def losses(random: Random, loss: float) -> int:
    """How often a segment is lost before it arrives."""
    count = 0
    while loss and random.random() < loss:
        count += 1
    return count


def waiting_ms(count: int, timeout_ms: float) -> float:
    """How long so many losses delay a segment, if each is found by a timeout, which doubles each time."""
    return sum(min(timeout_ms * 2.0**nth, _LONGEST_TIMEOUT_MS) for nth in range(count))


def connecting_ns(link: Link, random: Random) -> int:
    """How long after a client has begun to connect it may send: a round trip, and longer where one of both is lost."""
    lost = losses(random, 1 - (1 - link.loss) ** 2)
    return round((2 * link.delay_ms + waiting_ms(lost, _FIRST_TIMEOUT_MS)) * NS_PER_MS)


@dataclass
class _Segment:
    """Bytes that are under way; none are the end of the stream.

    Attributes:
        data: what it carries.
        sent_ns: when it was sent first.
        arrives_ns: when it arrives, if nobody learns of its loss before the timeout.
        lost: how often it is lost.
    """

    data: bytes
    sent_ns: int
    arrives_ns: int
    lost: int


class DelayLine:
    """What is under way in one direction of one connection, with the instant at which each part arrives.

    Args:
        link: between both ends.
        random: of its jitter and its losses.

    Attributes:
        size: how many bytes are under way.
    """

    def __init__(self, link: Link, random: Random) -> None:
        self._link, self._random = link, random
        self._under_way: deque[_Segment] = deque()
        self._missing: list[_Segment] = []  # nobody knows yet that they are
        self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether it takes nothing more until something has arrived."""
        return self.size >= MOST_BYTES

    @property
    def due_ns(self) -> int | None:
        """When the next bytes come out, as far as is known; None where nothing is under way."""
        return self._under_way[0].arrives_ns if self._under_way else None

    def put(self, now_ns: int, data: bytes) -> None:
        """Send bytes; none of them are the end of the stream, which travels like a segment."""
        for start in range(0, max(1, len(data)), SEGMENT_BYTES):
            self._send(now_ns, data[start : start + SEGMENT_BYTES])
        self.size += len(data)

    def _send(self, now_ns: int, data: bytes) -> None:
        link, lost = self._link, losses(self._random, self._link.loss)
        travel_ms = link.delay_ms
        if link.jitter_ms:
            travel_ms += self._random.uniform(-link.jitter_ms, link.jitter_ms)
        travel_ms += waiting_ms(lost, link.retransmission_ms)
        segment = _Segment(data, now_ns, now_ns + round(travel_ms * NS_PER_MS), lost)
        self._under_way.append(segment)
        if lost:
            self._missing.append(segment)
        else:
            self._acknowledge(now_ns)

    def _acknowledge(self, now_ns: int) -> None:
        """A segment that was sent now will be acknowledged, which tells of those that were lost before it."""
        link = self._link
        round_trip_ms = 2 * link.delay_ms
        for segment in self._missing:
            known_ns = max(now_ns, segment.sent_ns + round(_REORDERING * round_trip_ms * NS_PER_MS))
            again_ms = round_trip_ms + link.delay_ms + waiting_ms(segment.lost - 1, link.retransmission_ms)
            segment.arrives_ns = min(segment.arrives_ns, known_ns + round(again_ms * NS_PER_MS))
        self._missing.clear()

    def take(self, now_ns: int) -> tuple[bytes, bool]:
        """What has come out by now, and whether the stream has ended with it."""
        arrived, has_ended = [], False
        while self._under_way and self._under_way[0].arrives_ns <= now_ns:
            segment = self._under_way.popleft()
            arrived.append(segment.data)
            has_ended = has_ended or not segment.data
        data = b"".join(arrived)
        self.size -= len(data)
        return data, has_ended
