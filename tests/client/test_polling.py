"""A client that polls: the same books as over a websocket, with the server's and the network's own ways to fail."""

import socket
import sys
import threading

import numpy as np
import pytest
from flask_socketio import disconnect, emit

import labkit as lab
from labkit.base.errors import ConnectFailed, LabError, MissingExtra, UsageError
from labkit.client import polling
from labkit.client.generator import Generator
from labkit.plan.exchange import Exchange
from tests.support.helpers import ends_within, nothing_left_behind

POLLING = {"transport": "polling", "window_s": 0.1}


def fire(register, client, plan, *, work=None, mode="threading", **settings):
    with nothing_left_behind(), lab.serve(register, work or lab.io_wait(2), mode=mode) as server:
        return lab.fire(server, plan, client=client, **{**POLLING, **settings})


@pytest.mark.measured
@pytest.mark.parametrize("mode", ["threading", "asgi"])
def test_events_are_answered(client, mode):
    run = fire("asgi-inline" if mode == "asgi" else "inline", client, lab.burst(6, connections=3), mode=mode)
    assert (run.outcomes["answered"], run.unaccounted, run.strays) == (6, 0, 0)
    assert np.isfinite(run.bystander_ms).all()
    assert not np.isnan(run.between_ms("handler_start", "delivered")).any()
    assert np.isnan(run.between_ms("dispatched", "delivered")).all()  # by no receive loop
    assert run.conditions.server_log == ()  # it leaves as a page does


@pytest.mark.measured
def test_bytes_and_acknowledgements_in_a_namespace(client):
    def by_ack(socketio, complex_calculation):
        socketio.on_event("price", complex_calculation, namespace="/desk")

    work = lab.call(lambda raw: raw[::-1], payloads=[b"\x1eone", b"b2"])
    run = fire(by_ack, client, lab.burst(4), work=work, event="price", namespace="/desk")
    assert (run.outcomes["answered"], run.conditions.exchange["answer"]) == (4, "ack")
    assert run.conditions.answers_checked


@pytest.mark.measured
def test_more_packets_at_once_than_a_server_takes_are_lost_and_told(client):
    run = fire("inline", client, lab.burst(20, connections=1), timeout_s=0.3, warm_up=1)
    assert (run.outcomes["timed out"], run.unaccounted) == (20, 0)
    (note,) = [note for note in run.quality if note.kind == "packets"]
    assert "max_decode_packets" in note.advice


@pytest.mark.measured
def test_whom_the_server_disconnects_has_lost_the_event(client):
    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle(data):
            if data["id"] == 1:
                disconnect()
            elif data["id"] != 0:
                emit("response", complex_calculation(data))

    run = fire(register, client, lab.burst(3), timeout_s=1)
    assert [run.outcomes[name] for name in ("timed out", "disconnected", "answered")] == [1, 1, 1]


@pytest.mark.measured
def test_a_namespace_that_is_not_there_is_a_sentence(client):
    with pytest.raises(LabError, match="/desk"):
        fire("inline", client, lab.burst(1), namespace="/desk")


@pytest.mark.measured
@ends_within(10)
def test_who_does_not_speak_engineio_is_a_sentence():
    bodies = (b"hi", b'4{"sid":"x"}', b"0[]", b"\xff")
    replies = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies]
    replies += [b"", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"]
    for reply in replies:
        with nothing_left_behind(), socket.create_server(("127.0.0.1", 0)) as listener:
            answering = threading.Thread(target=_reply, args=(listener, reply))
            answering.start()
            with pytest.raises(ConnectFailed):
                _open(listener.getsockname()[1], 0.5)
            answering.join()


def _reply(listener, reply):
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(reply)


def _open(port, timeout_s):
    generator = Generator()
    exchange = Exchange(transport="polling")
    try:
        generator.open(f"http://127.0.0.1:{port}", 1, False, False, timeout_s, exchange)
    finally:
        generator.close()
        generator.loop.close()


@pytest.mark.measured
@ends_within(10)
def test_who_never_answers_is_a_sentence():
    with (
        nothing_left_behind(),
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(ConnectFailed, match=r"within 0\.2 s"),
    ):
        _open(listener.getsockname()[1], 0.2)


def test_without_its_package_it_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingExtra, match=r"labkit\[modes\]"):
        polling.require()


def test_who_polls_has_two_sockets():
    generator = Generator()
    with pytest.raises(UsageError, match="ClientFleet"):
        generator.open("http://127.0.0.1:9", 460, exchange=Exchange(transport="polling"))
    generator.loop.close()
