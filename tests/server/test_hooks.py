"""The hooks: exact stamps on a clock that stands still, honest ones on real sockets."""

import threading

import pytest
import simple_websocket
from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI
from flask import Flask
from flask_socketio import SocketIO, emit

from labkit.base.errors import ServerError
from labkit.runs.stages import MISSING, SERVER_COLUMNS
from labkit.server.hooks import Hooks, _StampedBuffer
from labkit.server.stamps import Stamps
from tests.support.fake_clock import FakeClock
from tests.support.helpers import RawClient, answer_inline, make_server, no_thread_dies, wait_until


@pytest.fixture(autouse=True)
def threads_end_well():
    with no_thread_dies():
        yield


@pytest.fixture
def app():
    return Flask("tested")


@pytest.fixture
def socketio(app):
    return SocketIO(app, async_mode="threading")


@pytest.fixture
def now():
    return FakeClock(start_ns=1_000)


@pytest.fixture
def server():
    """Starts servers, and stops them after the test."""
    servers = []

    def start(register=answer_inline, **arguments):
        servers.append(make_server(register, **arguments))
        servers[-1].start()
        return servers[-1]

    yield start
    for each in servers:
        each.stop()


def taken(stamps, place):
    """An event's stamps by column, without those that were not taken."""
    return {name: column[place] for name, column in stamps.columns().items() if column[place] != MISSING}


# On a clock that stands still, through Flask-SocketIO's own test client: serial and without a websocket


def test_handler_and_answer_are_stamped_exactly(app, socketio, now):
    hooks = Hooks(socketio)
    hooks.record(stamps := Stamps(2, now=now))

    @socketio.on("message")
    def handle(data):
        now.advance(ns=20)
        emit("response", {"id": data["id"]})
        now.advance(ns=5)

    socketio.test_client(app).emit("message", {"id": 1})
    assert taken(stamps, 1) == {"handler_start": 1_000, "emitted": 1_020, "handler_end": 1_025}
    assert taken(stamps, 0) == {}


def test_an_event_that_came_by_polling_has_no_inbox_stamps_and_is_answered(app, socketio, now):
    Hooks(socketio).record(stamps := Stamps(1, now=now))
    answer_inline(socketio, lambda data: data)
    client = socketio.test_client(app)
    client.emit("message", {"id": 0})
    assert set(taken(stamps, 0)) == {"handler_start", "handler_end", "emitted"}
    assert [answer["name"] for answer in client.get_received()] == ["response"]


@pytest.mark.parametrize("data", [{"id": 2}, {"id": -1}, {"id": "0"}, {"payload": 1}, "text", 0, [1]])
def test_what_has_no_place_is_not_stamped_and_still_answered(app, socketio, now, data):
    Hooks(socketio).record(stamps := Stamps(2, now=now))

    @socketio.on("message")
    def handle(data):
        emit("response", data)

    client = socketio.test_client(app)
    client.emit("message", data)
    assert [answer["args"] for answer in client.get_received()] == [[data]]
    assert all(set(column) == {MISSING} for column in stamps.columns().values())


def test_an_event_without_data_passes(app, socketio, now):
    Hooks(socketio).record(Stamps(1, now=now))
    socketio.on_event("bystander", lambda: None)
    assert socketio.test_client(app).emit("bystander", callback=True) == []


def test_a_batch_stamps_each_of_its_answers(app, socketio, now):
    Hooks(socketio).record(stamps := Stamps(3, now=now))

    @socketio.on("message")
    def handle(_):
        now.advance(ns=7)
        socketio.emit("response", [{"id": 2}, {"id": 0}, {"id": 99}])

    socketio.test_client(app).emit("message", {"id": 1})
    assert list(stamps.emitted) == [1_007, MISSING, 1_007]


def test_only_the_first_answer_is_stamped(app, socketio, now):
    Hooks(socketio).record(stamps := Stamps(1, now=now))

    @socketio.on("message")
    def handle(data):
        emit("response", data)
        now.advance(ms=1)
        emit("response", data)

    socketio.test_client(app).emit("message", {"id": 0})
    assert stamps.emitted[0] == 1_000


def test_a_handler_that_raises_is_kept_and_its_end_stamped(app, socketio, now):
    hooks = Hooks(socketio)
    hooks.record(stamps := Stamps(1, now=now))

    @socketio.on("message")
    def handle(_):
        now.advance(ns=9)
        raise LookupError("no such thing")

    client = socketio.test_client(app)
    with pytest.raises(LookupError):
        client.emit("message", {"id": 0})
    assert taken(stamps, 0) == {"handler_start": 1_000, "handler_end": 1_009}
    (error,) = hooks.errors
    assert "LookupError: no such thing" in error


