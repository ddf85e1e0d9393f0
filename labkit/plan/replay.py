"""A replay: what was recorded of real clients, as a plan: the same events at the same distances in time.

What a recording can't say is the reader's to say: where to (a URL), and how clients introduce themselves. Every client
is connected the whole time, however long its socket lived in the recording. A socket that spoke in two namespaces
becomes two clients, one in each.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base.clock import NS_PER_S
from labkit.base.errors import UsageError
from labkit.base.files import whole
from labkit.base.text import one_line
from labkit.plan import har, recording, wire
from labkit.plan.recording import Recorded
from labkit.plan.redaction import Redactor
from labkit.plan.schedules import Schedule

#: Events and bytes of one replay: a client keeps all of them encoded while it sends.
MOST_EVENTS, MOST_BYTES = 2_000_000, 400_000_000

#: Nobody replays for longer.
LONGEST_S = 1e6

#: A recording tells by its beginning what it is.
_HEAD_BYTES = 4_096


@dataclass(frozen=True, eq=False, repr=False)
class Replay(Schedule):
    """A plan that says of each event what it is, too; made by :func:`replay`.

    Attributes:
        names: of each event its name.
        payloads: of each event its arguments, as a tuple.
        asks: of each event whether an acknowledgement was asked for.
        namespaces: of each client its namespace.
        left_out: what the recording has and a replay does not, counted by kind.
        late: so many sockets were open before the recording began.
        auths: so many clients said something of themselves when they connected, which is not replayed.
        speed, copies: times are divided by the one; each client is there as often as the other says.
    """

    names: tuple[str, ...] = ()
    payloads: tuple[tuple[Any, ...], ...] = field(default=(), repr=False)
    asks: tuple[bool, ...] = ()
    namespaces: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    late: int = 0
    auths: int = 0
    speed: float = 1.0
    copies: int = 1

    def __repr__(self) -> str:
        return f"<Replay of {self.name}: {'; '.join(self.told())}>"

    @property
    def schedule(self) -> Schedule:
        """When and by whom, and nothing of what."""
        return Schedule(self.name, self.intended_ns, self.connection, self.connections, self.seed)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of events, the commonest first."""
        return tuple(name for name, _ in Counter(self.names).most_common())

    def told(self) -> list[str]:
        """What is in it and what is not, a phrase each."""
        events = ", ".join(f"{name!r} {count:,}" for name, count in Counter(self.names).most_common(6))
        more = len(self.kinds) - 6
        events += f" and {more} more names" if more > 0 else ""
        attachments = sum(1 for payload in self.payloads for one in payload for _ in _bytes_in(one))
        clients = f"{self.connections:,} client{'s'[: self.connections > 1]}"
        spaces = sorted(set(self.namespaces))
        asked = sum(self.asks)
        found = [f"{self._events} from {clients}", events, f"{asked:,} ask for an acknowledgement"]
        if attachments:
            found.append(f"{attachments:,} attachment{'s'[: attachments > 1]}")
        if spaces != ["/"]:
            found.append(f"namespaces {', '.join(spaces[:5])}")
        if self.speed != 1:
            found.append(f"{self.speed:g} times as fast as recorded")
        if self.copies != 1:
            found.append(f"each client {self.copies} times")
        if self.late:
            found.append(f"{self.late} socket{'s'[: self.late > 1]} had connected before the recording")
        if self.auths:
            found.append(f"the auth of {self.auths} client{'s'[: self.auths > 1]} is not replayed: give auth")
        if self.left_out:
            found.append(f"not replayed: {', '.join(f'{count:,} {kind}' for kind, count in self.left_out.items())}")
        return found


def replay(path: str | Path, *, speed: float = 1.0, copies: int = 1) -> Replay:
    """What was recorded, as a plan for :func:`labkit.fire`.

    Args:
        path: a HAR of Chrome or Playwright, or what ``labkit run --record-payloads`` or ``labkit redact`` has written.
        speed: 2 sends everything in half the time.
        copies: so many clients do what each did, at the same instants.

    Returns:
        The plan; its repr says what is in it, and what of the recording is not.

    Raises:
        UsageError: it is no such file, is cut short, or holds nothing that can be replayed; the sentence says why.
        MissingExtra: ijson is needed for a HAR and absent.
    """
    path = Path(path)
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed < 1e6:
        raise UsageError(f"speed is how many times as fast as recorded, a number above 0, not {speed!r}")
    if type(copies) is not int or not 1 <= copies <= 10_000:
        raise UsageError(f"copies is how many clients do what each did, from 1 to 10,000, not {copies!r}")
    found = Reading(path)
    return _made(path, found, _bounded(path, found.events(), copies), float(speed), copies)


@dataclass(frozen=True)
class Written:
    """What :func:`redacted` has written.

    Attributes:
        events: how many.
        left_out: what of the recording is not in it, counted by kind.
    """

    events: int
    left_out: Mapping[str, int]


