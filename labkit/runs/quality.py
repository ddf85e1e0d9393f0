"""Can this run be trusted, and if not: why, and what to do.

After pyperf's ``format_checks`` (https://github.com/psf/pyperf), which says what makes a result unstable instead of
leaving it to the reader. *invalid* means that the figures must not be used; *caution*, that they must be read with it.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.base.text import one_line
from labkit.plan.work import KINDS
from labkit.runs import fan_out, unheard
from labkit.runs.note import Note
from labkit.runs.stages import NEVER, STAGES, Outcome

if TYPE_CHECKING:
    from labkit.runs.run import Run

#: Lateness that is a tenth of the latencies is theirs, not the server's; below this floor nobody can tell.
LATE_SHARE, LATE_FLOOR_MS = 0.10, 1.0

#: Of the CPU that the calibration found alone, so much must have been there before and after the run.
SPARE_CPU = 0.75

#: Stages out of order by less than this are the work of two cores' clocks, not of a mistake.
ORDER_SLACK_NS = 20_000

#: A clock that reads in coarser steps than this cannot time what is measured here.
RESOLUTION_S = 1e-4

#: The stamps' clock and the wall clock may part by so much of a run's length, and by so much in all.
PARTED_SHARE, PARTED_FLOOR_S = 0.01, 0.1

#: Latencies of the first tenth over those of the rest: above this the run began before the server was warm.
DRIFT, DRIFT_EVENTS = 2.0, 100

#: Work that took so many times less than alone was not done: its answer was kept. Below so many ms nobody can tell.
KEPT, KEPT_FLOOR_MS = 5.0, 1.0

#: CPU time of the work in the last third over that in the first, of so many events: above this it grows from call to
#: call. Other threads can't make it longer. Dear payloads can, unless the same ones cost far less before the run: then
#: less growth is enough.
SLOWER, SLOWER_EVENTS, SLOWER_FLOOR_MS = 1.5, 20, 0.05
SLOWER_THAN_BEFORE, LITTLE_SLOWER = 3.0, 1.15

#: The same of the last quarter over the second: above this a queue was still growing when the plan ended.
GROWTH = 1.5


#: What Engine.IO's server complains of (engineio/payload.py).
_TOO_MANY_PACKETS = "Too many packets in payload"


#: What its managers complain of (socketio/redis_manager.py).
_REDIS_LOST = ("Cannot receive from redis", "Cannot publish to redis")

#: Kinds of notes after which no strategy can be recommended.
CACHE, STATE = "cache", "state"


class Check(Protocol):
    """One reason to look for."""

    def __call__(self, run: "Run") -> Note | None: ...


def check(run: "Run") -> list[Note]:
    """Every reason to doubt a run; none is the good case."""
    return [note for note in (check_one(run) for check_one in _CHECKS) if note]


def digest(found: Iterable[tuple[str, Sequence[Note]]]) -> tuple[str, ...]:
    """Every kind of doubt in a line: the worst of it, how many runs, of which strategies.

    Args:
        found: of each run the name of its strategy, and its notes.
    """
    runs = list(found)
    concerns: dict[str, list[tuple[Note, str]]] = {}
    for strategy, notes in runs:
        for note in notes:
            concerns.setdefault(note.kind, []).append((note, strategy))
    lines = []
    for doubts in concerns.values():
        worst, _ = max(doubts, key=lambda item: (item[0].invalid, item[0].badness))
        names = list(dict.fromkeys(name for _, name in doubts))
        who = ", ".join(names) if len(names) < 4 else f"{len(names)} strategies"
        lines.append(f"{worst} ({len(doubts)} of {len(runs)} runs: {who})")
    return tuple(lines)


def _unaccounted(run: "Run") -> Note | None:
    if run.unaccounted == 0:
        return None
    why = f"{run.unaccounted} events have no outcome"
    return Note("unaccounted", run.unaccounted, True, why, "run it again, and report it: this is a fault of labkit")


def _not_answered_well(run: "Run") -> Note | None:
    """Not the measurement's fault, but nobody must miss it: a strategy that is fast and wrong."""
    bad = {name: count for name in ("failed", "wrong", "garbled", "unreadable") if (count := run.outcomes[name])}
    if not bad:
        return None
    counts = ", ".join(f"{count} {name}" for name, count in bad.items())
    first = next(iter(run.messages.values()), "without a message")
    return Note("outcomes", sum(bad.values()), False, f"{counts} of {len(run)} events: {first}", "see run.messages")