def test_of_a_long_traceback_the_end_is_kept_which_says_what_it_was(app, socketio):
    hooks = Hooks(socketio)

    @socketio.on("message")
    def handle(_):
        try:
            raise ValueError("x" * 20_000)
        except ValueError as error:
            raise LookupError("no such thing") from error

    client = socketio.test_client(app)
    with pytest.raises(LookupError):
        client.emit("message", {"id": 0})
    (error,) = hooks.errors
    assert error.splitlines()[-1] == "LookupError: no such thing"


def test_a_new_record_forgets_old_errors(socketio):
    hooks = Hooks(socketio)
    hooks.errors.append("old")
    hooks.record(None)
    assert hooks.errors == []


def test_nothing_is_stamped_before_record_and_after_none(app, socketio, now):
    hooks = Hooks(socketio)
    answer_inline(socketio, lambda data: data)
    client = socketio.test_client(app)
    client.emit("message", {"id": 0})
    hooks.record(stamps := Stamps(1, now=now))
    hooks.record(None)
    client.emit("message", {"id": 0})
    assert taken(stamps, 0) == {}
    assert len(client.get_received()) == 2


def test_the_inbox_keeps_the_two_stamps_of_each_message(now):
    inbox = _StampedBuffer(now)
    inbox.append("a")
    now.advance(ns=10)
    inbox.append("b")
    now.advance(ns=100)
    assert (inbox.pop(0), inbox.read_ns, inbox.dispatched_ns) == ("a", 1_000, 1_110)
    now.advance(ns=1)
    assert (inbox.pop(0), inbox.read_ns, inbox.dispatched_ns) == ("b", 1_010, 1_111)


def test_an_empty_inbox_raises_as_a_list_does_and_stays_in_step(now):
    inbox = _StampedBuffer(now)
    with pytest.raises(IndexError):
        inbox.pop(0)
    inbox.append("a")
    assert (inbox.pop(0), inbox.read_ns) == ("a", 1_000)


# Put in place


def remove(monkeypatch, owner, name):
    """As a later version of the library might: no base class has it either."""
    for each in owner.__mro__:
        if name in vars(each):
            monkeypatch.delattr(each, name)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("server", "_handle_event"),
        ("server", "_handle_event_internal"),
        ("manager", "emit"),
        (SimpleWebSocketWSGI, "wait"),
        (simple_websocket.Server, "handshake"),
        (simple_websocket.Server, "receive"),
    ],
)
def test_a_private_name_that_is_gone_is_told_when_they_are_put_in_place(socketio, monkeypatch, owner, name):
    owner = {"server": type(socketio.server), "manager": type(socketio.server.manager)}.get(owner, owner)
    remove(monkeypatch, owner, name)
    with pytest.raises(ServerError, match=rf"has no {name}: install the versions"):
        Hooks(socketio)


def test_hooks_that_cannot_be_put_in_place_change_nothing(socketio, monkeypatch):
    remove(monkeypatch, simple_websocket.Server, "handshake")
    before = dict(vars(socketio.server))
    with pytest.raises(ServerError):
        Hooks(socketio)
    assert vars(socketio.server) == before


def test_other_servers_of_the_process_stay_as_they_are(socketio):
    other = SocketIO(Flask("other"), async_mode="threading").server
    Hooks(socketio)
    assert not {"_handle_event", "_handle_event_internal"} & set(vars(other))
    assert other.eio._async["websocket"] is SimpleWebSocketWSGI
    assert simple_websocket.Server.receive.__qualname__ == "Base.receive"


# On real sockets


def answered(running, count, register_id=0):
    """Send events one after the other and wait for each answer."""
    with RawClient(running.port) as client:
        for number in range(register_id, register_id + count):
            assert client.ask(f'42["message",{{"id":{number},"payload":1}}]').startswith('42["response"')


def recorded(running, events):
    stamps = Stamps(events)
    running.hooks.record(stamps)
    return stamps


