"""Work of several kinds: most events are cheap, a few are dear, as a chat line and an export are in one app.

Which event is of which kind follows from the plan and its seed alone, so every strategy is given the same.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import WorkloadError
from labkit.plan.schedules import Schedule
from labkit.plan.work import Work

Int64 = NDArray[np.int64]

#: Shares add up to 1, and give whole clients, to within so much.
TOLERANCE = 1e-6

#: Sets the draw of kinds apart from that of arrivals, which begins with the same seed.
_KINDS_STREAM = 1

#: A share is taken for a fraction with no larger denominator, where a number of clients is suggested.
_MOST_CLIENTS = 100


@dataclass(frozen=True)
class Part:
    """One kind of event in a mix.

    Attributes:
        kind: its name, such as ``chat``.
        share: of all events, or of all clients where the kinds come from clients of their own.
        work: what one event of it costs.
    """

    kind: str
    share: float
    work: Work


@dataclass(frozen=True, repr=False)
class Mix(Work):
    """Work whose events are of several kinds; of :func:`mix`.

    An event carries ``{"kind": ..., "payload": ...}``, where the payload is that of its kind's own work. The answer is
    that work's own.

    Attributes:
        parts: the kinds, in the order in which they were given.
        apart: each client sends events of one kind only.
    """

    parts: tuple[Part, ...] = ()
    apart: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(part.kind for part in self.parts)

    def kinds_in(self, plan: Schedule) -> Int64:
        """Of each event of a plan, the number of its kind in :attr:`kinds`; the same for the same plan.

        Raises:
            WorkloadError: the plan has too few clients or too few events, or a share of its clients is no whole number.
        """
        kind = self._by_client(plan) if self.apart else self._by_event(len(plan), plan.seed)
        counts = np.bincount(kind, minlength=len(self.parts))
        for part, count in zip(self.parts, counts.tolist(), strict=True):
            if count == 0:
                raise WorkloadError(
                    f"{len(plan)} events leave none for {part.kind!r} ({_percent(part.share)}): fire "
                    f"{self.fewest_events(plan.connections)} or more"
                )
        return kind

    def fewest_events(self, connections: int) -> int:
        """So many events have all kinds among them, where clients send in turn."""
        return connections if self.apart else math.ceil(1 / min(part.share for part in self.parts) - TOLERANCE)

    def _by_event(self, events: int, seed: int) -> Int64:
        """By largest remainder, so that shares are exact, and then shuffled."""
        counts = largest_remainder([part.share for part in self.parts], events)
        kind = np.repeat(np.arange(len(counts)), counts)
        return np.random.default_rng((seed, _KINDS_STREAM)).permutation(kind)

    def _by_client(self, plan: Schedule) -> Int64:
        clients = [self._clients(part, plan.connections) for part in self.parts]
        of_client = np.repeat(np.arange(len(clients)), clients)
        # Shuffled, or in every burst the last kind would come last.
        return np.random.default_rng((plan.seed, _KINDS_STREAM)).permutation(of_client)[plan.connection]

    def _clients(self, part: Part, connections: int) -> int:
        if connections < len(self.parts):
            raise WorkloadError(
                f"{len(self.parts)} kinds that come from clients of their own need as many clients, and this plan has "
                f"{connections}: give {self._suggested()}"
            )
        clients = part.share * connections
        if abs(clients - round(clients)) > TOLERANCE or round(clients) == 0:
            raise WorkloadError(
                f"{_percent(part.share)} of {connections} clients is {clients:.3g}, no whole number of clients for "
                f"{part.kind!r}: give {self._suggested()}"
            )
        return round(clients)

    def _suggested(self) -> str:
        """The fewest clients that these shares divide, as advice."""
        fractions = [Fraction(part.share).limit_denominator(_MOST_CLIENTS) for part in self.parts]
        clients = math.lcm(*(fraction.denominator for fraction in fractions))
        off = [abs(near - part.share) for near, part in zip(fractions, self.parts, strict=True)]
        if clients > _MOST_CLIENTS or max(off) > TOLERANCE:
            return "shares that divide the clients, such as 0.25"
        return f"connections={clients}, or shares that divide the clients"


def mix(parts: Mapping[str, tuple[float, Work]], *, apart: bool = False) -> Mix:
    """Work whose events are of several kinds, each with a share of the events and a cost of its own.

    ``lab.mix({"chat": (0.9, lab.cpu(1)), "export": (0.1, lab.cpu(200))})``

    Args:
        parts: of each kind its name, its share, and what one event of it costs.
        apart: False: every client sends events of every kind, each event drawn by its share. True: the clients are
            divided by share, and each sends events of one kind only.

    Raises:
        WorkloadError: shares that are no numbers above 0 or do not add up to 1; fewer than two kinds; a name that is
            empty; a part that is no work, or is a mix itself.
    """
    if not isinstance(parts, Mapping) or len(parts) < 2:
        raise WorkloadError(
            'a mix has two kinds or more: give {"chat": (0.9, lab.cpu(1)), "export": (0.1, lab.cpu(200))}, or the one '
            "work by itself"
        )
    found = tuple(_part(kind, given) for kind, given in parts.items())
    total = math.fsum(part.share for part in found)
    if abs(total - 1) > TOLERANCE:
        raise WorkloadError(f"the shares of a mix add up to 1, and these add up to {total:.6g}: change one of them")
    named = ", ".join(f"{part.kind} {_percent(part.share)} {part.work.name}" for part in found)
    name = f"mix({named}{'; apart' if apart else ''})"
    function = _ByKind(tuple((part.kind, part.work.function) for part in found))
    place = next((part.work.place for part in found if part.work.place is not None), None)
    return Mix(name, "mix", function, _of_no_plan, place=place, parts=found, apart=apart)


def _part(kind: Any, given: Any) -> Part:
    if not isinstance(kind, str) or not kind.strip():
        raise WorkloadError(f"a kind of a mix has a word for its name, not {kind!r}")
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
        raise WorkloadError(f"{kind!r} needs a share and a work, as in (0.9, lab.cpu(1)), not {given!r}")
    share, work = given
    is_number = isinstance(share, int | float | np.integer | np.floating) and not isinstance(share, bool)
    if not is_number or not 0 < share < math.inf:
        raise WorkloadError(f"the share of {kind!r} is a number above 0 and below 1, not {share!r}")
    if isinstance(work, Mix):
        raise WorkloadError(f"{kind!r} is a mix itself: name its kinds beside the others")
    if not isinstance(work, Work):
        raise WorkloadError(f"the work of {kind!r} is a lab.cpu(...), a lab.call(function) or the like, not {work!r}")
    return Part(kind, float(share), work)


@dataclass(frozen=True)
class _ByKind:
    """The function of a mix: that of the event's kind, on the payload of that kind."""

    functions: tuple[tuple[str, Callable[[Any], Any]], ...]

    def __call__(self, payload: Any) -> Any:
        for kind, function in self.functions:
            if kind == payload["kind"]:
                return function(payload["payload"])
        raise ValueError(f"there is no kind {payload['kind']!r}")


def _of_no_plan(count: int, seed: int) -> Sequence[Any]:
    raise WorkloadError("what the events of a mix carry depends on the plan: ask for it with the plan")


def largest_remainder(shares: Sequence[float], count: int) -> list[int]:
    """`count` divided by shares that add up to 1: whole numbers, each less than 1 away from its share.

    What rounding down leaves goes to the largest remainders; of equal ones to the smallest share, which needs it most.
    """
    # A product such as 0.29 * 100 is taken for what it is meant to be.
    exact = [round(share * count / math.fsum(shares), 6) for share in shares]
    counts = [math.floor(value) for value in exact]
    order = sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], shares[i]))
    for place in order[: count - sum(counts)]:
        counts[place] += 1
    return counts


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"
