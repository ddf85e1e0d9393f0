"""Claims about what was seen inside an app, and their judges: for whom a handler is to blame, and what mending changes.

Each takes what ``with lab.watch(server) as watching`` left in ``watching.seen``; those about a mended handler take two
of them, before and after, under the same load.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.base.text import ratio
from labkit.claims.claim import Claim
from labkit.claims.evidence import Untestable
from labkit.experiments.seen import Seen
from labkit.experiments.waits import WAIT_S
from labkit.inside.record import UNKNOWN, Record
from labkit.inside.watched import CAUSES, GIL
from labkit.runs import environment
from labkit.runs.stages import MISSING

#: Fewer events that came during a handler's run tell nothing.
FEWEST = 5

#: A handler that takes less is no slow one, in ns; and one that computes less waits.
SLOW_NS = 20_000_000

#: Of fewer messages that pile up, nothing is said: the sockets' buffers hold some.
FEWEST_PILED = 10

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Events:
    """Of a record, the events whose handlers have ended; all of one length."""

    name: Ints
    connection: Ints
    came: Ints
    start: Ints
    end: Ints
    cpu_ns: Ints

    @classmethod
    def of(cls, record: Record) -> "_Events":
        get = {name: np.frombuffer(column, np.int64) for name, column in record.events.items()}
        came = np.where(get["read"] != MISSING, get["read"], get["dispatched"])
        ended = (get["handler_start"] != MISSING) & (get["handler_end"] != MISSING)
        columns = get["name"], get["connection"], came, get["handler_start"], get["handler_end"], get["cpu_ns"]
        return cls(*(column[ended] for column in columns))

    def slow(self, *, computes: bool) -> int:
        """The event whose slow handlers took most time in sum, of those that compute or of those that wait.

        Raises:
            Untestable: there is none.
        """
        service = self.end - self.start
        sums: dict[int, int] = {}
        for name in np.unique(self.name).tolist():
            mine = (self.name == name) & (self.cpu_ns != UNKNOWN)
            if not mine.any() or np.median(service[mine]) < SLOW_NS:
                continue
            # By what it computes and not by its share: who shares the GIL with others takes many times as long.
            if (np.median(self.cpu_ns[mine]) >= SLOW_NS) == computes:
                sums[name] = int(service[mine].sum())
        if not sums:
            raise Untestable(f"needs a slow handler that {'computes' if computes else 'waits for something'}")
        return max(sums, key=lambda name: sums[name])


def holds_its_client(seen: Seen) -> float:
    if seen.record.settings.get("async_handlers") is not False:
        raise Untestable("needs a server with async_handlers=False")
    events = _Events.of(seen.record)
    slow = events.slow(computes=False)
    own, others = _met(events, slow)
    if min(len(own), len(others)) < FEWEST:
        raise Untestable("needs five events or more that came during the slow handler of their client, and of another")
    own_share, others_share = (float(each[:, 0].sum() / each[:, 1].sum()) for each in (own, others))
    return min(own_share / 0.5, ratio(0.5, max(others_share, 1e-3)))


def _met(events: _Events, slow: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of events that came during a slow handler: how long each waited, and how long that handler still took.

    First those of its own client, then those of others of whose own client none ran.
    """
    runs = np.flatnonzero(events.name == slow)
    own: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    for row in np.flatnonzero(events.name != slow).tolist():
        came = events.came[row]
        during = runs[(events.start[runs] <= came) & (came < events.end[runs])]
        if not len(during):
            continue
        mine = during[events.connection[during] == events.connection[row]]
        met = mine[0] if len(mine) else during[0]
        (own if len(mine) else others).append((events.start[row] - came, events.end[met] - came))
    return np.array(own, np.float64).reshape(-1, 2), np.array(others, np.float64).reshape(-1, 2)


def frees_the_gil(pair: tuple[Seen, ...]) -> float:
    before, after = _pair(pair)
    if not environment.gil():
        raise Untestable("needs an interpreter with a GIL")
    slow = before.record.names[_Events.of(before.record).slow(computes=True)]
    if slow not in after.record.names:
        raise Untestable("needs the same events before and after")
    held_s = _held_s(before)
    whole_s = sum(held_s.values())
    if whole_s < WAIT_S:
        raise Untestable("needs somebody who waited for the GIL before")
    # Some milliseconds of it are everybody's; who is blamed computed for many of them at once.
    if any(finding.cause == CAUSES[GIL] for finding in after.blame.findings):
        return 0.0
    return ratio(held_s.get(slow, 0.0), whole_s) / 0.5


