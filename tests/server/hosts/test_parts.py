"""What the apps of all modes share."""

import inspect
import re

import pytest
from flask_socketio import SocketIO

from labkit.base.errors import UsageError
from labkit.server.hosts.parts import FLASK_SOCKETIO_OPTIONS, check_options


def test_the_options_that_flask_socketio_reads_itself_are_known():
    source = inspect.getsource(SocketIO.init_app)
    read = set(re.findall(r"server_options(?:\.(?:pop|get)\(|\[)\s*'(\w+)'", source))
    assert {"channel", "message_queue", "resource"} <= read
    check_options(read, FLASK_SOCKETIO_OPTIONS)


def test_an_option_of_the_servers_is_known():
    check_options(["ping_interval", "async_handlers", "max_http_buffer_size", "cors_allowed_origins", "serializer"])


@pytest.mark.parametrize(
    ("name", "also", "sentence"),
    [
        ("ping_intervall", (), r"no option 'ping_intervall': ping_interval\?"),
        ("zzz", FLASK_SOCKETIO_OPTIONS, "no option 'zzz': .*ping_interval, "),
        ("manage_session", (), "no option 'manage_session'"),  # Flask-SocketIO's: not for AsyncServer
    ],
)
def test_an_option_that_no_library_reads_is_refused(name, also, sentence):
    with pytest.raises(UsageError, match=sentence):
        check_options([name], also)
