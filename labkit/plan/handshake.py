"""How a client introduces itself to a server that is not the lab's: address, query, headers, cookies, auth, TLS."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from labkit.base.errors import UsageError
from labkit.plan import wire
from labkit.plan.payloads import filled

#: Where Socket.IO is served by default.
PATH = "/socket.io"

#: What a client's own library writes; another value would break the handshake.
_NOT_YOURS = frozenset(("host", "connection", "upgrade", "content-length", "cookie"))


@dataclass(frozen=True)
class Handshake:
    """What each client says when it connects; ``{client}`` in a text is its number. Nothing of it gets into a record.

    Attributes:
        path: where Socket.IO is served.
        query: further parameters of the address.
        headers, cookies: of the HTTP request.
        auth: what the ``auth`` of a Socket.IO client carries, most often a dictionary; None for none.
        ca_file: certificates that are trusted beside the system's, a file in PEM; empty for none.
    """

    path: str = PATH
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Any = field(default=None, repr=False)
    ca_file: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path.startswith("/"):
            raise UsageError(f"path is where Socket.IO is served, such as {PATH}, not {self.path!r}")
        for name in ("query", "headers", "cookies"):
            given = getattr(self, name)
            if not isinstance(given, Mapping) or not all(
                isinstance(text, str) for pair in given.items() for text in pair
            ):
                raise UsageError(f"{name} are names and values, each a text: give a dictionary of strings")
        for name, value in (*self.headers.items(), *self.cookies.items()):
            if not name or set(name + value) & set("\r\n\0"):
                raise UsageError(f"the header or cookie {name!r} has a line break in it, or no name: mend that")
        if bad := [name for name in self.headers if name.lower() in _NOT_YOURS]:
            raise UsageError(f"the header {bad[0]} is the client's own to write: leave it out (cookies are cookies=)")
        try:
            wire.require(self.auth, allow_nan=False)
            json.dumps(self.auth)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"auth cannot be sent as JSON ({error}): give dicts, lists, strings, numbers") from None
        if self.ca_file:
            self._trusted()

    def address(self, url: str, transport: str, client: int) -> str:
        """Of the request that one client begins with; `url` has http or ws, and no path."""
        query = {"EIO": "4", "transport": transport, **filled(dict(self.query), {"client": client})}
        return f"{url.rstrip('/')}{self.path.rstrip('/')}/?{urlencode(query)}"

    def headers_of(self, client: int) -> list[tuple[str, str]]:
        """The HTTP headers of one client, its cookies among them."""
        numbers = {"client": client}
        told = [(name, str(filled(value, numbers))) for name, value in self.headers.items()]
        cookies = "; ".join(f"{name}={filled(value, numbers)}" for name, value in self.cookies.items())
        return [*told, ("Cookie", cookies)] if cookies else told

    def auth_of(self, client: int) -> bytes:
        """What stands behind a client's CONNECT."""
        return b"" if self.auth is None else json.dumps(filled(self.auth, {"client": client})).encode()

    def context(self) -> ssl.SSLContext:
        """Whom it trusts: the system's certificates, and those of the file."""
        return self._trusted()

    def _trusted(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_file:
            try:
                context.load_verify_locations(Path(self.ca_file))
            except (OSError, ssl.SSLError) as error:
                raise UsageError(
                    f"{self.ca_file} is no file of certificates ({error}): give one in PEM, as --ca has it"
                ) from None
        return context


#: Of a client that says nothing of itself.
PLAIN = Handshake()
