"""What is seen of a threading server, event by event, with real clients: by websocket, by polling, and upgraded."""

import itertools
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import socketio as plain
from flask import request
from flask_socketio import Namespace, emit, join_room

import labkit
from labkit.inside.record import POLLING, UNKNOWN, WEBSOCKET
from tests.support.helpers import RawClient, make_server, no_thread_dies, wait_until
from tests.support.inside_app import GET, columns, polled, rows, talk

ROOT = Path(__file__).parents[2]


@pytest.fixture
def seen():
    """Starts servers around a `register` function and sees into them; stops them after the test."""
    started = []

    def start(register, options=None, **arguments):
        running = make_server(lambda socketio, _: register(socketio), instrumented=False, options=options or {})
        running.start()
        inside = labkit.instrument(running.socketio, **arguments)
        started.append((running, inside))
        return running, inside

    yield start
    for running, inside in started:
        assert inside.record().failed == ()
        inside.detach()
        running.stop()


def echoing(socketio):
    @socketio.on("echo")
    def echo(*arguments):
        emit("echoed", arguments)
        return arguments


def settled(inside, name, count=1):
    """The record, once that many events of a name have ended and were answered."""

    def ended():
        found = rows(inside.record(), name)
        return len(found) >= count and all(each["handler_end"] and each["loop_free"] for each in found)

    assert wait_until(ended)
    return inside.record()


@pytest.mark.measured
@pytest.mark.parametrize("async_handlers", [True, False])
def test_the_stages_come_in_order(seen, async_handlers):
    running, inside = seen(echoing, {"async_handlers": async_handlers})
    with RawClient(running.port) as client:
        for number in range(3):
            assert client.ask(f'42{number}["echo",1,2]') == '42["echoed",1,2]'
            assert client.receive() == f"43{number}[1,2]"
    record = settled(inside, "echo", 3)
    for event, sent in zip(rows(record, "echo"), columns(record.emits), strict=True):
        way = ("read", "dispatched", "handler_start", "handler_end", "answered", "answer_written")
        assert all(event[a] <= event[b] for a, b in itertools.pairwise(way)), event
        assert event["read"] > 0
        assert event["handler_start"] <= sent["at"] <= sent["queued"] <= event["handler_end"]
        assert sent["at"] <= sent["first_written"] == sent["last_written"]
        assert (event["loop_free"] >= event["answered"]) or async_handlers
        assert (event["transport"], event["bytes_in"], event["arguments"]) == (WEBSOCKET, len('420["echo",1,2]'), 2)
        assert (event["emits"], event["error"], event["unhandled"]) == (1, UNKNOWN, 0)
        assert event["answer_bytes"] == len("430[1,2]")
        assert (sent["event"], sent["receivers"], sent["bytes"]) == (event["number"], 1, len('42["echoed",1,2]'))
        assert sent["thread"] == event["thread"]
        assert 0 < event["cpu_ns"] <= 2 * (event["handler_end"] - event["handler_start"]) + 10**6
    (connection,) = record.connections
    assert (connection.first_transport, connection.never_upgraded, connection.unseen) == ("websocket", False, ())
    assert (connection.events, connection.namespaces) == (3, ("/",))
    threads = {event["thread"] for event in rows(record, "echo")}
    assert len(threads) == 1 or async_handlers


@pytest.mark.measured
def test_computing_is_cpu_time_and_waiting_is_not(seen):
    def register(socketio):
        @socketio.on("compute")
        def compute():
            end = time.thread_time() + 0.03
            while time.thread_time() < end:
                pass

        @socketio.on("wait")
        def wait():
            time.sleep(0.03)

    running, inside = seen(register)
    with RawClient(running.port) as client:
        client.ask('421["compute"]')
        client.ask('422["wait"]')
    record = settled(inside, "wait")
    (compute,), (wait,) = rows(record, "compute"), rows(record, "wait")
    assert compute["cpu_ns"] >= 30e6
    assert wait["cpu_ns"] < 15e6
    assert wait["handler_end"] - wait["handler_start"] >= 30e6
    assert record.long_run["compute"]["cpu_ns"].percentile_ns(50) >= 30e6
    assert len(record.long_run["wait"]["service_ns"]) == 1


