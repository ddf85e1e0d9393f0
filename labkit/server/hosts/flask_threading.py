"""A Flask app with the handlers of one strategy, in async_mode ``threading``, for a server that somebody else runs.

For gunicorn's worker, for the lab's own server on a thread, or for a server of the reader's.
"""

import threading
from typing import Any

from flask import Flask
from flask_socketio import SocketIO

from labkit.server.contract import PING_EVENT
from labkit.server.hooks import Hooks
from labkit.server.hosts.bounds import bound
from labkit.server.hosts.own_pages import Names, OwnPagesOnly
from labkit.server.hosts.parts import FLASK_SOCKETIO_OPTIONS, acknowledge, check_options, list_logger, refused_options
from labkit.server.setup import Setup
from labkit.server.websocket import WebsocketOfWSGI


class ThreadingHost:
    """What is served: `app` is the WSGI application.

    Args:
        setup: what it is made of.
        log: where the libraries' warnings go.

    Raises:
        ServerError: Flask-SocketIO does not take the options, or the strategy could not be registered.
    """

    async_mode = "threading"

    def __init__(self, setup: Setup, log: list[str]) -> None:
        self.setup = setup
        logger = list_logger(log)
        self.app = Flask("labkit")
        try:
            check_options(setup.options, FLASK_SOCKETIO_OPTIONS)
            self.socketio = SocketIO(
                self.app, async_mode=self.async_mode, logger=logger, engineio_logger=logger, **setup.options
            )
        except Exception as error:
            raise refused_options(error) from error
        server = self.socketio.server
        # engine.io looks at a message's size when all of it is there: simple-websocket does while it comes.
        websocket = {"max_message_size": server.eio.max_http_buffer_size, **self.prepare()}
        local_class = websocket.pop("local_class", threading.local)
        # The driver's table is shared by all servers of the process, so this one gets a copy.
        server.eio._async = {
            **server.eio._async,
            "websocket": lambda handler, _: WebsocketOfWSGI(handler, None, **websocket),
        }
        self.hooks = Hooks(self.socketio, local_class=local_class, **websocket) if setup.instrumented else None
        bound(server, log)
        self.socketio.on_event(PING_EVENT, acknowledge)
        self.app.wsgi_app = OwnPagesOnly(self.app.wsgi_app, Names(setup.host, setup.names))  # type: ignore[method-assign]
        self.close = setup.register(self.socketio)

    def prepare(self) -> dict[str, Any]:
        """Change what has to change before the hooks are placed.

        Returns:
            Arguments of ``simple_websocket.Server``; and ``local_class``, for :class:`~labkit.server.hooks.Hooks`.
        """
        return {}
