"""Only requests that name this machine are let in: a page that has its own name point here (DNS rebinding) is not.

Engine.IO lets in an origin that equals the ``Host`` header. A page of ``evil.example`` whose name leads to 127.0.0.1
sends ``evil.example`` in both. A browser always sends the name that it was asked for, so it is enough to look at that
one. It is looked at once for each HTTP request: a websocket is one request.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

#: What a reader types for this machine; ``Host`` has an IPv6 address in brackets.
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

#: An address that stands for all of a machine's: who listens there has chosen to be reached by any name.
_ANY_ADDRESS = ("", "0.0.0.0", "::")

REFUSED = b"This server answers to 127.0.0.1 and localhost only: open it by that name, or through Jupyter's proxy.\n"


class Names:
    """The names by which a server may be asked for.

    Args:
        address: where it listens.
        also: further names, such as a proxy's host; ``*`` lets in any.
    """

    def __init__(self, address: str, also: Iterable[str] = ()) -> None:
        self.any = address in _ANY_ADDRESS or "*" in also
        names = {*LOOPBACK, f"[{address}]" if ":" in address else address, *also}
        self._own = re.compile(rf"(?:{'|'.join(map(re.escape, names))})(?::\d{{1,5}})?", re.IGNORECASE)

    def take(self, host: str) -> bool:
        """Whether a ``Host`` header, with a port or without one, is among them."""
        return self.any or self._own.fullmatch(host) is not None


class OwnHostOnly:
    """A WSGI application, for requests that name this machine; all others are told so.

    It also refuses a body of negative length, which Werkzeug passes on, and which python-engineio reads to its end.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], names: Names) -> None:
        self.app = app
        self.names = names

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, or refuse."""
        if not self.names.take(environ.get("HTTP_HOST", "")):
            start_response("403 FORBIDDEN", [("Content-Type", "text/plain"), ("Connection", "close")])
            return [REFUSED]
        if not (environ.get("CONTENT_LENGTH") or "0").isdecimal():
            start_response("400 BAD REQUEST", [("Content-Type", "text/plain"), ("Connection", "close")])
            return [b"Content-Length must be a number: send the length of the body.\n"]
        return self.app(environ, start_response)


class OwnHostOnlyAsync:
    """The same for an ASGI application."""

    def __init__(self, app: Callable[..., Awaitable[None]], names: Names) -> None:
        self.app = app
        self.names = names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or refuse."""
        if scope["type"] in ("http", "websocket"):
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or not self.names.take(hosts[0]):
                await _refuse(scope["type"], send)
                return
        await self.app(scope, receive, send)


async def _refuse(kind: str, send: Any) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close"})  # before it is accepted: uvicorn answers 403
        return
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": REFUSED})
