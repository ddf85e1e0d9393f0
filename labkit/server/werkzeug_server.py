"""Werkzeug's threaded server, whose connections can all be ended, and which keeps errors instead of printing them."""

import contextlib
import os
import socket
import struct
import traceback
from typing import Any

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from labkit.server.threads import Threads

#: What differs from a stock server, for people to read; recorded with every run.
TUNED = {
    "Nagle's algorithm": "off (Werkzeug's default: on)",
    "connection after its websocket": "closed (Werkzeug's default: read as HTTP)",
}


#: How long a client may keep a thread waiting for a request, or for the rest of one.
IDLE_S = 30.0


class TrackingServer(ThreadedWSGIServer):
    """A server that knows its connections and their threads.

    Args:
        listening: a socket that listens; it is taken over.
        app: what is served.
        threads: makes the thread of each connection.
        log: where errors go.
        stock: leave Werkzeug's defaults as they are; else as :data:`TUNED`.
        silent_s: how long a websocket's client may send nothing, or not read.
    """

    def __init__(
        self, listening: socket.socket, app: Flask, threads: Threads, log: list[str], stock: bool, silent_s: float
    ) -> None:
        self._known = threads  # not _threads, which socketserver has
        self._log = log
        self._open: set[socket.socket] = set()
        host, port = listening.getsockname()[:2]
        given = {"server_log": log, "silent_s": silent_s}
        handler = type("_Handler", (_StockHandler if stock else _TunedHandler,), given)
        super().__init__(host, port, app, handler, fd=listening.fileno())  # which it duplicates
        listening.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self._known.make(target=self.process_request_thread, args=(request, client_address)).start()

    def shutdown_request(self, request: Any) -> None:
        # simple-websocket's thread may wait in a read of this socket: closing alone would not wake it.
        _shut(request)
        super().shutdown_request(request)
        self._open.discard(request)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (Werkzeug's)
        """What the server itself says, such as of a request whose answer failed."""
        self._log.append(message % args if args else message)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self._log.append(traceback.format_exc())

    def hang_up(self) -> None:
        """Break every connection that is left, so that no thread waits in a read or a write."""
        for request in list(self._open):
            _shut(request)


class _StockHandler(WSGIRequestHandler):
    """Werkzeug's own, but it keeps errors instead of printing them, and does not wait for ever for a client."""

    server_log: list[str]
    silent_s: float
    timeout = IDLE_S

    def make_environ(self) -> dict[str, Any]:
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.connection.settimeout(None)
            _limit_silence(self.connection, self.silent_s)
        return super().make_environ()

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (Werkzeug's)
        if type != "info":
            self.server_log.append(message % args if args else message)


class _TunedHandler(_StockHandler):
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        super().handle_one_request()
        headers = getattr(self, "headers", None)
        if headers is not None and headers.get("Upgrade", "").lower() == "websocket":
            self.close_connection = True


def _limit_silence(connection: socket.socket, seconds: float) -> None:
    """Let a read or a write fail after so long. Set on the socket: with a Python timeout each would cost a poll."""
    if os.name == "nt":
        value: int | bytes = round(seconds * 1000)
    else:
        value = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, value)


def _shut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
