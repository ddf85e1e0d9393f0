"""What the apps of all modes need: a logger that keeps quiet, a bystander's handler, a sentence for bad options."""

import inspect
import logging
from collections.abc import Iterable
from typing import Any

import engineio
import socketio

from labkit.base.errors import ServerError
from labkit.base.renamed import refuse_unknown


def list_logger(log: list[str]) -> logging.Logger:
    """A logger that keeps warnings in a list. Nothing of it reaches the stderr of a notebook."""

    class ListHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.append(self.format(record))

    logger = _ListLogger("labkit.server", logging.WARNING)
    logger.addHandler(ListHandler())
    return logger


#: Why engine.io closes a connection: it says so at the level of information, where it tells of every packet as well.
_WHY_CLOSED = frozenset({'%s: Unexpected error "%s", closing connection', "%s: Client is gone, closing socket"})


class _ListLogger(logging.Logger):
    """Warnings, and why a connection was closed. What it leaves out costs a look at the message."""

    def info(self, msg: object, *args: object, **rest: Any) -> None:
        if msg in _WHY_CLOSED:
            self.warning(msg, *args, **rest)


def acknowledge(*_: object) -> None:
    """Handle a bystander's ping: return nothing, and Socket.IO sends the acknowledgement."""


#: Read by Flask-SocketIO itself (``SocketIO.init_app`` in flask_socketio/__init__.py); all others go to the servers.
FLASK_SOCKETIO_OPTIONS = ("channel", "manage_session", "message_queue", "path", "resource")


def check_options(options: Iterable[str], also: Iterable[str] = ()) -> None:
    """Raise `UsageError` where no library reads an option: Engine.IO's server takes any name and drops it.

    Args:
        options: the names.
        also: names that the caller's own library reads.
    """
    servers = (socketio.Server, socketio.AsyncServer, engineio.base_server.BaseServer, socketio.base_server.BaseServer)
    taken = {name for server in servers for name in inspect.signature(server).parameters} - {"kwargs"} | set(also)
    refuse_unknown(options, sorted(taken), "option")


def refused_options(error: Exception) -> ServerError:
    """The error to raise where the library does not take the options."""
    return ServerError(f"SocketIO(...) does not take these options ({error}): change them")
