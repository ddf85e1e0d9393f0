"""One line in an app: what it takes, that it leaves no trace, and that the app goes on whatever becomes of a hook."""

import functools
import logging

import engineio.socket
import pytest
import socketio as plain
from flask import Flask
from flask_socketio import SocketIO, emit

import labkit
from labkit.base.errors import ServerError, UsageError
from labkit.inside.hooking import Hooking
from labkit.inside.instrument import Inside
from labkit.inside.seeing import Seeing
from labkit.inside.seen_inbox import SeenInbox
from tests.support.helpers import RawClient, make_server, no_thread_dies, wait_until


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


def attributes(socketio):
    """Every attribute of every object that hooks are put on: the objects themselves, to be compared by identity."""
    server = socketio.server if hasattr(socketio, "init_app") else socketio
    owners = [socketio, server, server.manager, server.eio, *server.eio.sockets.values()]
    tables = [*map(vars, owners), server.eio.handlers, server.eio._async]
    return [{name: id(value) for name, value in table.items()} for table in tables]


def register(socketio, complex_calculation):
    @socketio.on("echo")
    def echo(*arguments):
        emit("echoed", arguments)
        return arguments


def rows(record, name):
    """The events of that name, each with its columns."""
    return [
        {column: values[row] for column, values in record.events.items()}
        for row in range(len(record))
        if record.name_of(row) == name
    ]


# What it takes


@pytest.mark.parametrize("thing", [None, 5, "app", Flask("tested"), object()])
def test_what_is_no_server_is_refused(thing):
    with pytest.raises(UsageError, match=r"is no server: give a flask_socketio\.SocketIO"):
        labkit.instrument(thing)


@pytest.mark.parametrize("events", [0, -1, 1.5, True, "many"])
def test_a_number_of_events_that_cannot_be_kept_is_refused(socketio, events):
    before = attributes(socketio)
    with pytest.raises(UsageError, match="cannot be kept: ask for 1 or more"):
        labkit.instrument(socketio, events=events)
    assert attributes(socketio) == before


@pytest.mark.parametrize("name", ["_handle_event", "_trigger_event", "_send_packet", "_handle_eio_connect"])
def test_a_version_with_other_names_is_told_and_nothing_was_changed(socketio, monkeypatch, name):
    for each in type(socketio.server).__mro__:
        if name in vars(each):
            monkeypatch.delattr(each, name)
    before = attributes(socketio)
    with pytest.raises(ServerError, match=f"has no {name}: install the versions"):
        labkit.instrument(socketio)
    assert attributes(socketio) == before


@pytest.mark.parametrize("name", ["_handle_disconnect", "_handle_eio_disconnect", "_send_packet"])
def test_a_version_whose_methods_take_other_arguments_is_told_and_nothing_was_changed(socketio, monkeypatch, name):
    """A hook in their place could not be called as they are."""
    monkeypatch.setattr(type(socketio.server), name, lambda self, eio_sid: None)
    before = attributes(socketio)
    with pytest.raises(ServerError, match=rf"{name} takes 1 arguments and not \d: install the versions"):
        labkit.instrument(socketio)
    assert attributes(socketio) == before


def test_a_method_that_takes_whatever_it_is_given_is_somebody_s_hook(socketio, monkeypatch):
    before = type(socketio.server)._send_packet

    def hook(self, *args):
        return before(self, *args)

    monkeypatch.setattr(type(socketio.server), "_send_packet", hook)
    labkit.instrument(socketio).detach()


def test_before_init_app(app):
    socketio = SocketIO(async_mode="threading")
    register(socketio, None)
    inside = labkit.instrument(socketio)
    assert len(inside.record()) == 0
    socketio.init_app(app)
    socketio.test_client(app).emit("echo", 1)
    assert len(rows(inside.record(), "echo")) == 1
    inside.detach()
    assert "init_app" not in vars(socketio)


def test_the_same_again_for_one_that_is_seen_already(socketio):
    inside = labkit.instrument(socketio)
    assert labkit.instrument(socketio, events=5) is inside
    assert labkit.instrument(socketio.server) is inside
    inside.detach()
    assert labkit.instrument(socketio) is not inside


