"""What is seen in the modes that need a process of their own: gevent, gunicorn, and an AsyncServer under uvicorn."""

import asyncio
import contextlib
import subprocess
import sys

import pytest
import socketio as plain
from engineio.packet import Packet

from labkit.inside.async_hooks import AsyncHooks
from labkit.inside.record import UNKNOWN, WEBSOCKET, load
from labkit.inside.seeing import Seeing
from tests.support.fake_clock import FakeClock
from tests.support.inside_app import GET, columns, polled, rows, talk


class FakeWebSocket:
    async def wait(self):
        return "a packet"

    async def send(self, message):
        pass


def test_a_packet_is_dispatched_when_the_websocket_gives_it():
    """Its task may get to it much later: the loop has others to run."""
    now = FakeClock(start_ns=1_000)
    seeing = Seeing(events=2, now=now)
    hooks = AsyncHooks(plain.AsyncServer(async_mode="asgi"), seeing)
    connection = seeing.connections.open("eio", "0000", 0)
    websocket = FakeWebSocket()
    hooks._see_websocket(websocket, connection)
    assert asyncio.run(websocket.wait()) == "a packet"
    now.advance(ns=500)
    seeing.took(connection, Packet(encoded_packet='42["chat"]'), 20)
    assert connection.dispatched_ns == 1_000
    seeing.took(connection, Packet(encoded_packet='42["chat"]'), 20)  # not from a websocket that stamps
    assert connection.dispatched_ns == 1_500
    hooks.take_off()
    assert vars(websocket) == {}


@contextlib.contextmanager
def serving(mode, folder):
    """An app in a child process; its address."""
    command = [sys.executable, "-m", "tests.support.inside_app", mode, str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
    finally:
        child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        child.kill()
        child.wait(5)
        child.stdout.close()


@pytest.mark.measured
@pytest.mark.parametrize("mode", ["gevent", "gunicorn", "asgi"])
def test_a_real_client_in_every_mode(mode, tmp_path):
    with serving(mode, tmp_path) as url:
        told = talk(url, save=True)
    assert told == {"echo": (1, "two"), "hi": 3, "unknown": ["unknown", 5], "binary": b"1234"}
    record = load(tmp_path)
    assert record.failed == ()
    for name in ("echo", "hi", "unknown"):
        event = rows(record, name)[0]
        assert 0 < event["dispatched"] <= event["handler_start"] < event["handler_end"] <= event["answered"], name
        assert 0 < event["answered"] <= event["answer_written"]
        assert event["loop_free"] > event["dispatched"]
        assert event["transport"] == WEBSOCKET
        assert event["bytes_in"] > len(name)
        # What a mode can't show is missing, and named.
        assert (event["read"] > 0) == (mode != "asgi")
        assert (event["cpu_ns"] != UNKNOWN) == (mode == "gunicorn")
    named = {text.split(":")[0] for text in record.unseen}
    assert named == {"gevent": {"cpu_ns"}, "gunicorn": set(), "asgi": {"read", "cpu_ns"}}[mode]
    (connection,) = record.connections
    assert (connection.first_transport, connection.never_upgraded) == ("polling", False)
    assert connection.opened_ns < connection.upgrade_tried_ns < connection.upgraded_ns
    assert connection.namespaces == ("/", "/chat")
    (connect,) = rows(record, "connect")
    assert (connect["error"], record.namespaces[connect["namespace"]]) == (UNKNOWN, "/chat")
    (hi,) = rows(record, "hi")
    assert hi["handler_end"] - hi["handler_start"] >= 9e6
    assert rows(record, "echo")[1]["attachments"] == 1
    emits = columns(record.emits)
    echoed = next(each for each in emits if record.names[each["name"]] == "echoed")
    assert echoed["event"] == rows(record, "echo")[0]["number"]
    assert echoed["receivers"] == 1
    assert echoed["at"] <= echoed["queued"] <= rows(record, "echo")[0]["handler_end"]
    if mode == "asgi":  # a task that the handler began is not the handler
        later = next(each for each in emits if record.names[each["name"]] == "later")
        assert later["event"] == UNKNOWN
        assert hi["emits"] == 0


@pytest.mark.measured
@pytest.mark.parametrize("mode", ["gevent", "asgi"])
def test_by_polling_in_other_modes(mode, tmp_path):
    # By hand: python-socketio's client would wait for its last GET, which an AsyncServer answers after 45 s.
    with serving(mode, tmp_path) as url:
        sid, answers = polled(url, '420["echo","one"]')
        assert answers == ['42["echoed","one"]', '430["one"]']
        address = f"{url}/socket.io/?EIO=4&transport=polling&sid={sid}"
        GET(address, '421["save"]')
        assert GET(address) == '431["saved"]'
    record = load(tmp_path)
    (event,) = rows(record, "echo")
    assert 0 < event["read"] <= event["dispatched"] <= event["handler_start"] < event["answer_written"]
    assert record.connections[0].never_upgraded
    assert record.failed == ()
