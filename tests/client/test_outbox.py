"""The client's half of the recipe: what waits, what is asked for again, what is dropped. No socket is opened."""

import pytest
import socketio

from labkit.client.outbox import Outbox
from tests.support.helpers import wait_until


class Wire:
    """In place of a socket: keeps what is emitted, while it is connected."""

    def __init__(self):
        self.emitted, self.connected, self.handlers = [], True, {}

    def on(self, event, handler):
        self.handlers[event] = handler

    def connect(self, url, transports):
        self.transports = transports

    def shutdown(self):
        self.connected = False

    def emit(self, event, data):
        if not self.connected:
            raise socketio.exceptions.BadNamespaceError
        self.emitted.append((event, data))

    def of(self, event):
        return [data for name, data in self.emitted if name == event]


@pytest.fixture
def results():
    return []


@pytest.fixture
def outbox(results):
    box = Outbox(results.append, again_s=60)
    box.socket = Wire()
    box.connect("http://nowhere")
    yield box
    box.close()


def test_only_the_result_clears_and_a_second_one_is_dropped(outbox, results):
    outbox.send({"id": 7, "payload": 1})
    assert outbox.socket.of("message") == [{"id": 7, "payload": 1, "client": outbox.client}]
    assert list(outbox.waiting) == [7]
    for _ in range(2):
        outbox.socket.handlers["response"]({"id": 7, "result": 1})
    assert results == [{"id": 7, "result": 1}]
    assert not outbox.waiting


def test_what_is_sent_without_a_connection_is_sent_with_the_next(outbox):
    outbox.socket.connected = False
    outbox.send({"id": 1, "payload": 1})
    assert not outbox.socket.emitted
    outbox.socket.connected = True
    outbox.socket.handlers["connect"]()
    assert outbox.socket.of("message") == [{"id": 1, "payload": 1, "client": outbox.client}]


def test_what_was_answered_is_not_sent_again(outbox):
    for event in (1, 2):
        outbox.send({"id": event})
    outbox.socket.handlers["response"]({"id": 1})
    outbox.socket.handlers["connect"]()
    assert [data["id"] for data in outbox.socket.of("message")] == [1, 2, 2]


def test_a_first_connection_asks_for_nothing(outbox):
    outbox.socket.handlers["connect"]()
    assert not outbox.socket.emitted


def test_it_asks_again_for_what_has_waited_for_long_seldomer_each_time(results):
    box = Outbox(results.append, again_s=0.01)
    waits, wait = [], box._closed.wait
    box._closed.wait = lambda seconds: waits.append(seconds) or wait(0.001)
    box.socket = Wire()
    box.send({"id": 1})
    box.connect("http://nowhere")
    assert wait_until(lambda: len(box.socket.of("message")) >= 5)
    box.close()
    assert waits[:6] == [0.01, 0.01, 0.02, 0.04, 0.04, 0.04]
