"""The client's half of ``celery-zero-loss``, to paste: what is sent stays in an outbox until its result clears it.

It is python-socketio's client (``pip install 'python-socketio[client]'``), and imports nothing of labkit.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import socketio


class Outbox:
    """Sends events, and sends those again, under their own ids, of which no result has come.

    It does so when it connects again, and after `again_s` for those of which none has come for so long. Whoever
    calculates has kept the results, and hands over what is there.

    Args:
        on_result: called once for each event, with the result, which has the event's ``id``.
        again_s: longer than a result usually takes, or everything is asked for twice.

    Attributes:
        client: who asks, whatever connection it has.
        waiting: the data of every event without a result, by its id. To outlive this process, keep both on disk.
    """

    def __init__(self, on_result: Callable[[Any], object], again_s: float = 2.0) -> None:
        self.client = str(uuid4())
        self.waiting: dict[Any, Any] = {}
        self.socket = socketio.Client()
        self._on_result, self._again_s = on_result, again_s
        self._closed = threading.Event()

    def connect(self, url: str) -> None:
        """Connect, and stay connected until :meth:`close`."""
        self.socket.on("connect", lambda: self._submit(self.waiting))
        self.socket.on("response", self._take)
        self.socket.connect(url, transports=["websocket"])
        threading.Thread(target=self._submit_again, daemon=True).start()

    def send(self, data: dict[str, Any]) -> None:
        """Send an event, and again until its result is there; its ``id`` is its own for ever."""
        self.waiting[data["id"]] = {**data, "client": self.client}
        self._submit([data["id"]])

    def close(self) -> None:
        """Disconnect; what waits stays in :attr:`waiting`."""
        self._closed.set()
        self.socket.shutdown()

    def _submit(self, ids: Any) -> None:
        for event in list(ids):
            if (data := self.waiting.get(event)) is not None:
                with suppress(socketio.exceptions.SocketIOError):  # not connected: it is sent as soon as it is
                    self.socket.emit("message", data)

    def _take(self, result: dict[str, Any]) -> None:
        if self.waiting.pop(result["id"], None) is not None:  # a second result is dropped
            self._on_result(result)

    def _submit_again(self) -> None:
        wait_s, before = self._again_s, set[Any]()
        while not self._closed.wait(wait_s):
            overdue = before & self.waiting.keys()
            self._submit(overdue)
            # Seldomer while nothing helps: a server that has too much to do would get still more.
            wait_s = min(2 * wait_s, 4 * self._again_s) if overdue else self._again_s
            before = set(self.waiting)
