"""A locustfile that labkit writes: load from several machines by Locust, with a client that is correct for Socket.IO.

The file is to be taken elsewhere, so it imports nothing of labkit's, and labkit never imports Locust: that patches the
standard library of its process.
"""

import functools
import json
import math
import pprint
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from labkit.base.errors import UsageError
from labkit.plan import address, payloads
from labkit.plan.exchange import BY_ACK, BY_EVENT, BY_NUMBER, BY_ORDER, MESSAGE, RESPONSE, ROOT, Exchange
from labkit.plan.handshake import PATH, Handshake

_TEMPLATE = Path(__file__).with_name("locustfile.py.j2")

#: What `response` says where an acknowledgement answers.
ACK = "ack"

#: So many bytes of payloads at most are written into the file.
MOST_BYTES = 4 * 2**20

#: Beyond that, one cluster would need more numbers than a worker gives.
MOST_CLIENTS = 50_000


@functools.cache
def _template() -> jinja2.Template:
    maker = jinja2.Environment(keep_trailing_newline=True, autoescape=False)  # it makes Python, and no markup
    return maker.from_string(_TEMPLATE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class LocustPlan:
    """What a locustfile says: whom to ask for what, how often, and what counts as the answer.

    Attributes:
        url: of the server, on any machine.
        event: that is sent.
        data: what events carry, in turn; a tuple is several arguments. ``{counter}`` and ``{client}`` are numbers.
        response: ``ack``, or the event that answers.
        match: which field of an answering event is that of its event (``id``, or ``ref=order.id``), or ``order``.
        rate_hz: mean events per second of all clients together; each sends at random instants of its own.
        seconds: how long events are due.
        clients: each with a connection of its own.
        timeout_s: an event without an answer for so long is lost.
        connect_s: within which a client is let in.
        namespace, path, headers, auth: of the connections.
        seed: of the random instants.

    Raises:
        UsageError: it makes no sense.
    """

    url: str
    event: str = MESSAGE
    data: Sequence[Any] = ((),)
    response: str = ACK
    match: str = BY_ORDER
    rate_hz: float = 20.0
    seconds: float = 10.0
    clients: int = 10
    timeout_s: float = 10.0
    connect_s: float = 10.0
    namespace: str = ROOT
    path: str = PATH
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Any = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rate_hz", "seconds", "timeout_s", "connect_s"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e6:
                raise UsageError(f"{name} of a locustfile is a number above 0, not {value!r:.40}")
        if type(self.clients) is not int or not 1 <= self.clients <= MOST_CLIENTS:
            raise UsageError(f"a locustfile has 1 to {MOST_CLIENTS:,} clients, not {self.clients!r:.40}")
        if type(self.seed) is not int:
            raise UsageError(f"the seed of a locustfile is a whole number, not {self.seed!r:.40}")
        Handshake(self.path, {}, self.headers, {}, self.auth)
        _ = self.address, self.exchange, self._plan

    @property
    def address(self) -> address.Address:
        """Where the server listens."""
        return address.parsed(self.url)

    @property
    def exchange(self) -> Exchange:
        """How events are asked and answered, as a run's conditions have it."""
        by_ack = self.response == ACK
        return Exchange(
            event=self.event,
            answer_event=RESPONSE if by_ack else self.response,
            namespace=self.namespace,
            answer=BY_ACK if by_ack else BY_EVENT,
            match=BY_NUMBER if by_ack else self.match,
        )

    @property
    def _plan(self) -> dict[str, Any]:
        """What the file calls PLAN: plain values that JSON can carry."""
        every = [payloads.arguments(value) for value in self.data]
        if not every:
            raise UsageError("there is nothing to send: give one payload at least, or leave the data out")
        first, _, second = self.match.partition("=")
        told = {
            "url": self.address.url,
            "path": f"/{self.path.strip('/')}",
            "query": "".join(f"&{quote(name)}={quote(value)}" for name, value in self.address.query),
            "namespace": self.namespace,
            "headers": [f"{name}: {value}" for name, value in self.headers.items()],
            "auth": self.auth,
            "event": self.event,
            "response": self.response,
            "match": None if self.match == BY_ORDER else [first, second or first],
            "rate_hz": self.rate_hz,
            "seconds": self.seconds,
            "clients": self.clients,
            "timeout_s": self.timeout_s,
            "connect_s": self.connect_s,
            "seed": self.seed,
            "data": every,
        }
        try:
            text = json.dumps(told, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"a locustfile carries JSON alone ({error}): give numbers, text, lists, dicts") from None
        if len(text) > MOST_BYTES:
            raise UsageError(
                f"{len(text):,} bytes are too much for a locustfile: give payloads of {MOST_BYTES:,} or less"
            )
        plain: dict[str, Any] = json.loads(text)
        return plain

    @property
    def text(self) -> str:
        """The file. Whatever was typed is a literal in it, and never code."""
        return _template().render(plan=pprint.pformat(self._plan, width=110, sort_dicts=False))

    @property
    def lasts_s(self) -> float:
        """How long a run may take, at most, once everybody is let in."""
        return math.ceil(self.seconds + self.timeout_s + 2)