@pytest.mark.parametrize("kind", [plain.Server, plain.AsyncServer])
def test_a_server_without_flask(kind):
    server = kind(async_mode="threading" if kind is plain.Server else "asgi")
    before = attributes(server)
    with labkit.instrument(server) as inside:
        assert attributes(server) != before
        assert inside.record().settings["async_mode"] == server.async_mode
    assert attributes(server) == before


def test_several_servers_in_a_process(app, socketio):
    other_app = Flask("other")
    other = SocketIO(other_app, async_mode="threading")
    register(socketio, None)
    register(other, None)
    before = attributes(other)
    one = labkit.instrument(socketio)
    assert attributes(other) == before
    two = labkit.instrument(other)
    socketio.test_client(app).emit("echo", 1)
    for _ in range(2):
        other.test_client(other_app).emit("echo", 1)
    assert len(rows(one.record(), "echo")) == 1
    assert len(rows(two.record(), "echo")) == 2


# Without a trace


def test_detached_every_attribute_is_as_it_was(socketio):
    before = attributes(socketio)
    inside = labkit.instrument(socketio)
    assert attributes(socketio) != before
    assert inside.detach()
    assert attributes(socketio) == before
    assert inside.detach()  # nothing left to do


def test_a_hook_that_somebody_put_in_front_is_told_and_stays(socketio):
    inside = labkit.instrument(socketio)
    ours = socketio.server.manager.emit
    socketio.server.manager.emit = functools.partial(ours)
    assert inside.detach() is False
    assert socketio.server.manager.emit is not ours


def test_the_admin_instrumentation_and_ours_bear_each_other(app, socketio, monkeypatch):
    for name in ("handle_post_request", "_websocket_handler", "_send_ping"):  # it changes the class, for everybody
        monkeypatch.setattr(engineio.socket.Socket, name, getattr(engineio.socket.Socket, name))
    register(socketio, None)
    socketio.server.instrument(auth=False, mode="production")
    client = socketio.test_client(app)
    inside = labkit.instrument(socketio)
    client.emit("echo", 1)
    assert client.get_received()[0]["args"] == [1]
    assert len(rows(inside.record(), "echo")) == 1
    assert inside.detach()


@pytest.mark.measured
def test_clients_that_are_connected_already():
    """What can be seen of them is, what can't is named, and what was hooked into is put back."""
    running = make_server(register, instrumented=False)
    running.start()
    try:
        with RawClient(running.port) as client:
            before = attributes(running.socketio)
            inside = labkit.instrument(running.socketio)
            assert client.ask('420["echo",7]').startswith('42["echoed"')
            assert client.receive() == "430[7]"
            assert wait_until(lambda: rows(inside.record(), "echo")[0]["loop_free"])
            record = inside.record()
            (event,) = rows(record, "echo")
            assert event["read"] == event["answer_written"] == 0
            assert 0 < event["dispatched"] <= event["handler_start"] < event["handler_end"] <= event["answered"]
            assert record.connections[0].unseen == (
                *("answer_written", "first_written", "last_written", "read", "written"),
            )
            assert record.unseen == ("read, written: of connections that were there before the hooks (1)",)
            assert record.connections[0].namespaces == ("/",)
            assert inside.detach()
            assert attributes(running.socketio) == before
            assert client.ask('421["echo",8]').startswith('42["echoed"')
            assert len(inside.record()) == len(record)
    finally:
        running.stop()


def test_a_client_that_has_left_is_none(socketio):
    """Engine.IO keeps its socket until it looks around the next time."""
    for sid in ("here", "left"):
        socketio.server.eio.sockets[sid] = engineio.socket.Socket(socketio.server.eio, sid)
    socketio.server.eio.sockets["left"].closed = True
    with labkit.instrument(socketio) as inside:
        assert len(inside.record().connections) == 1


@pytest.mark.measured
def test_detached_while_clients_are_connected():
    running = make_server(register, instrumented=False)
    running.start()
    try:
        before = attributes(running.socketio)
        inside = labkit.instrument(running.socketio)
        with RawClient(running.port) as client:
            assert client.ask('420["echo",7]').startswith('42["echoed"')
            assert client.receive() == "430[7]"
            (eio_socket,) = running.socketio.server.eio.sockets.values()
            assert {"receive", "send", "poll", "handle_post_request"} <= set(vars(eio_socket))
            assert inside.detach()
            assert not {"receive", "send", "poll", "handle_post_request"} & set(vars(eio_socket))
            seen = len(inside.record())
            assert client.ask('421["echo",8]').startswith('42["echoed"')
            assert client.receive() == "431[8]"
            assert len(inside.record()) == seen
        after = attributes(running.socketio)
        for was, now in zip(before[:3], after[:3], strict=True):
            assert {name: now.get(name) for name in was if name != "manager_initialized"} == {
                name: value for name, value in was.items() if name != "manager_initialized"
            }
            assert not {name for name in now if name not in was}
    finally:
        running.stop()


