"""The clients of a fault: what one without an outbox holds, and what is noted of all of them. No socket is opened."""

import pytest
import socketio

from labkit.base.errors import ClientError
from labkit.client.outbox_worker import Clients, Ordinary


class Wire:
    """In place of a socket: refuses what is emitted while it is not connected."""

    def __init__(self):
        self.emitted, self.connected, self.handlers = [], True, {}

    def on(self, event, handler):
        self.handlers[event] = handler

    def connect(self, url, transports):
        if not self.connected:
            raise socketio.exceptions.ConnectionError("nobody there")

    def emit(self, event, data):
        if not self.connected:
            raise socketio.exceptions.BadNamespaceError
        self.emitted.append(data["id"])


@pytest.fixture
def ordinary():
    client = Ordinary(lambda _: None)
    client.socket = Wire()
    client.connect("http://nowhere")
    return client


def test_what_is_sent_without_a_connection_is_held_and_sent_once_with_the_next(ordinary):
    ordinary.send({"id": 1})
    ordinary.socket.connected = False
    ordinary.send({"id": 2})
    assert ordinary.socket.emitted == [1]
    ordinary.socket.connected = True
    for _ in range(2):
        ordinary.socket.handlers["connect"]()
    assert ordinary.socket.emitted == [1, 2]


def test_an_event_counts_as_submitted_when_it_went_out(ordinary):
    clients = Clients()
    clients._note_submissions(ordinary.socket)
    ordinary.socket.connected = False
    ordinary.send({"id": 0})
    assert clients.collect() == ([], [])
    ordinary.socket.connected = True
    ordinary.socket.handlers["connect"]()
    ((_, event),) = clients.collect()[0]
    assert event == 0


def test_the_first_answers_before_the_plan_are_not_among_its_answers():
    clients = Clients()
    for answer in ({"id": -1, "result": 1}, {"id": 0, "result": 1}, {"id": 0, "error": "no"}):
        clients._take({**answer, "start_ns": 0, "end_ns": 5_000_000})
    assert clients._service_ms == 5
    assert clients.progress() == (0, 1)
    assert [(event, is_error) for _, event, is_error in clients.collect()[1]] == [(0, False), (0, True)]


def test_what_cannot_be_sent_is_told_to_who_waits_for_it():
    class Refusing:
        def send(self, data):
            if data["id"] == 1:
                raise TypeError("no JSON")

    clients = Clients()
    clients._clients.append(Refusing())
    clients._send(0, [0, 0, 0], [0, 0, 0], [1, {1}, 1])
    with pytest.raises(ClientError, match=r"event 1 cannot be sent \(TypeError: no JSON\)"):
        clients.progress()
