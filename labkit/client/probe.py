"""Why no client could connect: one look at the server by plain HTTP, as Engine.IO's polling begins."""

import contextlib
import http.client
import json
import re
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from labkit.base.errors import ConnectFailed, Refused
from labkit.base.text import one_line
from labkit.plan.exchange import POLLING
from labkit.plan.handshake import Handshake

#: A server that says nothing for so long says nothing.
TIMEOUT_S = 3.0

#: How much of a body is looked at.
_BYTES = 2_000

_HANDSHAKE, _OLD_HANDSHAKE = re.compile(r'0\{"sid"'), re.compile(r'\d+:0\{"sid"')


@dataclass(frozen=True)
class _Seen:
    """What the server answered: the status, its reason, and how its body begins."""

    status: int
    reason: str
    body: str

    @property
    def said(self) -> str:
        """The body as a part of a sentence; the reason where it has none or is a page."""
        text = self.body.strip()
        with contextlib.suppress(ValueError, RecursionError):
            told = json.loads(text)
            text = str(told.get("message", told) if isinstance(told, dict) else told)
        return one_line(text, 120) if text and not text.startswith("<") else self.reason


def explained(url: str, handshake: Handshake, error: ConnectFailed) -> ConnectFailed:
    """The error, or one that says more: who listens there, and what to do.

    Args:
        url: of the server, as it was connected to.
        handshake: what clients say when they connect.
        error: what a client said that could not connect.
    """
    if isinstance(error, Refused):
        return error
    try:
        seen = _look(url, handshake)
    except ssl.SSLCertVerificationError as refused:
        return ConnectFailed(
            f"the certificate of {url} is not trusted ({refused.verify_message}): give the file that it is signed by "
            "(--ca FILE, ca_file=)"
        )
    except ssl.SSLError as refused:
        return ConnectFailed(f"{url} does not speak TLS ({refused.reason}): write http:// instead of https://")
    except ConnectionRefusedError:
        return ConnectFailed(f"nothing listens at {url}: start the server, or check host and port")
    except TimeoutError:
        return ConnectFailed(f"{url} takes connections and says nothing for {TIMEOUT_S:g} s: see what it is busy with")
    except (OSError, http.client.HTTPException) as refused:
        return ConnectFailed(
            f"what listens at {url} speaks no HTTP ({type(refused).__name__}): check the port, or write https:// if it "
            "speaks TLS"
        )
    return _told(url, handshake.path, seen, error)


def _told(url: str, path: str, seen: _Seen, error: ConnectFailed) -> ConnectFailed:
    where = f"{url}{path}/"
    if _OLD_HANDSHAKE.match(seen.body) or "unsupported version" in seen.body or "Unsupported protocol" in seen.body:
        return ConnectFailed(
            f"the server at {where} speaks another version of Engine.IO than 4 (that of Socket.IO 3 to 5): fire at one "
            "of these, such as python-socketio 5"
        )
    if seen.status == http.client.OK and _HANDSHAKE.match(seen.body):
        return ConnectFailed(
            f"the Socket.IO server at {where} answers polling and lets no websocket in ({one_line(str(error), 160)}): "
            "fire with transport polling and bystander none, or see whether its websocket library is installed"
        )
    if seen.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return Refused(
            f"{where} lets nobody in (HTTP {seen.status}: {seen.said}): give it the headers, cookies or query it wants"
        )
    if seen.status == http.client.BAD_REQUEST and "ransport" in seen.body:
        return error  # of an Engine.IO server that does not poll
    return ConnectFailed(
        f"no Socket.IO server answers at {where} (HTTP {seen.status}: {seen.said}): check the address, and the path "
        "where it is served elsewhere (--path, path=)"
    )


def _look(url: str, handshake: Handshake) -> _Seen:
    """One request, and the end of the session that it may have begun."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=handshake.context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    )
    address = handshake.address("", POLLING, 0)
    headers = dict(handshake.headers_of(0))
    with contextlib.closing(connection):
        connection.request("GET", address, headers=headers)
        response = connection.getresponse()
        seen = _Seen(response.status, response.reason, response.read(_BYTES).decode(errors="replace"))
        if sid := re.search(r'"sid":"([^"]+)"', seen.body):
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.close()  # a new one, since the body may not have been read to its end
                connection.request("POST", f"{address}&sid={sid[1]}", body="1", headers=headers)
                connection.getresponse().read(_BYTES)
        return seen
