"""Whose server is fired at: one of this machine, unless somebody says that another one is theirs.

A load test of a server that is somebody else's is an attack. So the default is loopback, whatever a name resolves to.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from labkit.base.clock import NS_PER_S
from labkit.base.errors import UsageError
from labkit.plan.schedules import Schedule

#: At a server of another machine, at most so many events fall into any second, from so many clients.
MOST_ELSEWHERE_HZ, MOST_CLIENTS_ELSEWHERE = 100, 100

#: Where a server listens that says so, and nobody connects.
_EVERYWHERE = ("0.0.0.0", "::")

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


@dataclass(frozen=True)
class Address:
    """Where a server listens, as a URL says it.

    Attributes:
        url: ``http://HOST:PORT`` or ``https://HOST:PORT``, without a path.
        host, port: of it.
        query: what the URL itself asks for, name and value each.
    """

    url: str
    host: str
    port: int
    query: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """``127.0.0.1:5000``, as a row of a table calls it."""
        return self.url.partition("://")[2]


def parsed(url: str) -> Address:
    """The address that a URL names.

    Raises:
        UsageError: it names none.
    """
    if not isinstance(url, str):
        raise UsageError(f"fire at what lab.serve(...) returns or at a URL such as http://127.0.0.1:5000, not {url!r}")
    told = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(told)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL ({error}): write http://127.0.0.1:5000") from None
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not host:
        raise UsageError(f"{url!r} is no URL of a Socket.IO server: write http://127.0.0.1:5000")
    if host in _EVERYWHERE:
        raise UsageError(f"{host} means every address of a machine, and none to connect to: write 127.0.0.1")
    if parts.username is not None:
        raise UsageError("a URL with a password in it ends up in records: give auth or a header instead")
    if parts.path.strip("/"):
        raise UsageError(
            f"{url!r} has a path: give the server's address alone, a namespace as namespace (--namespace), and where "
            "Socket.IO is served elsewhere than at /socket.io, that as path (--path)"
        )
    port = port or (443 if scheme == "https" else 80)
    shown = f"[{host}]" if ":" in host else host
    return Address(f"{scheme}://{shown}:{port}", host, port, tuple(parse_qsl(parts.query, keep_blank_values=True)))


def require_own(address: Address, plan: Schedule, clients: int, *, is_mine: bool = False) -> None:
    """Raise `UsageError` where the server is on another machine, and nobody says that it is theirs or it is too much.

    Args:
        address: of the server.
        plan: what is to be fired.
        clients: connections of all kinds.
        is_mine: somebody says that the server is theirs.
    """
    if is_loopback(address):
        return
    if not is_mine:
        raise UsageError(
            f"{address.host} is not this machine (127.0.0.1, localhost), and load on somebody else's server is an "
            "attack: if it is yours, say so (--i-own-this-server, i_own_this_server=True); then at most "
            f"{MOST_ELSEWHERE_HZ} events a second from {MOST_CLIENTS_ELSEWHERE} clients are sent"
        )
    if (busiest := busiest_second(plan)) > MOST_ELSEWHERE_HZ or clients > MOST_CLIENTS_ELSEWHERE:
        raise UsageError(
            f"{busiest:,} events in one second from {clients:,} clients are too much for another machine: at most "
            f"{MOST_ELSEWHERE_HZ} events in any second and {MOST_CLIENTS_ELSEWHERE} clients, so lower the rate or fire "
            "from that machine itself"
        )


def is_loopback(address: Address) -> bool:
    """Whether every address that the host's name stands for is this machine's loopback.

    Raises:
        UsageError: it stands for none.
    """
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{address.host} is no host that this machine knows ({error}): check the name") from None
    return all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in found)


def busiest_second(plan: Schedule) -> int:
    """The most events of a plan that are due within one second."""
    after = np.searchsorted(plan.intended_ns, plan.intended_ns + NS_PER_S, side="left")
    return int((after - np.arange(len(plan))).max())
