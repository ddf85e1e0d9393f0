"""What the clients saw of one firing: the raw stamps, before anybody asks what became of an event."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labkit.runs.heartbeats import Heartbeats

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Fired:
    """What happened, in ns on the common clock; 0 for what did not happen.

    Attributes:
        start_ns: the instant from which the plan's offsets count.
        end_ns: when nothing more was waited for.
        sent_ns: one an event.
        delivery_*: one an answer that arrived anywhere. Connections are numbered: senders, bystander, listener.
        messages: what went wrong, by number of delivery.
        ping_sent_ns, ping_acked_ns: one a ping.
        closed_ns: one a connection; 0 where it stayed open.
        samples: columns instant, threads, resident bytes, CPU ns of the watched process.
        cpu_ns: CPU time of this process from start to end.
        collections: garbage collections in this process meanwhile.
        heartbeats: of all connections, since they were opened; None where nobody looked.
        rounded: answers that hold a whole number of which a page loses digits.
        closings: of each connection what it was closed with, such as ``websocket code 1000``; empty where it stayed
            open. Nothing where nobody looked.
        acked_ns: when each event was acknowledged; empty where the client did not ask for it.
        cut_ns: when it was asked to send nothing more; 0 where the whole plan was sent.
    """

    start_ns: int
    end_ns: int
    sent_ns: Int64
    delivery_event: Int64
    delivery_connection: Int64
    delivery_ns: Int64
    delivery_status: Int64
    work_start_ns: Int64
    work_end_ns: Int64
    work_cpu_ns: Int64
    messages: dict[int, str]
    ping_sent_ns: Int64
    ping_acked_ns: Int64
    closed_ns: Int64
    samples: Int64
    cpu_ns: int
    collections: int
    heartbeats: Heartbeats | None = None
    rounded: int = 0
    closings: tuple[str, ...] = ()
    acked_ns: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    cut_ns: int = 0
