"""Clients as people write them, in a process of their own that no fault hits: python-socketio's, with an outbox or not.

Every other plan of the lab is fired by :mod:`labkit.client.process`, whose clients do not connect again: of those a
restarted server would tell nothing.
"""

from typing import Any

from labkit.base.errors import ClientError, LabError
from labkit.base.processes import OrderedProcess

#: How long they may take to connect and to be answered once, in seconds.
CONNECT_S = 20.0


class OutboxProcess(OrderedProcess):
    """The clients of one run: ``with OutboxProcess() as clients: clients.connect(...)``."""

    def __init__(self) -> None:
        super().__init__("from labkit.client.outbox_worker import main; main()", own_group=True)

    def connect(self, url: str, clients: int, payloads: list[Any], *, outbox: bool, again_s: float) -> float:
        """Connect, and let each client send one event, which has to be answered; how long the work took, in ms.

        Args:
            url: of the server.
            clients: how many.
            payloads: of those first events; the clients take them in turn.
            outbox: whether they keep what they sent until its result is there.
            again_s: as for :class:`labkit.client.outbox.Outbox`.

        Raises:
            ConnectFailed: they cannot connect.
            ClientError: not all of them are answered.
        """
        late = ClientError(f"the clients were not answered within {CONNECT_S:g} s: see what the work does")
        with self.time_limit(CONNECT_S + 5, late):
            service_ms: float = self.order("connect", url, clients, payloads, outbox, again_s, CONNECT_S)
        return service_ms

    def fire(self, due_ns: list[int], client: list[int], payloads: list[Any]) -> int:
        """Begin to send, and return: when on the common clock the first event's time is 0.

        Args:
            due_ns: of each event when it is sent, in ns.
            client: of each event who sends it.
            payloads: of each event.
        """
        start_ns: int = self.order("fire", due_ns, client, payloads)
        return start_ns

    def progress(self) -> tuple[int, int]:
        """How many events were sent so far, and how many answered.

        Raises:
            ClientError: one of them cannot be sent.
        """
        sent, answered = self.order("progress")
        return sent, answered

    def collect(self) -> tuple[list[tuple[int, int]], list[tuple[int, int, bool]]]:
        """What was seen until now.

        Returns:
            Of each submission when it was, and the event; of each answer when it came, the event, and whether it is an
            error.
        """
        submissions, answers = self.order("collect")
        return submissions, answers

    def ended(self, last_words: str) -> LabError:
        """What to raise where they have ended."""
        return ClientError(f"the clients' process has ended ({last_words}): start it again")
