"""Only what a page of this machine asks for is let in, and what is no browser's.

Engine.IO lets in an origin that equals the ``Host`` header, and a request that names none. Two ways lead past that:

- A page of ``evil.example`` whose name leads to 127.0.0.1 (DNS rebinding) sends ``evil.example`` in both. A browser
  always sends the name that it was asked for, so it is enough to look at that one.
- A browser names no origin with an image, or with a GET whose answer is hidden from the page: a stranger's page could
  open sessions without end. Browsers say of those that they are of another site (``Sec-Fetch-Site``).

It is looked at once for each HTTP request: a websocket is one request.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

#: What a reader types for this machine; ``Host`` has an IPv6 address in brackets.
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

#: An address that stands for all of a machine's: who listens there has chosen to be reached by any name.
_ANY_ADDRESS = ("", "0.0.0.0", "::")

WRONG_NAME = b"This server answers to 127.0.0.1 and localhost only: open it by that name, or through Jupyter's proxy.\n"
WRONG_SITE = b"This server answers pages of its own only: open it by itself.\n"
WRONG_LENGTH = b"Content-Length must be a number: send the length of the body.\n"


class Names:
    """The names by which a server may be asked for.

    Args:
        address: where it listens.
        also: further names, such as a proxy's host; ``*`` lets in any.
    """

    def __init__(self, address: str, also: Iterable[str] = ()) -> None:
        self.any = address in _ANY_ADDRESS or "*" in also
        names = {*LOOPBACK, f"[{address}]" if ":" in address else address, *also}
        self._own = re.compile(rf"(?:{'|'.join(map(re.escape, names))})(?::[0-9]{{1,5}})?", re.IGNORECASE)

    def take(self, host: str) -> bool:
        """Whether a ``Host`` header, with a port or without one, is among them."""
        return self.any or self._own.fullmatch(host) is not None


def is_of_another_site(origin: str, site: str, mode: str, query: str) -> bool:
    """Whether a stranger's page asks for it without naming its origin; one that names it is Engine.IO's to judge.

    A link to the page, or a frame around it, is no such thing, but for one that leads to Engine.IO itself.

    Args:
        origin: the header ``Origin``.
        site, mode: the headers ``Sec-Fetch-Site`` and ``Sec-Fetch-Mode``; empty where they are absent.
        query: of the address.
    """
    return not origin and site in ("cross-site", "same-site") and (mode != "navigate" or "EIO=" in query)


class OwnPagesOnly:
    """A WSGI application, for requests that are let in; the others are told why not.

    It also refuses a body of negative length, which Werkzeug passes on, and which python-engineio reads to its end.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], names: Names) -> None:
        self.app = app
        self.names = names

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, or refuse."""
        why, status = b"", "403 FORBIDDEN"
        if not self.names.take(environ.get("HTTP_HOST", "")):
            why = WRONG_NAME
        elif is_of_another_site(
            environ.get("HTTP_ORIGIN", ""),
            environ.get("HTTP_SEC_FETCH_SITE", ""),
            environ.get("HTTP_SEC_FETCH_MODE", ""),
            environ.get("QUERY_STRING", ""),
        ):
            why = WRONG_SITE
        elif not (environ.get("CONTENT_LENGTH") or "0").isdecimal():
            why, status = WRONG_LENGTH, "400 BAD REQUEST"
        if not why:
            return self.app(environ, start_response)
        start_response(status, [("Content-Type", "text/plain"), ("Connection", "close")])
        return [why]


class OwnPagesOnlyAsync:
    """The same for an ASGI application."""

    def __init__(self, app: Callable[..., Awaitable[None]], names: Names) -> None:
        self.app = app
        self.names = names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or refuse."""
        why = self._refused(scope) if scope["type"] in ("http", "websocket") else b""
        if not why:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # before it is accepted: uvicorn answers 403
        else:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": why})

    def _refused(self, scope: Any) -> bytes:
        """The reason; empty for none."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self.names.take(hosts[0].decode("latin-1")):
            return WRONG_NAME
        told = {name: value.decode("latin-1") for name, value in scope["headers"]}
        query = scope.get("query_string", b"").decode("latin-1")
        site, mode = told.get(b"sec-fetch-site", ""), told.get(b"sec-fetch-mode", "")
        return WRONG_SITE if is_of_another_site(told.get(b"origin", ""), site, mode, query) else b""