def _held_s(seen: Seen) -> dict[str, float]:
    """For how long others waited for the GIL, in s, by who had it."""
    sums: dict[str, float] = {}
    for cell in seen.blame.cells:
        if cell.cause == CAUSES[GIL] and cell.waited != cell.by:
            sums[cell.by] = sums.get(cell.by, 0.0) + cell.seconds
    return sums


def to_answers_one(pair: tuple[Seen, ...]) -> float:
    before, after = (_receivers(seen.record) for seen in _pair(pair))
    mended = [name for name in before if name in after and before[name].min() > after[name].max()]
    if not mended:
        raise Untestable("needs an emit of a handler that reached fewer clients after than before")
    name = max(mended, key=lambda each: len(before[each]))
    return float((after[name] == 1).all() and before[name].max() >= _clients(pair[0].record))


def _receivers(record: Record) -> dict[str, Ints]:
    """Of each emit that handlers made, how many clients got each call."""
    get = {name: np.frombuffer(column, np.int64) for name, column in record.emits.items()}
    made = (get["event"] != UNKNOWN) & (get["queued"] != MISSING)
    return {record.names[name]: get["receivers"][made & (get["name"] == name)] for name in np.unique(get["name"][made])}


def _clients(record: Record) -> int:
    """The most clients that were connected at once."""
    ends = [each.closed_ns or record.taken_ns for each in record.connections]
    return max(
        (
            sum(each.opened_ns <= at < end for each, end in zip(record.connections, ends, strict=True))
            for at in {each.opened_ns for each in record.connections}
        ),
        default=0,
    )


def piles_up(pair: tuple[Seen, ...]) -> float:
    before, after = (seen.unsent_most for seen in _pair(pair))
    if before < FEWEST_PILED:
        raise Untestable("needs a client that does not read, and ten messages or more that wait for it")
    return ratio(before, max(after, 1)) / 3


def _pair(pair: tuple[Seen, ...]) -> tuple[Seen, Seen]:
    if len(pair) != 2 or not all(isinstance(each, Seen) for each in pair):
        raise Untestable("needs two of what lab.watch has seen: before and after")
    return pair[0], pair[1]


_QUOTE = "(an app, seen from inside)"

CLAIMS = (
    Claim(
        slug="waiting-handler-holds-its-client",
        lines=(),
        quote=_QUOTE,
        sentence="With async_handlers=False a handler that waits holds up its own client's next events, and nobody "
        "else's.",
        reading="connection",
        condition="an app with async_handlers=False and a handler that waits for something, seen from inside",
        margin="of the time that the handler still took, events of its client waited at least half, others' at most "
        "half; theory: all of it, and some turns of the GIL",
        judge=holds_its_client,
        takes=Seen,
    ),
    Claim(
        slug="another-process-frees-the-gil",
        lines=(),
        quote=_QUOTE,
        sentence="Most of the time for which others waited for the GIL is put down to the handler that computes. "
        "Once another process computes, nobody is to blame for it.",
        reading="server thread",
        condition="an app with a handler that computes, seen from inside; then the same with another process computing",
        margin="before at least half of the seconds; after nobody has the GIL and computes for long (as labkit.blame "
        "bounds it); theory: all of the seconds where no other handler computes, and then nobody",
        judge=frees_the_gil,
        takes=tuple,
    ),
    Claim(
        slug="to-answers-the-caller-alone",
        lines=(),
        quote=_QUOTE,
        sentence="Without to= an answer goes to everybody who is connected. With it, to its caller alone.",
        reading="connection",
        condition="an app whose handler emits without to=, seen from inside; then the same with to=",
        margin="exact counts of receivers",
        judge=to_answers_one,
        takes=tuple,
        exact=True,
    ),
    Claim(
        slug="unread-piles-up-in-the-server",
        lines=(),
        quote=_QUOTE,
        sentence="What a client does not read piles up in the server, until the server asks what it has read.",
        reading="server thread",
        condition="an app that emits to a client that does not read, seen from inside; then one that waits for "
        "acknowledgements",
        margin="at least three times as many messages wait at once; theory: all but what the sockets hold, against a "
        "fixed number",
        judge=piles_up,
        takes=tuple,
    ),
)