@pytest.mark.measured
def test_a_wait_in_the_inbox_is_seen_and_how_many_waited(seen):
    go_on = threading.Event()

    def register(socketio):
        @socketio.on("hold")
        def hold():
            go_on.wait(5)

        echoing(socketio)

    running, inside = seen(register, {"async_handlers": False})
    with RawClient(running.port) as client:
        client.send('42["hold"]')
        for _ in range(5):
            client.send('42["echo",1]')
        assert wait_until(lambda: inside.record().connections[0].unread_most >= 5)
        held = rows(inside.record(), "hold")[0]
        assert held["handler_start"]
        assert not held["handler_end"]  # in flight, and seen
        go_on.set()
        record = settled(inside, "echo", 5)
    (hold,) = rows(record, "hold")
    for event in rows(record, "echo"):
        assert event["read"] < hold["handler_end"] <= event["dispatched"]


@pytest.mark.measured
def test_an_error_is_named_also_where_the_app_takes_it(seen):
    def register(socketio):
        @socketio.on("bad")
        def bad():
            raise KeyError("a secret")

        @socketio.on("taken", namespace="/taken")
        def taken():
            raise LookupError("a secret")

        @socketio.on_error("/taken")
        def on_error(error):
            return "taken"

    running, inside = seen(register, {"async_handlers": False})
    with RawClient(running.port) as client:
        client.send('42["bad"]')
        client.ask("40/taken,")
        assert client.ask('42/taken,1["taken"]') == '43/taken,1["taken"]'
    record = settled(inside, "taken")
    assert [record.errors[rows(record, name)[0]["error"]] for name in ("bad", "taken")] == ["KeyError", "LookupError"]
    running.socketio.on_error("/later")(lambda error: None)
    inside.detach()
    assert type(running.socketio.exception_handlers) is dict
    assert set(running.socketio.exception_handlers) == {"/taken", "/later"}


@pytest.mark.measured
def test_an_event_that_nobody_handles(seen):
    running, inside = seen(echoing)
    with RawClient(running.port) as client:
        client.send('42["nobody"]')
        client.ask('421["echo"]')
        record = settled(inside, "nobody")
    assert rows(record, "nobody")[0]["unhandled"] == 1
    assert rows(record, "echo")[0]["unhandled"] == 0


@pytest.mark.measured
def test_who_receives_an_emit_and_where_it_was_made(seen):
    def register(socketio):
        @socketio.on("join")
        def join():
            join_room("some")
            return 1

        @socketio.on("room")
        def room():
            emit("to-room", 1, to="some")
            emit("to-all", 1, broadcast=True)
            emit("to-others", 1, broadcast=True, include_self=False)
            sid = request.sid
            socketio.start_background_task(lambda: socketio.emit("elsewhere", 1, to=sid)).join()
            return 1

    running, inside = seen(register)
    with RawClient(running.port) as a, RawClient(running.port) as b, RawClient(running.port) as c:
        assert a.ask('421["join"]') == "431[1]"
        assert b.ask('421["join"]') == "431[1]"
        c.send('421["room"]')
        assert [c.receive() for _ in range(3)] == ['42["to-all",1]', '42["elsewhere",1]', "431[1]"]
        for client in (a, b):
            assert [client.receive() for _ in range(3)] == [f'42["to-{who}",1]' for who in ("room", "all", "others")]
        assert wait_until(lambda: list(inside.record().emits["written"]) == [2, 3, 2, 1])
        record = inside.record()
    made = {record.names[each["name"]]: each for each in columns(record.emits)}
    assert {name: each["receivers"] for name, each in made.items()} == {
        "to-room": 2,
        "to-all": 3,
        "to-others": 2,
        "elsewhere": 1,
    }
    (event,) = rows(record, "room")
    assert [made[name]["event"] for name in ("to-room", "to-all", "elsewhere")] == [event["number"]] * 2 + [UNKNOWN]
    assert event["emits"] == 3
    assert made["elsewhere"]["thread"] != event["thread"]
    assert made["to-all"]["first_written"] <= made["to-all"]["last_written"]