# Whatever becomes of a hook


def broken(*_, **__):
    raise RuntimeError("broken on purpose")


@pytest.mark.measured
@pytest.mark.parametrize(
    ("hook", "owner", "name"),
    [
        ("_handle_event", Seeing, "arrived"),
        ("_handle_event_internal", Seeing, "begin"),
        ("_handle_event_internal", Seeing, "end"),
        ("_trigger_event", Hooking, "_reserved"),
        ("_trigger_event", Hooking, "_reserved_done"),
        ("_trigger_event", Seeing, "unhandled"),
        ("_send_packet", Seeing, "answer_begins"),
        ("_send_packet", Seeing, "answer_ends"),
        ("emit", Seeing, "emit_begins"),
        ("emit", Seeing, "emit_ends"),
        ("connect", Hooking, "_meet"),
        ("disconnect", Hooking, "_part"),
        ("_handle_disconnect", Hooking, "_left"),
        ("receive", Seeing, "took"),
        ("receive", Seeing, "free"),
        ("send", Seeing, "sends"),
        ("poll", Seeing, "polled"),
        ("_async", Hooking, "_tried"),
        ("websocket.send", Seeing, "writes"),
        ("input_buffer", SeenInbox, "__init__"),
    ],
)
def test_a_hook_that_fails_says_so_once_and_the_app_goes_on(monkeypatch, caplog, hook, owner, name):
    monkeypatch.setattr(owner, name, broken)
    running = make_server(register, instrumented=False)
    running.start()
    inside = labkit.instrument(running.socketio)
    try:
        for _ in range(2):
            with RawClient(running.port) as client:
                for number in range(3):
                    assert client.ask(f'42{number}["echo",7]') == '42["echoed",7]'
                    assert client.receive() == f"43{number}[7]"
                client.send('42["nobody"]')
                assert client.ask('429["echo",7]').startswith('42["echoed"')
                client.send("3")  # to a ping that was not sent
                client.send("41")
        assert wait_until(lambda: hook in inside.record().failed)
        told = [each.getMessage() for each in caplog.records if each.name == "labkit"]
        assert [text.split(": ")[1] for text in told] == list(inside.record().failed)
        assert set(inside.record().failed) <= {
            hook,
            f"_handle_eio_{hook}",
            *(["_send_packet"] if name == "end" else []),
        }
        assert all(each.levelno == logging.ERROR and each.exc_info for each in caplog.records if each.name == "labkit")
        assert not any(each.name.startswith(("engineio", "socketio")) for each in caplog.records)
        assert hook not in vars(running.socketio.server)
    finally:
        inside.detach()
        running.stop()


# The record


def test_no_payload_and_no_sid_is_kept(app, socketio, tmp_path):
    register(socketio, None)
    with labkit.instrument(socketio) as inside:
        client = socketio.test_client(app)
        client.emit("echo", {"token": "a secret"}, callback=True)
        record = inside.record()
    record.save(tmp_path)
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret" not in everything
    assert client.eio_sid.encode() not in everything
    assert record.payloads == ()


def test_payloads_where_they_are_asked_for(app, socketio):
    register(socketio, None)
    with labkit.instrument(socketio, payloads=True) as inside:
        client = socketio.test_client(app)
        client.emit("echo", {"a": [1, 2]}, "b", b"binary", "x" * 20_000)
        (told,) = inside.record().payloads
    assert told["arguments"][:3] == [{"a": [1, 2]}, "b", "<bytes>"]
    assert len(told["arguments"][3]) < 11_000


def test_a_repr_says_what_it_has(socketio):
    inside = labkit.instrument(socketio)
    assert repr(inside) == "<Inside: 1 server, <Record: 0 of 0 events, 0 connections>>"
    assert isinstance(inside, Inside)
