"""The child's end of an :class:`~labkit.client.outbox_process.OutboxProcess`: the clients, and what they saw."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import socketio

from labkit.base import clock
from labkit.base.errors import ClientError, ConnectFailed, LabError
from labkit.base.processes import Pipes
from labkit.base.text import told
from labkit.client.outbox import Outbox

#: From the order to fire until the first event is due.
_AHEAD_NS = 50 * clock.NS_PER_MS


class Ordinary:
    """A client without an outbox. What it sends while it is not connected it holds, and sends as soon as it is.

    So does the JavaScript client by itself; python-socketio's raises, and leaves the event to its caller.
    """

    def __init__(self, on_result: Callable[[Any], object]) -> None:
        self.socket = socketio.Client()
        self._on_result = on_result
        self._held: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def connect(self, url: str) -> None:
        """Connect, and stay connected."""
        self.socket.on("connect", self._flush)
        self.socket.on("response", self._on_result)
        self.socket.connect(url, transports=["websocket"])

    def send(self, data: dict[str, Any]) -> None:
        """Send an event, once."""
        with self._lock:
            try:
                self.socket.emit("message", data)
            except socketio.exceptions.SocketIOError:
                self._held.append(data)

    def _flush(self) -> None:
        with self._lock:
            held, self._held = self._held, []
        for data in held:
            self.send(data)


class _Watched(Outbox):
    """An outbox whose duplicates are seen, too."""

    def __init__(self, on_answer: Callable[[Any], object], again_s: float) -> None:
        super().__init__(lambda _: None, again_s)
        self._on_answer = on_answer

    def _take(self, result: dict[str, Any]) -> None:
        self._on_answer(result)
        super()._take(result)


class Clients:
    """All of them, and what they saw: each order of the parent is a method."""

    def __init__(self) -> None:
        self._clients: list[Ordinary | Outbox] = []
        self._submissions: list[tuple[int, int]] = []
        self._answers: list[tuple[int, int, bool]] = []
        self._answered: set[int] = set()
        self._sent = 0
        self._service_ms = 0.0  # the longest
        self._failure: LabError | None = None

    def connect(
        self, url: str, clients: int, payloads: list[Any], outbox: bool, again_s: float, timeout_s: float
    ) -> float:
        """Connect, and wait until each was answered: who listens to the message queue may have begun just now."""
        for _ in range(clients):
            client: Ordinary | Outbox = _Watched(self._take, again_s) if outbox else Ordinary(self._take)
            self._note_submissions(client.socket)
            try:
                client.connect(url)
            except socketio.exceptions.ConnectionError as error:
                raise ConnectFailed(
                    f"the clients cannot connect to {url} ({error}): see what the server says"
                ) from None
            self._clients.append(client)
        deadline_ns = clock.now_ns() + round(timeout_s * clock.NS_PER_S)
        greeting = 0
        for place, each in enumerate(self._clients):
            answered: set[int] = set()
            while not answered & self._answered:
                if clock.now_ns() > deadline_ns:
                    raise ClientError(
                        f"no answer came within {timeout_s:g} s, before any fault: see what the work does"
                    )
                greeting -= 1  # below those of the plan
                answered.add(greeting)
                each.send({"id": greeting, "payload": payloads[place % len(payloads)]})
                asked_ns = clock.now_ns()
                while greeting not in self._answered and clock.now_ns() - asked_ns < clock.NS_PER_S:
                    clock.sleep(0.005)
        return self._service_ms

    def fire(self, due_ns: list[int], client: list[int], payloads: list[Any]) -> int:
        """Begin to send."""
        start_ns = clock.now_ns() + _AHEAD_NS
        arguments = (start_ns, due_ns, client, payloads)
        threading.Thread(target=self._send, args=arguments, daemon=True).start()
        return start_ns

    def progress(self) -> tuple[int, int]:
        """Events of the plan that were sent, and that were answered; raises where no further one can be sent."""
        if self._failure is not None:
            raise self._failure
        return self._sent, sum(event >= 0 for event in list(self._answered))

    def collect(self) -> tuple[list[tuple[int, int]], list[tuple[int, int, bool]]]:
        """What was seen of the plan's events."""
        submissions = [each for each in list(self._submissions) if each[1] >= 0]
        return submissions, [each for each in list(self._answers) if each[1] >= 0]

    def _send(self, start_ns: int, due_ns: list[int], client: list[int], payloads: list[Any]) -> None:
        for event, (due, who, payload) in enumerate(zip(due_ns, client, payloads, strict=True)):
            if (wait_ns := start_ns + due - clock.now_ns()) > 0:
                clock.sleep(wait_ns / clock.NS_PER_S)
            try:
                self._clients[who].send({"id": event, "payload": payload})
            except Exception as error:  # noqa: BLE001 (nobody waits for this thread: it is told with the progress)
                self._failure = ClientError(f"event {event} cannot be sent ({told(error)}): see what its payload is")
                return
            self._sent += 1

    def _note_submissions(self, socket: Any) -> None:
        emit = socket.emit

        def noting(event: str, data: Any = None, *args: Any, **kwargs: Any) -> None:
            at_ns = clock.now_ns()
            emit(event, data, *args, **kwargs)
            if event == "message":  # and it did not raise
                self._submissions.append((at_ns, data["id"]))

        socket.emit = noting

    def _take(self, result: dict[str, Any]) -> None:
        self._answers.append((clock.now_ns(), result["id"], "error" in result))
        self._service_ms = max(self._service_ms, (result["end_ns"] - result["start_ns"]) / clock.NS_PER_MS)
        self._answered.add(result["id"])


def main() -> None:
    """The process: one order after the other, until the parent closes its end."""
    logging.disable(logging.CRITICAL)  # that a connection broke is what is measured
    pipes = Pipes()
    clients = Clients()
    with contextlib.suppress(EOFError):
        while True:
            name, args = pipes.take()
            try:
                pipes.answer(getattr(clients, name)(*args))
            except LabError as error:
                pipes.answer(error)
            except Exception as error:  # noqa: BLE001 (an answer is owed)
                pipes.answer(ClientError(f"the clients' process failed ({type(error).__name__}: {error})"))
    os._exit(0)