@pytest.mark.measured
def test_binary_attachments_belong_to_their_event(seen):
    running, inside = seen(echoing)
    client = plain.Client(handle_sigint=False)
    client.connect(running.url, transports=["websocket"])
    try:
        assert client.call("echo", (b"12345", {"inner": b"678"}), timeout=5) == (b"12345", {"inner": b"678"})
        assert client.call("echo", "plain", timeout=5) == "plain"
        record = settled(inside, "echo", 2)
    finally:
        client.disconnect()
    binary, text = rows(record, "echo")
    assert (binary["attachments"], binary["arguments"], text["attachments"]) == (2, 2, 0)
    assert binary["bytes_in"] > text["bytes_in"] + 8
    sent = columns(record.emits)
    assert sent[0]["receivers"] == 1
    assert sent[0]["written"] == 3  # the packet and its two attachments


@pytest.mark.measured
def test_by_polling_which_never_upgrades(seen):
    """The commonest fault of all: named, and whether it was tried."""
    running, inside = seen(echoing)
    sid, answers = polled(running.url, '420["echo",1]')
    assert answers == ['42["echoed",1]', "430[1]"]
    record = settled(inside, "echo")
    (event,) = rows(record, "echo")
    assert event["transport"] == POLLING
    assert 0 < event["read"] <= event["dispatched"] <= event["handler_start"] <= event["handler_end"]
    assert event["answered"] <= event["answer_written"]
    (connection,) = record.connections
    assert connection.never_upgraded
    assert (connection.first_transport, connection.upgrade_offered, connection.upgrade_tried_ns) == ("polling", True, 0)
    GET(f"{running.url}/socket.io/?EIO=4&transport=polling&sid={sid}", "1")
    assert wait_until(lambda: inside.record().connections[0].closed_ns)
    assert inside.record().connections[0].reason == "client disconnect"


@pytest.mark.measured
def test_an_upgrade_that_was_not_offered(seen):
    running, inside = seen(echoing, {"allow_upgrades": False})
    polled(running.url, '420["echo",1]')
    connection = inside.record().connections[0]
    assert connection.never_upgraded
    assert not connection.upgrade_offered


@pytest.mark.measured
def test_from_polling_to_a_websocket_with_namespaces_classes_and_catch_alls(seen):
    class Chat(Namespace):
        def on_connect(self):
            emit("welcome")

        def on_hi(self, number):
            return number

    def register(socketio):
        echoing(socketio)
        socketio.on_namespace(Chat("/chat"))

        @socketio.on("*")
        def anything(name, *arguments):
            return [name, *arguments]

    running, inside = seen(register)
    with no_thread_dies():
        told = talk(running.url)
    assert told == {"echo": (1, "two"), "hi": 3, "unknown": ["unknown", 5]}
    assert wait_until(lambda: inside.record().connections[0].closed_ns)
    record = settled(inside, "unknown")
    (connection,) = record.connections
    assert connection.opened_ns < connection.upgrade_tried_ns < connection.upgraded_ns < connection.closed_ns
    assert (connection.first_transport, connection.never_upgraded) == ("polling", False)
    assert connection.namespaces == ("/", "/chat")
    assert connection.reason in ("client disconnect", "transport close")
    assert [record.namespaces[rows(record, name)[0]["namespace"]] for name in ("echo", "hi")] == ["/", "/chat"]
    (connect,) = rows(record, "connect")
    assert record.namespaces[connect["namespace"]] == "/chat"
    assert 0 < connect["dispatched"] <= connect["handler_start"] < connect["handler_end"] <= connect["loop_free"]
    assert connect["emits"] == 1