def _closed(run: "Run") -> Note | None:
    """Connections that closed before the end, by whomever: their events and pings are lost."""
    closed = run.conditions.closed_senders + run.conditions.closed_others
    if not closed:
        return None
    with_what = "; ".join(run.conditions.closings) or "nobody looked with what"
    log = run.conditions.server_log
    said = f"; the server's last word: {log[-1].splitlines()[-1]}" if log and log[-1] else ""
    why = f"{closed} {'connection' if closed == 1 else 'connections'} closed before the end: {with_what}{said}"
    return Note("closed", closed, False, why, "their events and pings count as lost")


def _too_large(run: "Run") -> Note | None:
    """Told before the run as well, where somebody looks."""
    found = run.conditions.too_large
    return Note("size", len(found), False, "; ".join(found), "or send less at a time") if found else None


def _rounded(run: "Run") -> Note | None:
    if not (count := run.conditions.rounded):
        return None
    hold = "answer holds" if count == 1 else "answers hold"
    why = f"{count} {hold} a whole number beyond 2**53, of which a page loses the last digits"
    return Note("digits", count, False, why, "send it as text")


def _order(run: "Run") -> Note | None:
    """Stages of one event that run backwards: two clocks, or stamps of the wrong event."""
    backwards = 0
    for before, after in itertools.pairwise(STAGES):
        a, b = run.events[before], run.events[after]
        backwards += int(np.count_nonzero((a != NEVER) & (b != NEVER) & (b < a - ORDER_SLACK_NS)))
    if backwards <= 0.001 * len(run) * (len(STAGES) - 1):
        return None
    why = f"{backwards} stages end before they begin"
    return Note("order", backwards, True, why, "run client and server on one machine and one clock")


def _clock(run: "Run") -> Note | None:
    """The stamps' clock stands still while a machine sleeps, and the wall clock jumps when it is set."""
    resolution_s = run.conditions.clock_resolution_s
    if resolution_s > RESOLUTION_S:
        why = f"the clock reads in steps of {resolution_s * 1000:g} ms"
        return Note("clock", resolution_s, True, why, "measure on another machine or system")
    parted_s = abs(run.conditions.clocks_parted_s)
    if parted_s <= PARTED_FLOOR_S + PARTED_SHARE * run.conditions.duration_s:
        return None
    why = f"the clock of the stamps and the wall clock parted by {parted_s:.1f} s"
    return Note("clock", parted_s, True, why, "the machine slept or its clock was set: run it again")


def _acknowledged(run: "Run") -> Note | None:
    """Answers where nobody looked for them."""
    if not run.conditions.acknowledged_otherwise:
        return None
    why = "events were acknowledged with a value and answered by nothing else"
    return Note("acknowledged", 1, False, why, "if that value is the answer, give answer='ack'")


def _fan_out(run: "Run") -> Note | None:
    """Strays by plan, or the broadcast bug: only the reader knows."""
    everybody = 0 if run.strays == 0 else fan_out.reached_everybody(run)
    if everybody == 0:
        return None
    why = f"each answer reached all {everybody} connections"
    return Note("fan-out", everybody, False, why, "if that is meant, give fan_out=True")


def _too_many_packets(run: "Run") -> Note | None:
    """Of who polls: Engine.IO drops the whole body, and its answer to the client is that all is well."""
    bodies = sum(_TOO_MANY_PACKETS in line for line in run.conditions.server_log)
    if bodies == 0:
        return None
    why = f"the server dropped {bodies} POSTs whole, since they held more packets than it takes at once (16)"
    advice = "raise engineio.payload.Payload.max_decode_packets in the app, or use the websocket"
    return Note("packets", bodies, False, why, advice)


