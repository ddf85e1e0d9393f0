"""Flask-SocketIO under gevent's pywsgi, in the process that was started for it.

The websocket is simple-websocket's, so that its inbox can be stamped. Flask-SocketIO takes the same one where
gevent-websocket is not installed. Where it is installed, it is left aside: it needs another handler than pywsgi's.
"""

import socket
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.local
import gevent.selectors
from engineio.async_drivers.gevent import Thread
from gevent import pywsgi

from labkit.server.hosts.flask_threading import ThreadingHost


class GeventHost(ThreadingHost):
    """A server whose every connection and handler is a greenlet of one thread."""

    async_mode = "gevent"

    def prepare(self) -> dict[str, Any]:
        """Give simple-websocket what engine.io's own driver for gevent gives it."""
        classes = {
            "thread_class": Thread,
            "event_class": gevent.event.Event,
            "selector_class": gevent.selectors.DefaultSelector,
        }
        self._hub = gevent.get_hub()
        self._stop = self._hub.loop.async_()
        return {"local_class": gevent.local.local, **classes}

    def serve(self, ready: Callable[[int], object]) -> None:
        """Serve until :meth:`stop`."""

        class TunedHandler(pywsgi.WSGIHandler):  # type: ignore[misc]
            def __init__(self, sock: Any, address: Any, server: Any, **rest: Any) -> None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                super().__init__(sock, address, server, **rest)

        handler = pywsgi.WSGIHandler if self.setup.stock else TunedHandler
        server = pywsgi.WSGIServer((self.setup.host, self.setup.port), self.app, log=None, handler_class=handler)
        server.start()
        ready(server.server_port)
        self._hub.wait(self._stop)
        server.stop(timeout=0)

    def stop(self) -> None:
        """From another thread: this is the one way to wake the hub that a foreign thread may use."""
        self._stop.send()