@pytest.mark.measured
def test_a_client_that_does_not_read(seen):
    def register(socketio):
        @socketio.on("flood")
        def flood():
            for _ in range(60):
                emit("much", "x" * 100_000)
            return 1

    running, inside = seen(register)
    with RawClient(running.port, receive_buffer=4096) as client:
        client.send('42["flood"]')
        assert wait_until(lambda: len(inside.record().emits["number"]) == 60)
        record = settled(inside, "flood")
        (connection,) = record.connections
        assert connection.unsent > 5
        assert connection.unsent_most >= connection.unsent
        assert 0 in record.emits["written"]


@pytest.mark.measured
def test_the_headroom_of_heartbeats(seen):
    running, inside = seen(echoing, {"ping_interval": 0.05, "ping_timeout": 3})
    with RawClient(running.port) as client:
        for _ in range(3):
            assert client.receive() == "2"
            client.send("3")
        assert wait_until(lambda: inside.record().connections[0].pongs == 3)
        quick = inside.record().connections[0].headroom_s
        assert client.receive() == "2"
        time.sleep(0.5)
        client.send("3")
        assert wait_until(lambda: inside.record().connections[0].pongs == 4)
        slow = inside.record().connections[0].headroom_s
        beats = inside.record().heartbeats
    assert slow < quick <= 3
    assert slow < 2.5
    taken = [at for at, taken in enumerate(beats["taken"]) if taken]
    assert len(taken) == 4
    assert all(beats["ping"][at] < beats["read"][at] <= beats["taken"][at] for at in taken)


@pytest.mark.measured
def test_a_connect_handler_without_auth_is_one_event_without_an_error(seen):
    """python-socketio calls it twice, first with `auth`: its TypeError is no fault of the app."""
    running, inside = seen(echoing)
    running.socketio.server.on("connect", lambda sid, environ: None)
    with RawClient(running.port):
        record = settled(inside, "connect")
    (connect,) = rows(record, "connect")
    assert connect["error"] == UNKNOWN
    assert record.connections[0].namespaces == ("/",)


#: Twenty events of 20 ms; of each the ns that the client waited beside what was seen inside.
TWENTY = """
import json, time
from flask_socketio import emit
import labkit
from tests.inside.test_sync_hooks import settled
from tests.support.helpers import RawClient, make_server

def wait():
    time.sleep(0.02)
    emit("done")

running = make_server(lambda socketio, _: socketio.on_event("wait", wait), instrumented=False)
running.start()
inside = labkit.instrument(running.socketio)
outside = []
with RawClient(running.port) as client:
    for _ in range(20):
        sent_ns = time.perf_counter_ns()
        assert client.ask('42["wait"]') == '42["done"]'
        outside.append(time.perf_counter_ns() - sent_ns)
record = settled(inside, "wait", 20)
seen = zip(outside, record.emits["first_written"], record.events["read"][-20:], strict=True)
print(json.dumps([out - (written - at) for out, written, at in seen]))
inside.detach()
running.stop()
"""

#: greenlet, which gevent loads, looks through all objects as a thread ends whose main greenlet somebody has asked for.
BESIDE = {"nothing": "", "gevent, which it does not use": "import gevent\nobjects = [[] for _ in range(1_000_000)]"}


@pytest.mark.measured
@pytest.mark.parametrize("beside", BESIDE)
def test_the_stages_add_up_to_what_the_client_saw(beside):
    """Nothing inside is counted that the client didn't wait for, and most of what it waited for is inside."""
    code = BESIDE[beside] + TWENTY
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    beyond = json.loads(done.stdout)
    assert min(beyond) >= 0
    assert sorted(beyond)[10] < 10e6  # the median; 0.1 ms on an idle machine, of 20
