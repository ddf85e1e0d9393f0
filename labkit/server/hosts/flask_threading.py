"""A Flask app with the handlers of one strategy, in async_mode ``threading``, for a server that somebody else runs.

For gunicorn's worker, for the lab's own server on a thread, or for a server of the reader's.
"""

from typing import Any

from flask import Flask
from flask_socketio import SocketIO

from labkit.server.contract import PING_EVENT
from labkit.server.hooks import Hooks
from labkit.server.hosts.parts import FLASK_SOCKETIO_OPTIONS, acknowledge, check_options, list_logger, refused_options
from labkit.server.setup import Setup


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
        for_hooks = self.prepare()
        self.hooks = Hooks(self.socketio, **for_hooks) if setup.instrumented else None
        self.socketio.on_event(PING_EVENT, acknowledge)
        self.close = setup.register(self.socketio)

    def prepare(self) -> dict[str, Any]:
        """Change what has to change before the hooks are placed; arguments for :class:`~labkit.server.hooks.Hooks`."""
        return {}
