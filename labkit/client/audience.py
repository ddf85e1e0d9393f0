"""Clients of one room that come back when they lose their connection, in a process of their own.

They are python-socketio's own asynchronous client, which reconnects by itself, on one event loop. That loop decodes one
message after the other: the last of many receivers has a message later by what decoding it for the others takes. Whom
that matters to reads the figure of a few receivers. :mod:`labkit.client.fleet` has clients that cost less, and that do
not come back.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.base.errors import ClientError, ConnectFailed, LabError, MissingExtra, UsageError
from labkit.base.processes import OrderedProcess
from labkit.runs.deliveries import Deliveries

#: How long all of them together may take to connect, in seconds.
CONNECT_S = 30.0


@dataclass(frozen=True)
class Manners:
    """How the clients behave.

    Attributes:
        event, answer: what senders send, and what receivers hear.
        match: the field of both by which they belong together.
        join: an event and its data that each client sends first, wherever it connects; None for none.
        transport: ``websocket`` or ``polling``.
        reconnect_s: how long a client waits until it tries again, more or less by half at random: the default of
            python-socketio's client and of the browser's.
    """

    event: str = "say"
    answer: str = "said"
    match: str = "id"
    join: tuple[str, Any] | None = None
    transport: str = "websocket"
    reconnect_s: float = 1.0

    def __post_init__(self) -> None:
        if self.transport not in ("websocket", "polling"):
            raise UsageError(f"transport is websocket or polling, not {self.transport!r}")
        if not 0 < self.reconnect_s <= 60:
            raise UsageError(f"reconnect_s must be above 0 and at most 60, not {self.reconnect_s:g}")


@dataclass(frozen=True)
class Sending:
    """One event of a sender's.

    Attributes:
        due_ms: from the start.
        sender: who, by number.
        event: its name; empty for that of :class:`Manners`.
        count: how many messages come of it, each with a number of its own.
        extra: further fields of it.
    """

    due_ms: float
    sender: int
    event: str = ""
    count: int = 1
    extra: tuple[tuple[str, Any], ...] = ()


class Audience(OrderedProcess):
    """Receivers and senders: ``with Audience() as audience: audience.connect(url, ...)``.

    Raises:
        MissingExtra: aiohttp is missing.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("aiohttp") is None:
            raise MissingExtra("clients that reconnect need aiohttp: pip install 'labkit[modes,scale]'")
        super().__init__("from labkit.client.audience_worker import main; main()", own_group=True, marked=True)

    def connect(self, url: str, receivers: int, senders: int, manners: Manners | None = None) -> list[str]:
        """Connect all, one after the other, so that a proxy deals them out in turn; each one's server, receivers first.

        Those of a call before leave.

        Args:
            url: of the proxy, or of one server.
            receivers, senders: how many.
            manners: how they behave.

        Raises:
            ConnectFailed: one could not connect.
        """
        late = ConnectFailed(f"{receivers + senders} clients have not connected to {url} within {CONNECT_S:g} s")
        with self.time_limit(CONNECT_S, late):
            found: list[str] = self.order("connect", url, receivers, senders, manners or Manners())
        return found

    def begin(
        self, sendings: Sequence[Sending], *, rest_s: float = 0.3, timeout_s: float = 2.0, back_s: float = 12.0
    ) -> None:
        """Send on time, and go on; :meth:`finish` waits for the end.

        Args:
            sendings: in the order in which they are due.
            rest_s: how long to listen at least after the last, for what comes twice.
            timeout_s: how long to wait for what has not come.
            back_s: how long to wait before that for clients that are away.
        """
        self.send("fire", tuple(sendings), rest_s, timeout_s, back_s)

    def finish(self) -> Deliveries:
        """What became of it all.

        Raises:
            ClientError: the process has ended.
        """
        columns: dict[str, Any] = self.receive()
        return Deliveries(
            tuple(columns.pop("names")),
            columns.pop("receivers"),
            **{name: np.asarray(column, np.int64) for name, column in columns.items()},
        )

    def fire(
        self, sendings: Sequence[Sending], *, rest_s: float = 0.3, timeout_s: float = 2.0, back_s: float = 12.0
    ) -> Deliveries:
        """Both."""
        self.begin(sendings, rest_s=rest_s, timeout_s=timeout_s, back_s=back_s)
        return self.finish()

    def ended(self, last_words: str) -> LabError:
        """What to raise where it has ended."""
        return ClientError(f"the clients' process has ended ({last_words}): ask for fewer clients")
