"""Whether a work keeps something from call to call, by the calls that are made anyway.

Who does is measured wrongly without a word: a cache that calibration filled looks like an idle server, a list that
grows makes whatever is measured last look slow, and two events at once may corrupt what they share. False alarms are
worse than silence here, so each of these asks for a wide margin.
"""

from collections.abc import Sequence
from statistics import median

from labkit.base.text import milliseconds, times
from labkit.plan.calls import Call

#: A payload seen before that is answered so many times faster was kept; below so many ms nobody can tell.
FASTER, SHORTEST_MS = 5.0, 1.0

#: Calls that become so many times slower are no noise, if nearly all of them are slower than those before.
SLOWER, IN_ORDER = 1.5, 0.7

#: It takes so many different payloads to say that.
FEWEST = 4

#: Growth by less than this is the work of caches and clocks.
LEAST_GROWTH_MS = 0.05

OTHERWISE = (
    "answers the same payload otherwise from call to call: it keeps state (or goes by the clock, or by chance); events "
    "at once may corrupt it"
)


#: How the sentences on a cache and on growth begin.
_SEEN_BEFORE, _SLOWER_AND_SLOWER = "a payload seen before is answered", "calls get slower and slower"


def is_of_cache(sentence: str) -> bool:
    """Whether a sentence says that answers are kept, which harms nobody where payloads are new."""
    return _SEEN_BEFORE in sentence


def remedy(sentence: str) -> str:
    """What to do where nothing can be recommended for it, as a sentence."""
    if _SLOWER_AND_SLOWER in sentence:
        return "Bound what it keeps, or measure it as it is after a day of calls."
    return "Make the answers comparable, or guard the state with a lock or a database's own means."


def found(calls: Sequence[Call], alike: bool = True) -> tuple[str, ...]:
    """What the calls say of a state, a sentence each.

    Args:
        calls: one after the other, first of payloads that differ, then of some of them again.
        alike: the same payload was answered alike.
    """
    told = [] if alike else [OTHERWISE]
    told += [sentence for sentence in (_cached(calls), _growing(calls)) if sentence]
    return tuple(told)


def repeated(calls: Sequence[Call]) -> list[tuple[Call, Call]]:
    """Of each payload that was called again: its first call, and its last."""
    first: dict[str, Call] = {}
    again: dict[str, Call] = {}
    for call in calls:
        if call.key in first:
            again[call.key] = call
        else:
            first[call.key] = call
    return [(first[key], last) for key, last in again.items()]


def looks_cached(before: Call, after: Call) -> bool:
    """Whether the second call of a payload took far less than the first."""
    return before.ms >= SHORTEST_MS and before.undisturbed_ms >= FASTER * after.undisturbed_ms


def _cached(calls: Sequence[Call]) -> str:
    """A payload was answered far faster when it came again, and it was not the very first call, which may warm up."""
    pairs = [pair for pair in repeated(calls) if pair[0] is not calls[0]]
    if not pairs or not all(looks_cached(*pair) for pair in repeated(calls)):
        return ""
    before, after = pairs[-1]
    factor = times(before.undisturbed_ms / after.undisturbed_ms)
    took = f"{_digits(before.ms)} ms, then {_digits(after.ms)} ms"
    return (
        f"{_SEEN_BEFORE} {factor} faster ({took}): answers are kept, and the figures of repeated "
        "payloads are those of the cache"
    )


def _growing(calls: Sequence[Call]) -> str:
    """Nearly every call took longer than those before, and a payload that came again took longer, too."""
    pairs = repeated(calls)
    new = _first_of_each(calls)
    if len(new) < FEWEST or not pairs:
        return ""
    costs = [call.undisturbed_ms for call in (*new, pairs[-1][1])]
    third = max(1, len(costs) // 3)
    early, late = median(costs[:third]), median(costs[-third:])
    # Dear payloads may come last; the one that came again cost as much as before, unless what it costs depends on time.
    before, after = min(pairs[-1][0].undisturbed_ms, early), pairs[-1][1].undisturbed_ms
    if late < SLOWER * early or after < SLOWER * before or late - early < LEAST_GROWTH_MS:
        return ""
    if _in_order(costs) < IN_ORDER or after < late / SLOWER:
        return ""
    first, last = calls[0], calls[-1]
    return (
        f"{_SLOWER_AND_SLOWER} (the {_ordinal(len(calls))} took {_digits(last.ms)} ms, the first "
        f"{_digits(first.ms)} ms): figures depend on how often it was called before"
    )


def _first_of_each(calls: Sequence[Call]) -> list[Call]:
    seen: dict[str, Call] = {}
    for call in calls:
        seen.setdefault(call.key, call)
    return list(seen.values())


def _in_order(values: Sequence[float]) -> float:
    """Kendall's tau against the order in which they came: 1 where each is larger than those before, 0 by chance."""
    most = 300  # pairs grow with the square; every n-th value of a long list says as much
    picked = values[:: max(1, len(values) // most)]
    concordant = sum((b > a) - (b < a) for i, a in enumerate(picked) for b in picked[i + 1 :])
    return concordant / (len(picked) * (len(picked) - 1) / 2)


def _digits(value_ms: float) -> str:
    return milliseconds(value_ms) if value_ms >= 1 else f"{value_ms:.2g}"


def _ordinal(number: int) -> str:
    teens = 10 <= number % 100 <= 20
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