@pytest.mark.measured
@pytest.mark.parametrize("async_handlers", [True, False])
def test_the_stages_come_in_order(server, async_handlers):
    running = server(options={"async_handlers": async_handlers})
    stamps = recorded(running, 5)
    answered(running, 5)
    for place in range(5):
        wait_until(lambda: stamps.handler_end[place] and stamps.loop_free[place])  # noqa: B023 (called at once)
        at = taken(stamps, place)
        assert set(at) == set(SERVER_COLUMNS)
        assert at["read"] <= at["dispatched"] <= at["handler_start"] <= at["emitted"] <= at["handler_end"]
        assert at["dispatched"] < at["loop_free"]


@pytest.mark.measured
def test_a_serial_loop_is_free_after_the_handler(server):
    running = server(options={"async_handlers": False})
    stamps = recorded(running, 5)
    answered(running, 5)
    assert wait_until(lambda: all(stamps.loop_free))
    assert all(free >= end for free, end in zip(stamps.loop_free, stamps.handler_end, strict=True))


@pytest.mark.measured
def test_a_threading_loop_is_free_while_a_slow_handler_works(server):
    go_on = threading.Event()

    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle(data):
            go_on.wait(5)

    running = server(register)
    stamps = recorded(running, 1)
    with RawClient(running.port) as client:
        client.send('42["message",{"id":0}]')
        assert wait_until(lambda: stamps.loop_free[0])
        assert stamps.handler_end[0] == MISSING
        go_on.set()
        assert wait_until(lambda: stamps.handler_end[0])


@pytest.mark.measured
def test_the_wait_in_the_inbox_is_seen(server):
    """Head-of-line blocking: read at once, dispatched when the handler before it has ended."""

    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle(data):
            socketio.sleep(0.1)
            emit("response", data)

    running = server(register, options={"async_handlers": False})
    stamps = recorded(running, 2)
    with RawClient(running.port) as client:
        client.send('42["message",{"id":0}]')
        client.send('42["message",{"id":1}]')
        assert client.receive().endswith('{"id":0}]')
        assert client.receive().endswith('{"id":1}]')
    assert stamps.read[1] < stamps.handler_end[0] <= stamps.dispatched[1]
    assert stamps.dispatched[0] - stamps.read[0] < stamps.dispatched[1] - stamps.read[1]


@pytest.mark.measured
def test_a_plain_event_after_it_does_not_move_its_stamps(server):
    running = server(options={"async_handlers": False})
    stamps = recorded(running, 1)
    with RawClient(running.port) as client:
        client.ask('42["message",{"id":0,"payload":1}]')
        assert client.ask('421["bystander"]') == "431[]"
        at = taken(stamps, 0)
        assert client.ask('422["bystander"]') == "432[]"
    assert taken(stamps, 0) == at


@pytest.mark.measured
def test_an_answer_from_a_background_task_is_stamped(server):
    def register(socketio, complex_calculation):
        from flask import request

        @socketio.on("message")
        def handle(data):
            sid = request.sid
            socketio.start_background_task(lambda: socketio.emit("response", data, to=sid))

    running = server(register)
    stamps = recorded(running, 1)
    answered(running, 1)
    assert stamps.emitted[0] >= stamps.handler_start[0]


@pytest.mark.measured
def test_a_client_by_polling_is_answered(server):
    """By hand, so that no client library is needed: open, connect, event, read."""
    import urllib.request

    running = server()
    stamps = recorded(running, 1)
    address = f"{running.url}/socket.io/?EIO=4&transport=polling"

    def get(sid=""):
        with urllib.request.urlopen(address + sid, timeout=5) as response:
            return response.read().decode()

    def post(sid, body):
        urllib.request.urlopen(address + sid, data=body.encode(), timeout=5).close()

    sid = "&sid=" + get().split('"sid":"')[1].split('"')[0]
    post(sid, "40")
    assert get(sid).startswith("40")
    post(sid, '42["message",{"id":0,"payload":7}]')
    assert '"result":7' in get(sid)
    assert wait_until(lambda: stamps.handler_end[0])
    assert set(taken(stamps, 0)) == {"handler_start", "handler_end", "emitted"}
    post(sid, "1")


@pytest.mark.measured
def test_errors_of_handlers_are_kept_on_a_real_server(server):
    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle(data):
            raise RuntimeError("broken on purpose")

    running = server(register)
    with RawClient(running.port) as client:
        client.send('42["message",{"id":0}]')
        assert wait_until(lambda: running.errors)
    assert "broken on purpose" in running.errors[0]


@pytest.mark.measured
def test_a_server_without_hooks_answers(server):
    running = server(instrumented=False)
    answered(running, 2)
    assert running.hooks is None
    assert running.errors == []
