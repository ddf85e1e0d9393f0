"""A network between clients and a server of this machine: a relay in a process of its own, which needs no rights.

It changes nothing of the machine's own network, so it works wherever labkit does. Each connection is relayed as
:mod:`labkit.scale.delay_line` says. Its process ends with its parent, however that ends.
"""

import contextlib
import weakref
from collections.abc import Iterator
from html import escape
from typing import Any, Self

from labkit.base.errors import LabError, ServerError, UsageError
from labkit.base.processes import OrderedProcess
from labkit.plan import address
from labkit.plan.address import Address
from labkit.plan.link import Link

#: How long the relay may take until it listens, in seconds.
START_S = 10.0


class _RelayProcess(OrderedProcess):
    """The relay, as its parent sees it."""

    def __init__(self) -> None:
        super().__init__("from labkit.scale.network_worker import main; main()", own_group=True)

    def ended(self, last_words: str) -> LabError:
        """What to raise where it has ended."""
        return ServerError(f"the network's process has ended ({last_words}): begin it again")


class Network:
    """A network that runs: ``with lab.network(server.url, delay_ms=40) as net: lab.fire(net.url, plan)``.

    It ends with :meth:`stop`, with its ``with`` block, when nobody refers to it any more, and with the process. What is
    under way then is lost.

    Attributes:
        link: its delay, jitter and loss.
        address: of the server behind it.
        url: where clients connect, since it was started.
    """

    def __init__(self, address: Address, link: Link) -> None:
        self.address, self.link = address, link
        self._process = _RelayProcess()
        weakref.finalize(self, self._process.kill)
        self.url = ""

    def start(self) -> Self:
        """Listen, also again after :meth:`stop`; then at another port.

        Raises:
            ServerError: it did not start.
        """
        if self.is_running:
            return self
        host = self.address.host
        try:
            with self._process.time_limit(START_S, ServerError("the network did not start: try it again")):
                port: int = self._process.order("relay", self.link, host, self.address.port)
        except BaseException:
            self._process.kill()
            raise
        # The name that a certificate is for stays the same, and so does what the server is told it is called.
        scheme = self.address.url.partition("://")[0]
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        _running[self.url] = self
        return self

    @property
    def is_running(self) -> bool:
        """Whether it can be connected to."""
        return self._process.pid is not None

    @property
    def pid(self) -> int | None:
        """Of the relay, while it runs."""
        return self._process.pid

    def stop(self) -> None:
        """End it, and every connection over it. Twice does no harm."""
        _running.pop(self.url, None)
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = f"at {self.url}" if self.is_running else "stopped"
        return f"<Network {where} to {self.address.url}: {self.link}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self).strip('<>'))}</p>"


#: By its URL: who fires at one knows which server is behind it.
_running: "weakref.WeakValueDictionary[str, Network]" = weakref.WeakValueDictionary()


def network(server: Any, *, delay_ms: float = 0.0, jitter_ms: float = 0.0, loss: float = 0.0, seed: int = 0) -> Network:
    """Put a network between clients and a server of this machine: delay, jitter and loss as TCP shows them.

    Every client that connects to its `url` has a connection of its own over it. A round trip takes twice the delay; a
    new connection one round trip more. A lost segment comes when it is sent again, at least 200 ms and a round trip
    later, and all behind it waits. Bandwidth is not limited; 256 kB are under way in each direction at most.

    Args:
        server: its URL, or what :func:`labkit.serve` returned.
        delay_ms: how long a segment is under way, one way.
        jitter_ms: by how much that varies to either side, evenly distributed; no more than the delay.
        loss: the share of segments that are lost, up to 0.5.
        seed: of jitter and loss. How bytes are cut into segments depends on when they were written, so the same seed
            is not quite the same network twice.

    Raises:
        UsageError: it makes no sense, or the server is on another machine.
        ServerError: it did not start.
    """
    url = server if isinstance(server, str) else getattr(server, "url", None)
    if not isinstance(url, str):
        raise UsageError(f"a network leads to a URL, or to what lab.serve(...) returns, not to {server!r:.60}")
    return _to(address.parsed(url), Link(delay_ms, jitter_ms, loss, seed))


def _to(server: Address, link: Link) -> Network:
    require_loopback(server)
    return Network(server, link).start()


def require_loopback(server: Address) -> None:
    """Raise `UsageError` where the server is on another machine."""
    if not address.is_loopback(server):
        raise UsageError(
            f"{server.host} is not this machine, and a network of its own lies between already: leave this one out"
        )


def running(url: str) -> Network | None:
    """The network of this process that clients of this URL connect to; None where there is none."""
    return _running.get(url)


@contextlib.contextmanager
def between(server: Address, link: Link | None) -> Iterator[str]:
    """Where clients connect who are to have this link between: at the server itself where there is none.

    Raises:
        As :func:`network`.
    """
    if link is None:
        yield server.url
        return
    with _to(server, link) as net:
        yield net.url
