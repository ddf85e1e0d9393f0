"""Doubts of who fires at an app that knows nothing of the lab: answers that don't come, or are nobody's."""

from typing import TYPE_CHECKING

import numpy as np

from labkit.plan.exchange import BY_ACK, BY_NOTHING, BY_ORDER, OWN_ID
from labkit.runs.note import Note
from labkit.runs.stages import NEVER

if TYPE_CHECKING:
    from labkit.runs.run import Run


def nothing_came(run: "Run") -> Note | None:
    """Not one answer: then most often a name is wrong, and the sentence says which to check."""
    exchange = run.conditions.exchange
    is_ours = exchange.get("match", OWN_ID) == OWN_ID
    if is_ours or run.lost < len(run) or run.conditions.closed_senders or len(run) == 0:
        return None
    event, space = exchange["event"], exchange["namespace"]
    if exchange["answer"] == BY_ACK:
        why = f"no event was acknowledged: {event!r} may have no handler in {space}, or one that never returns"
        advice = "check its name and namespace, and where it answers by an event of its own, name that as the response"
        return Note("silence", len(run), False, why, advice)
    answer = exchange["answer_event"]
    strangers = run.delivered("unmatched") + run.delivered("garbled")
    if strangers:
        why = f"{strangers} answers {answer!r} came, and none could be matched with its event by {exchange['match']!r}"
        return Note("silence", len(run), False, why, "check by which field they can be matched (match=, --match)")
    why = f"no {answer!r} came: {event!r} may have no handler in {space}, or answer otherwise, or somebody else"
    return Note("silence", len(run), False, why, "check both names and the namespace")


def not_matched(run: "Run") -> Note | None:
    """Latencies are missing, and nobody must take that for good ones."""
    exchange = run.conditions.exchange
    if BY_NOTHING not in (exchange.get("match"), exchange.get("answer")):
        return None
    if exchange["answer"] == BY_NOTHING:
        why = f"nothing answers {exchange['event']!r}: there is no latency of it, and nobody knows what was handled"
        return Note("match", 1, False, why, "let the handler return something, and ask for its acknowledgement")
    why = f"{run.delivered('unmatched')} answers {exchange['answer_event']!r} came, and nobody can tell to which event"
    return Note("match", 1, False, why, "there is no latency: give match=FIELD, or match='order'")


def by_order(run: "Run") -> Note | None:
    """Answers that were taken in order, where several of a client were under way: they may have been swapped."""
    if run.conditions.exchange.get("match") != BY_ORDER or not (several := _under_way(run)):
        return None
    why = f"{several} events were sent while another of their client waited, and answers were matched by order"
    advice = "a latency may be another event's: match by a field, or lower the rate or raise the clients"
    return Note("order of answers", several, False, why, advice)


def _under_way(run: "Run") -> int:
    """How many events were sent while the one before them on their connection had no answer."""
    sent, delivered, client = run.events["sent"], run.events["delivered"], run.plan.connection
    order = np.argsort(client, kind="stable")
    same = np.diff(client[order]) == 0
    before, after = delivered[order][:-1], sent[order][1:]
    return int(np.count_nonzero(same & (after != NEVER) & ((before == NEVER) | (before > after))))


def cut_short(run: "Run") -> Note | None:
    """Somebody had enough: the plan is shorter than it was."""
    if not run.conditions.is_cut_short:
        return None
    why = f"it was cut short: {len(run)} events were due until then"
    return Note("cut short", 1, False, why, "what came after is no part of it")