def _warm_up(run: "Run") -> Note | None:
    asked, answered = run.conditions.warm_up_asked, run.conditions.warm_up_answered
    if answered >= asked:
        return None
    why = f"{asked - answered} of {asked} warm-up events were not answered"
    advice = "see run.conditions.server_log for what the strategy did"
    if run.conditions.url:
        advice = "see what your app says of it; if it answers late the first time only, leave that out of account"
    return Note("warm-up", asked - answered, False, why, advice)


def _queue_lost(run: "Run") -> Note | None:
    """python-socketio says it in its log alone: what is emitted elsewhere does not come, and nothing raises."""
    said = [line for line in run.conditions.server_log if line.startswith(_REDIS_LOST)]
    if not said:
        return None
    why = f"the server lost its Redis ({said[0]})"
    return Note("queue", len(said), False, why, "see whether it still runs: what its workers answer does not come")


def _raised(run: "Run") -> Note | None:
    """Handlers that raised: their events are never answered."""
    errors = run.conditions.handler_errors
    if not errors:
        return None
    raised = "1 handler raised" if len(errors) == 1 else f"{len(errors)} handlers raised"
    return Note("raised", len(errors), False, f"{raised} {one_line(errors[0], 160)}", "mend that, and run it again")


def _drift(run: "Run") -> Note | None:
    """The first events slower than the rest: the server was still warming up."""
    latency = run.own_from_send_ms
    tenth = len(run) // 10
    if len(run) < DRIFT_EVENTS or not run.plan.rate_hz or not np.isfinite(latency).all():
        return None
    first, rest = float(np.median(latency[:tenth])), float(np.median(latency[tenth:]))
    if first <= DRIFT * rest or first - rest <= LATE_FLOOR_MS:
        return None
    why = f"the first tenth of the events took {first / rest:.1f} times as long as the rest"
    return Note("drift", first / rest, False, why, "raise warm_up=, or fire for longer")


def _growth(run: "Run") -> Note | None:
    """A queue that still grew when the plan ended: the figures say more of the plan's length than of the server."""
    latency = run.own_from_send_ms
    quarter = len(run) // 4
    if len(run) < DRIFT_EVENTS or not run.plan.rate_hz or not np.isfinite(latency).all():
        return None
    early, late = float(np.median(latency[quarter : 2 * quarter])), float(np.median(latency[-quarter:]))
    offered = _offered_cores(run)
    if late <= GROWTH * early or late - early <= 10 * LATE_FLOOR_MS:
        return None
    busy = f" ({offered:.1f} cores of work offered)" if offered else ""
    why = f"latencies were still growing when the plan ended, {late / early:.1f} times in its second half{busy}"
    advice = "above utilisation 1 every figure depends on the plan's length: lower the rate"
    return Note("utilisation", late / early, False, why, advice)


def _cached(run: "Run") -> Note | None:
    """Faster than it can be: the answers had been kept since they were calibrated."""
    if _is_own(run):
        return None
    took, alone = run.service_ms, run.events["service"] / NS_PER_MS
    answered = run.events["outcome"] == Outcome.ANSWERED  # who fails at once is not fast
    known = np.isfinite(took) & (alone >= KEPT_FLOOR_MS) & answered
    if not known.any():
        return None
    took_ms, alone_ms = float(np.median(took[known])), float(np.median(alone[known]))
    if alone_ms < KEPT * took_ms:
        return None
    why = f"answers came from a cache: the work took {took_ms:.2g} ms, and {alone_ms:.3g} ms when it was called first"
    advice = "these are the figures of payloads seen before: give payloads that are new to every call"
    return Note(CACHE, alone_ms / max(took_ms, 1e-6), False, why, advice)


