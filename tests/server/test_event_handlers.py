"""What a server has a handler for, held to what python-socketio itself would call."""

from types import SimpleNamespace

import pytest
import socketio
from flask import Flask
from flask_socketio import Namespace, SocketIO
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base.errors import StrategyError
from labkit.server import event_handlers
from labkit.server.contract import PING_EVENT
from labkit.server.event_handlers import handled, handles, require_handler
from tests.support.helpers import make_server

EVENTS = st.sampled_from(["message", "price", "*"])
NAMESPACES = st.sampled_from(["/", "/desk", "*"])


def class_based(namespace, *events):
    return type("Mine", (socketio.Namespace,), {f"on_{event}": lambda *_: None for event in events})(namespace)


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(st.tuples(EVENTS, NAMESPACES), max_size=4),
    st.lists(st.tuples(st.sampled_from(["message", "price"]), NAMESPACES), max_size=1),
)
def test_an_event_is_handled_where_python_socketio_would_call_something(functions, classes):
    server = socketio.Server(async_mode="threading")
    for event, namespace in functions:
        server.on(event, lambda *_: None, namespace=namespace)
    for event, namespace in classes:
        server.register_namespace(class_based(namespace, event))
    there = handled(server)
    for event in ("message", "price", "other"):
        for namespace in ("/", "/desk", "/else"):
            calls = server._get_event_handler(event, namespace, ())[0] is not None
            of_class, _ = server._get_namespace_handler(namespace, ())
            assert handles(there, event, namespace) == (calls or hasattr(of_class, f"on_{event}"))


def test_a_class_with_a_dispatcher_of_its_own_may_handle_anything():
    class Mine(Namespace):
        def trigger_event(self, event, *args):
            return None

    socketio_ = SocketIO(Flask("tested"), async_mode="threading")
    socketio_.on_namespace(Mine("/desk"))
    there = handled(socketio_.server)
    assert handles(there, "whatever", "/desk")
    assert not handles(there, "whatever", "/")


def test_what_the_lab_itself_handles_and_what_no_client_sends_is_not_listed():
    server = socketio.AsyncServer(async_mode="asgi")
    for event in ("connect", "disconnect", PING_EVENT):
        server.on(event, lambda *_: None)
    assert handled(server) == {}
    server.on("price", lambda *_: None)
    assert handled(server) == {"/": ("price",)}


def test_an_app_that_does_not_show_its_server_is_taken_at_its_word():
    assert event_handlers.of_app(object()) is None
    assert event_handlers.of_app(SimpleNamespace(server=object(), socketio=None)) is None


def test_an_app_shows_its_server_by_one_name_or_the_other():
    server = socketio.Server(async_mode="threading")
    server.on("price", lambda *_: None)
    flask = SimpleNamespace(server=server)
    for app in (flask, SimpleNamespace(socketio=flask), SimpleNamespace(server=object(), socketio=flask)):
        assert event_handlers.of_app(app) == {"/": ("price",)}


class Told:
    """In place of a server that runs."""

    def __init__(self, there):
        self.there = there
        self.setup = make_server().setup

    def handlers(self):
        return self.there


def test_a_handler_that_is_not_there_is_a_sentence_that_lists_those_that_are():
    with pytest.raises(
        StrategyError, match=r"tested has no handler for `message` in `/`, .* there are: /: a, b; /desk: message$"
    ):
        require_handler(Told({"/desk": ("message",), "/": ("a", "b")}), "message")
    with pytest.raises(StrategyError, match=r"there is none$"):
        require_handler(Told({}), "message")
    require_handler(Told({"/desk": ("message",)}), "message", "/desk")
    require_handler(Told(None), "message")


@pytest.mark.measured
def test_a_server_of_this_process_tells_what_it_handles():
    with make_server() as server:
        assert server.handlers() == {"/": ("message",)}
