"""An app in async_mode `threading`, for a server that somebody else runs: gunicorn's worker, or one of the reader's."""

from flask import Flask
from flask_socketio import SocketIO

from labkit.instrument import Instrument
from labkit.served import PING_EVENT, Setup, acknowledge, list_logger, refused_options


class ThreadingHost:
    """What is served: `app` is the WSGI application."""

    def __init__(self, setup: Setup, log: list[str]) -> None:
        self.setup = setup
        logger = list_logger(log)
        self.app = Flask("labkit")
        try:
            self.socketio = SocketIO(
                self.app, async_mode="threading", logger=logger, engineio_logger=logger, **setup.options
            )
        except Exception as error:
            raise refused_options(error) from error
        self.instrument = Instrument(self.socketio) if setup.instrumented else None
        self.socketio.on_event(PING_EVENT, acknowledge)
        self.close = setup.register(self.socketio)
