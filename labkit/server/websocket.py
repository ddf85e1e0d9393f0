"""simple-websocket's server, whose receive loop always learns that its reader has ended.

Its reader thread ends without a word where it raises what it does not expect, and it may lose the word where a message
is too big: it wakes the receive loop before it says that the connection has ended. Either way the loop would wait for
ever, with the connection's threads.
"""

from typing import Any

import simple_websocket
from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI


class Websocket(simple_websocket.Server):  # type: ignore[misc]
    """One websocket."""

    def _thread(self) -> None:
        try:
            super()._thread()
        finally:
            self.connected = False
            self.event.set()


class WebsocketOfWSGI(SimpleWebSocketWSGI):  # type: ignore[misc]
    """As engine.io's own, but for the class of the websocket."""

    server_class: type[simple_websocket.Server] = Websocket

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Be the request's answer for as long as the websocket lasts."""
        self.ws = self.server_class(environ, **self.server_args)
        result = self.app(self)
        if self.ws.mode == "gunicorn":
            raise StopIteration
        if self.ws.mode == "werkzeug":
            raise ConnectionError
        return result
