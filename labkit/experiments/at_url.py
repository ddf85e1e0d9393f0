"""Fire at a Socket.IO server that is not the lab's: a reader's app, as it runs.

Clients, loop and books are those of the lab's own runs. What only the server could tell (its stages, what an event
costs alone) is not known here, and never 0. Where ``labkit run`` or :func:`labkit.instrument` is attached to the
server, its record has those: read ``labkit report``.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from labkit.base import clock
from labkit.base.errors import UsageError
from labkit.base.renamed import refuse_unknown
from labkit.client.firing import Job
from labkit.client.generator import require_sockets
from labkit.client.matching import by_field, fields
from labkit.experiments.aim import CONNECT_S, Aim
from labkit.experiments.settings import (
    PING_HZ,
    FireSettings,
    UrlSettings,
    ping_instants_ns,
    require_descriptors,
    require_known,
    require_memory,
)
from labkit.plan import address, payloads, scenario
from labkit.plan.exchange import BY_ACK, BY_EVENT, BY_NOTHING, BY_NUMBER, BY_ORDER, MESSAGE, ROOT, Exchange
from labkit.plan.handshake import PATH, Handshake
from labkit.plan.link import Link
from labkit.plan.replay import Replay
from labkit.plan.schedules import Schedule
from labkit.plan.visit import Visit
from labkit.runs.conditions import HEARTBEAT, NO_BYSTANDER
from labkit.scale import network as networks

#: The bystander's rate where it sends an event of the app, whose handler costs something; :data:`PING_HZ` else.
EVENT_HZ = 10.0

#: The bystander goes on so long after the last event is due, where nobody says: nobody knows how long events take.
AFTER_S = 1.0

#: An event has timed out so long after its intended start, where nobody says.
TIMEOUT_S = 10.0

#: Events before the plan, where nobody says: each does something in the reader's app.
WARM_UP = 1

#: What `response` says besides the name of an event.
ACK, NONE = "ack", "none"

#: How `response` names an event that is called like one of the words: ``event:ack``.
_EVENT = "event:"


def aimed(url: str, plan: Schedule, settings: UrlSettings, firing: FireSettings) -> Aim:
    """What :meth:`Aim.fire` does, checked: nothing is started or connected here.

    Args:
        url: of the server.
        plan: what is sent when, and by how many clients.
        settings: see :class:`labkit.experiments.settings.UrlSettings`.
        firing: what of :class:`labkit.experiments.settings.FireSettings` can be said of such a server.

    Raises:
        UsageError: the request makes no sense, or it is another machine's server.
    """
    return _Request(url, plan, settings, firing).aim()


#: Of the settings of a firing at the lab's own server: what cannot be asked of another.
_OWN = ("answer_event", "answer", "expected", "acknowledge", "reads_from_s")


class _Request:
    """The settings of one firing at a URL, on their way to an :class:`Aim`."""

    def __init__(self, url: str, plan: Schedule, settings: UrlSettings, firing: FireSettings) -> None:
        refuse_unknown(settings, UrlSettings.__annotations__)
        refuse_unknown(firing, FireSettings.__annotations__)
        for name in _OWN:
            if name in firing:
                raise UsageError(f"{name} is of the lab's own servers: of a URL, say what answers with response=")
        if not isinstance(plan, Schedule):
            raise UsageError(f"a plan is a lab.constant(...), lab.burst(...) or the like, not {plan!r:.80}")
        self.plan, self.settings, self.firing = plan, settings, firing
        self.replay = plan if isinstance(plan, Replay) else None
        if self.replay is not None:
            self._refuse_beside_replay()
        self.link = Link.of(firing.get("network"))
        self.way = networks.running(url) if isinstance(url, str) else None
        if self.way is None:
            self.address = address.parsed(url)
        elif self.link is not None:
            raise UsageError(f"at {url} there is a network already: leave out network, or give the server's own URL")
        else:
            self.address, self.link = self.way.address, self.way.link

    def _refuse_beside_replay(self) -> None:
        """Raise where something is said that the recording says."""
        for name, usual in (("event", MESSAGE), ("namespace", ROOT), ("warm_up", 0), ("bystander_namespace", None)):
            if {**self.settings, **self.firing}.get(name) not in (None, usual):
                raise UsageError(f"a replay sends what was recorded and nothing else: leave out {name}")
        if not {"payload", "payloads"}.isdisjoint(self.settings):
            raise UsageError("a replay sends what was recorded and nothing else: leave out payload and payloads")

    def aim(self) -> Aim:
        """Everything settled."""
        exchange, hz = self.exchange, self._ping_hz
        require_memory(self.plan, exchange)  # before what they carry is made
        window_s = self.firing.get("window_s")
        window_s = self.plan.span_s + AFTER_S if window_s is None else window_s
        require_known({**self.firing, "ping_hz": hz, "window_s": window_s})
        every = self._every(exchange)
        self._require_field(exchange, every)
        timeout_s = self.firing.get("timeout_s")
        job = Job(
            intended_ns=self.plan.intended_ns,
            connection=self.plan.connection,
            payloads=every[: len(self.plan)],
            expected=None,
            ping_ns=ping_instants_ns(hz, window_s),
            ping_event="" if self.bystander in (HEARTBEAT, NO_BYSTANDER) else self.bystander,
            ping_arguments=tuple(payloads.arguments(self.settings.get("bystander_payload", payloads.NOTHING))),
            timeout_ns=round((TIMEOUT_S if timeout_s is None else timeout_s) * clock.NS_PER_S),
            exchange=exchange,
            names=() if self.replay is None else self.replay.names,
            asks=() if self.replay is None else self.replay.asks,
        )
        found = Aim(
            self.address,
            self.plan if self.replay is None else self.replay.schedule,
            exchange,
            self._visit,
            job,
            tuple(every[len(self.plan) :]),
            self.bystander,
            hz,
            window_s,
            _positive("connect_s", self.settings.get("connect_s", CONNECT_S)),
            self.firing.get("client"),
            self.link,
            "" if self.way is None else self.way.url,
        )
        self._require_possible(found)
        return found

    def _every(self, exchange: Exchange) -> list[Any]:
        """What the events of the plan carry, then what those of the warm-up do."""
        if self.replay is not None:
            return list(self.replay.payloads)
        asked = self.firing.get("warm_up")
        usual = WARM_UP if exchange.answer != BY_NOTHING else 0  # nobody would know when it is over
        return payloads.for_plan(self.plan, self._values, usual if asked is None else asked)

    @cached_property
    def exchange(self) -> Exchange:
        """How events are asked and answered."""
        asked, response = self.firing, self.settings.get("response", ACK)
        match = self.settings.get("match")
        if response is not None and (not isinstance(response, str) or not response):
            raise UsageError(f"response is 'ack', the name of an event, or 'none', not {response!r}")
        by = {ACK: (BY_ACK, BY_NUMBER), NONE: (BY_NOTHING, BY_NOTHING), None: (BY_NOTHING, BY_NOTHING)}
        answer, how = by.get(response, (BY_EVENT, match or BY_ORDER))
        if match is not None and answer != BY_EVENT:
            raise UsageError("match is how an answering event is matched with its event: give response=EVENT beside it")
        named = {"answer_event": str(response).removeprefix(_EVENT)} if answer == BY_EVENT else {}
        space, event = asked.get("namespace", ROOT), asked.get("event", MESSAGE)
        if self.replay is not None:
            space, event = self.replay.namespaces[0], ", ".join(self.replay.kinds)
            if asked.get("fan_out") and len(set(self.replay.namespaces)) > 1:
                raise UsageError("this replay has several namespaces, and nobody is in all of them: leave out fan_out")
        exchange = Exchange(
            event=event,
            namespace=space,
            answer=answer,
            transport=asked.get("transport", "websocket"),
            fan_out=asked.get("fan_out", False),
            listeners=asked.get("listeners", 0),
            match=how,
            bystander_namespace=self.settings.get("bystander_namespace", space),
            **named,
        )
        if exchange.fan_out and (how == BY_NOTHING or (how == BY_ORDER and self.plan.connections > 1)):
            raise UsageError(
                "answers that are meant for everybody are told apart by a field of theirs: give match=FIELD, one that "
                "the event carries and its answer too, or let one client send (connections=1, --clients 1)"
            )
        return exchange

    @cached_property
    def bystander(self) -> str:
        """The event that it sends, or what it does instead."""
        told = self.settings.get("bystander", HEARTBEAT)
        if told is None or self.firing.get("ping_hz") == 0:
            return NO_BYSTANDER
        if not isinstance(told, str) or not told:
            raise UsageError(f"bystander is the name of an event, {HEARTBEAT!r} or {NO_BYSTANDER!r}, not {told!r}")
        return told

    @property
    def _ping_hz(self) -> float:
        if self.bystander == NO_BYSTANDER:
            return 0.0
        asked = self.firing.get("ping_hz")
        return asked if asked is not None else PING_HZ if self.bystander == HEARTBEAT else EVENT_HZ

    @property
    def _values(self) -> Any:
        given = self.settings
        return payloads.chosen(given.get("payload", payloads.NOTHING), given.get("payloads"))

    @property
    def _visit(self) -> Visit:
        given = self.settings
        query = {**dict(self.address.query), **given.get("query", {})}
        handshake = Handshake(
            given.get("path", PATH),
            query,
            given.get("headers", {}),
            given.get("cookies", {}),
            given.get("auth"),
            given.get("ca_file", ""),
        )
        ramp_s = given.get("ramp_s", 0.0)
        if not 0 <= ramp_s < 1e5:
            raise UsageError(f"ramp_s is the time within which clients come, 0 s or more, not {ramp_s!r}")
        connect_s = _positive("connect_s", given.get("connect_s", CONNECT_S))
        spaces = () if self.replay is None else self.replay.namespaces
        return Visit(handshake, ramp_s, scenario.of(given.get("scenario")), connect_s, namespaces=spaces)

    def _require_field(self, exchange: Exchange, every: Sequence[Any]) -> None:
        """Raise where answers are matched by a field that events don't carry, or that is the same in several."""
        if exchange.answer != BY_EVENT or exchange.match in (BY_ORDER, BY_NOTHING):
            return
        sent, _ = fields(exchange.match)
        found = by_field(every, sent)
        if len(found) < len(every):
            raise UsageError(
                f"answers are matched by the field {sent!r}, and {len(every) - len(found)} of {len(every)} events have "
                f'none of their own: put {{"{sent}": "{{counter}}"}} into what they carry, or match by order'
            )

    def _require_possible(self, aim: Aim) -> None:
        """Raise where it is another machine's server, or more than this machine or one client process takes."""
        is_mine = self.settings.get("i_own_this_server", False)
        address.require_own(self.address, self.plan, aim.clients, is_mine=is_mine)
        if aim.link is not None:
            networks.require_loopback(self.address)
        require_descriptors(self.plan, aim.exchange)
        if aim.client is None:
            others = aim.clients - self.plan.connections
            require_sockets(self.plan.connections * aim.exchange.sockets + others)


def _positive(name: str, seconds: Any) -> float:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < 1e5:
        raise UsageError(f"{name} is a time above 0 s, not {seconds!r}")
    return float(seconds)
