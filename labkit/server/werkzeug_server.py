"""Werkzeug's threaded server, whose connections can all be ended, and which keeps errors instead of printing them."""

import contextlib
import socket
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


class TrackingServer(ThreadedWSGIServer):
    """A server that knows its connections and their threads.

    Args:
        listening: a socket that listens; it is taken over.
        app: what is served.
        threads: makes the thread of each connection.
        log: where errors go.
        stock: leave Werkzeug's defaults as they are; else as :data:`TUNED`.
    """

    def __init__(self, listening: socket.socket, app: Flask, threads: Threads, log: list[str], stock: bool) -> None:
        self._known = threads  # not _threads, which socketserver has
        self._log = log
        self._open: set[socket.socket] = set()
        host, port = listening.getsockname()[:2]
        handler = type("_Handler", (_StockHandler if stock else _TunedHandler,), {"server_log": log})
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
        """Of a request that failed outside of the app, as where no thread can be started any more."""
        self._log.append(message % args if args else message)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self._log.append(traceback.format_exc())

    def hang_up(self) -> None:
        """Break every connection that is left, so that no thread waits in a read or a write."""
        for request in list(self._open):
            _shut(request)


class _StockHandler(WSGIRequestHandler):
    """Werkzeug's own, but it keeps errors instead of printing them."""

    server_log: list[str]

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


def _shut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