def _slower(run: "Run") -> Note | None:
    """The work itself costs more from event to event, whoever runs beside it."""
    answered = run.events["outcome"] == Outcome.ANSWERED
    known = np.flatnonzero(answered & (run.events["work_cpu"] != NEVER) & (run.events["work_start"] != NEVER))
    if len(known) < SLOWER_EVENTS or run.kinds or _is_own(run):
        return None
    order = known[np.argsort(run.events["work_start"][known], kind="stable")]
    cpu_ms = run.events["work_cpu"][order] / NS_PER_MS
    first, last = _first_and_last(cpu_ms)
    # What a dear payload costs, it has cost before the run.
    before, after = _first_and_last(cpu_ms / np.maximum(run.events["service"][order] / NS_PER_MS, SLOWER_FLOOR_MS))
    alike = before > SLOWER_THAN_BEFORE and last > LITTLE_SLOWER * first
    if last - first < SLOWER_FLOOR_MS or not _in_order(cpu_ms):
        return None
    if not alike and (last < SLOWER * first or after < SLOWER * before):
        return None
    why = f"the work took more CPU from event to event, {last / max(first, 1e-6):.1f} times as much in the end"
    advice = "it keeps something from call to call: figures depend on how often it was called before"
    return Note(STATE, last / max(first, 1e-6), False, why, advice)


def _is_own(run: "Run") -> bool:
    """Whether the work is the lab's own, which keeps nothing from call to call."""
    kind = run.work.partition(":")[0]
    return kind in KINDS or kind == "prices"


def _first_and_last(values: NDArray[np.float64]) -> tuple[float, float]:
    """The medians of the first third and of the last."""
    third = len(values) // 3
    return float(np.median(values[:third])), float(np.median(values[-third:]))


def _in_order(values: NDArray[np.float64]) -> bool:
    """Whether nearly all of ten parts are larger than those before them."""
    parts = np.array([np.median(part) for part in np.array_split(values, 10)])
    return int(np.count_nonzero(np.diff(parts) > 0)) >= 8


def _offered_cores(run: "Run") -> float:
    """CPU seconds of work that the plan asks for in a second; 0 where it cannot be told."""
    work = run.events["work_cpu"]
    span_s = float(run.plan.intended_ns[-1] - run.plan.intended_ns[0]) / NS_PER_S
    return 0.0 if span_s == 0 or (work == NEVER).all() else float(work[work != NEVER].sum()) / NS_PER_S / span_s


def _late(run: "Run") -> Note | None:
    lateness, own = run.lateness_ms, run.own_ms[np.isfinite(run.own_ms)]
    if len(lateness) == 0 or len(own) == 0:
        return None
    late_ms, own_ms = float(np.percentile(lateness, 99)), float(np.percentile(own, 99))
    if late_ms <= max(LATE_SHARE * own_ms, LATE_FLOOR_MS):
        return None
    why = f"the client itself was {late_ms:.1f} ms late (p99) for latencies of {own_ms:.1f} ms"
    return Note("lateness", late_ms, True, why, "lower the rate, or leave a core to the client")


def _spare(run: "Run") -> Note | None:
    spare = run.conditions.spare_cpu
    if not spare or min(spare) >= SPARE_CPU:
        return None
    why = f"two cores at work at once got only {min(spare):.0%} of the speed of one alone"
    return Note("spare CPU", -min(spare), False, why, "close what else computes, and compare within one run only")


def _gc(run: "Run") -> Note | None:
    collections = run.conditions.full_collections
    if not collections:
        return None
    why = f"{collections} full garbage collections during the run"
    return Note("garbage", collections, False, why, "keep fewer objects in the server's process, or repeat")


_CHECKS: tuple[Check, ...] = (
    _unaccounted,
    unheard.nothing_came,
    unheard.not_matched,
    unheard.by_order,
    unheard.cut_short,
    _not_answered_well,
    _closed,
    _too_large,
    _rounded,
    _order,
    _clock,
    _acknowledged,
    _fan_out,
    _too_many_packets,
    _warm_up,
    _queue_lost,
    _raised,
    _drift,
    _growth,
    _cached,
    _slower,
    _late,
    _spare,
    _gc,
)