def redacted(path: Path, out: Path, redactor: Redactor) -> Written:
    """Write the events of a recording as JSON Lines without secrets, one by one: of any size.

    Args:
        path: as of :func:`replay`.
        out: the file that is written; it appears when it is whole.
        redactor: takes secrets out, and counts them.

    Raises:
        UsageError, MissingExtra: as of :func:`replay`; or `out` cannot be written.
    """
    found, count = Reading(path), 0
    try:
        with whole(out) as half, half.open("x", encoding="utf-8") as file:
            file.write(recording.head(redacted=True) + "\n")
            for event in found.events():
                file.write(redactor.event(event).line() + "\n")
                count += 1
            if not count:
                raise UsageError(_nothing(path, found.left_out))
    except OSError as error:
        raise UsageError(f"{out} cannot be written ({error.strerror}): name another file") from None
    if found.har is not None and found.har.auths:
        redactor.counts["connections' auth (not written)"] += found.har.auths
    return Written(count, dict(found.left_out))


def _bounded(path: Path, events: Iterable[Recorded], copies: int) -> Iterator[Recorded]:
    count = size = 0
    for event in events:
        count += copies
        size += copies * _size(event.arguments)
        if count > MOST_EVENTS or size > MOST_BYTES:
            raise UsageError(
                f"{path} comes to more than {MOST_EVENTS:,} events or {MOST_BYTES // 1_000_000} MB, all of which a "
                "client has to keep: replay a part of it, or fewer copies"
            )
        yield event


def _size(value: Any) -> int:
    """About the bytes of a value on the wire."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + _size(one) for key, one in value.items())
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    return 8


class Reading:
    """A file that was recorded, of either kind, while it is read.

    Attributes:
        left_out: what is no event that can be replayed, counted.
        har: what a HAR tells beside its events; None of JSON Lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out: Counter[str] = Counter()
        self.har: har.Har | None = None

    def events(self) -> Iterator[Recorded]:
        """Its events, not in the order of time.

        Raises:
            UsageError, MissingExtra: as of :func:`replay`.
        """
        try:
            with self.path.open("rb") as file:
                first = file.readline(_HEAD_BYTES)
                start = (first + file.read(_HEAD_BYTES)).lstrip(b"\xef\xbb\xbf \t\r\n")
            if recording.is_head(first):
                yield from recording.read(self.path, self.left_out)
            elif start.startswith(b"{"):
                self.har = har.Har(self.path, self.left_out)
                yield from self.har.events()
            elif start.startswith(b"PK"):
                raise UsageError(f"{self.path} is packed: unpack it, and give the .har file in it")
            else:
                raise UsageError(
                    f"{self.path} is no recording: give a HAR of Chrome or Playwright, or what labkit run "
                    "--record-payloads or labkit redact has written"
                )
        except OSError as error:
            raise UsageError(f"{self.path} cannot be read ({error.strerror}): give a file that was recorded") from None


def _made(path: Path, found: Reading, events: Iterable[Recorded], speed: float, copies: int) -> Replay:
    timed = []
    for event in events:
        if event.time_s is None:
            found.left_out[har.UNTIMED] += 1
            continue
        if (why := _not_sendable(event)) is not None:
            found.left_out[why] += 1
            continue
        timed.append(event)
    timed.sort(key=lambda event: event.time_s or 0.0)  # stable: what came at one instant stays in order
    if not timed:
        raise UsageError(_nothing(path, found.left_out))
    places: dict[tuple[int | str, str], int] = {}
    clients = [places.setdefault((event.connection, event.namespace), len(places)) for event in timed]
    first_s, last_s = timed[0].time_s or 0.0, timed[-1].time_s or 0.0
    if (span_s := (last_s - first_s) / speed) > LONGEST_S:
        raise UsageError(
            f"{path} has events {span_s / 86_400:,.0f} days apart, so a time in it is damaged or it "
            "is more than one recording: take those events out, or raise the speed"
        )
    at = np.array([round(((event.time_s or 0.0) - first_s) / speed * NS_PER_S) for event in timed], np.int64)
    count = len(places)
    each = np.repeat(np.arange(len(timed)), copies)
    copy = np.tile(np.arange(copies), len(timed))
    picked = each.tolist()
    return Replay(
        name=path.name,
        intended_ns=at[each],
        connection=np.array(clients, np.int64)[each] + copy * count,
        connections=count * copies,
        seed=0,
        names=tuple(timed[n].event for n in picked),
        payloads=tuple(timed[n].arguments for n in picked),
        asks=tuple(timed[n].ack for n in picked),
        namespaces=tuple(space for _, space in places) * copies,
        left_out=dict(found.left_out),
        late=0 if found.har is None else found.har.late,
        auths=0 if found.har is None else found.har.auths,
        speed=speed,
        copies=copies,
    )


def _not_sendable(event: Recorded) -> str | None:
    """Why it cannot be sent, as a kind of what is left out; None where it can."""
    try:
        wire.require([event.event, *event.arguments], allow_nan=False)
        "".join((event.event, event.namespace)).encode()
    except (TypeError, ValueError, RecursionError):
        return "events that are no JSON"
    if set(event.namespace) & set(",?"):
        return "events in a namespace that is none"
    return None


def _nothing(path: Path, left_out: Mapping[str, int]) -> str:
    if left_out.get(har.UNTIMED):
        return (
            f"{path} has {left_out[har.UNTIMED]:,} events and no time of any: record it again, with Playwright without "
            "omitTiming"
        )
    told = one_line(", ".join(f"{count:,} {kind}" for kind, count in left_out.items()))
    return f"{path} has no event that a client sent ({told or 'it is empty'}): record while the page is used"


def _bytes_in(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _bytes_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _bytes_in(one)
