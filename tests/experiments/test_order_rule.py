"""What to write where a client's events must stay in order: by what was seen, and by what a strategy is made for."""

import time

import pytest

import labkit as lab
from labkit.experiments.order_rule import Candidate, in_order
from labkit.plan.schedules import burst
from labkit.runs.order import Order

KEPT, BROKEN, NOT_ASKED = Order(0, 9), Order(5, 9), Order()


def candidate(name, order, why_not=None, why_not_alone=None):
    return Candidate(name, name, order, why_not, why_not_alone)


def said(named, *candidates, **about):
    return in_order(named, candidates, **about)


@pytest.mark.parametrize("order", [KEPT, NOT_ASKED], ids=["kept", "not asked"])
def test_where_nobody_was_overtaken_nothing_is_said(order):
    assert said("inline", candidate("inline", order), candidate("thread", order)).sentence == ""


def test_the_remedy_is_known_where_nothing_need_be_said():
    found = said("inline", candidate("inline", KEPT), candidate("inline-serial", KEPT))
    assert (found.strategy, found.sentence) == ("inline-serial", "")


def test_the_simplest_that_is_made_for_order_and_holds():
    found = said(
        "inline", candidate("inline", BROKEN), candidate("inline-serial", KEPT, "callers 900 ms"),
        candidate("ordered-pool", KEPT),
    )  # fmt: skip
    assert found.strategy == "ordered-pool"
    assert found.sentence == (
        "If a client's events must stay in order: write ordered-pool, the simplest that holds and kept it; inline "
        "answered 5 of 9 in another order."
    )


def test_what_is_recommended_and_keeps_order_needs_no_other():
    found = said("ordered-pool", candidate("inline", BROKEN, "callers 900 ms"), candidate("ordered-pool", KEPT))
    assert found.strategy == "ordered-pool"
    assert found.sentence.endswith("order: ordered-pool kept it; inline answered 5 of 9 in another order.")


def test_what_keeps_order_and_does_not_hold_is_no_answer_and_says_so():
    found = said("inline", candidate("inline", BROKEN), candidate("inline-serial", KEPT, "callers 900 ms (max)"))
    assert found.strategy is None
    assert "inline-serial kept it, but does not hold (callers 900 ms (max)); inline answered" in found.sentence


def test_that_a_greedy_client_waits_for_its_turn_is_said():
    found = said("inline", candidate("inline", BROKEN), candidate("inline-serial", KEPT, None, "callers 420 ms (max)"))
    assert found.strategy == "inline-serial"
    assert "kept it (for one greedy client: callers 420 ms (max));" in found.sentence


def test_order_by_luck_is_no_remedy():
    """Events of equal length come back in order more often than not."""
    found = said("thread", candidate("inline", BROKEN), candidate("thread", KEPT))
    assert found.strategy is None
    assert "thread kept it in these runs, and does not promise it." in found.sentence
    assert "measure inline-serial and ordered-pool with several events of a client (--connections 1)" in found.sentence


def test_what_was_not_asked_is_not_known():
    found = said("process-pool", candidate("inline", BROKEN), candidate("process-pool", NOT_ASKED))
    assert "of process-pool it is not known, as none of its clients had two events under way" in found.sentence


def test_a_remedy_that_was_not_asked_is_to_be_measured():
    found = said("inline", candidate("inline", BROKEN), candidate("inline-serial", NOT_ASKED))
    assert found.strategy is None
    assert "measure inline-serial and ordered-pool" in found.sentence


def test_a_remedy_that_broke_it_is_none():
    found = said("inline", candidate("inline", BROKEN), candidate("ordered-pool", BROKEN))
    assert found.strategy is None
    assert "nothing that was measured kept it; inline answered" in found.sentence


def test_where_the_mode_has_no_such_strategy_none_is_named():
    found = said("asgi-inline", candidate("asgi-inline", BROKEN), possible=())
    assert found.sentence == (
        "If a client's events must stay in order: nothing that was measured is made for it, so work on each client's "
        "events in turn; asgi-inline answered 5 of 9 in another order."
    )


def test_where_nothing_is_recommended_the_first_that_broke_it_is_told():
    found = said(None, candidate("inline", BROKEN, "callers 900 ms"), candidate("inline-serial", KEPT))
    assert found.sentence.endswith("inline answered 5 of 9 in another order.")


# --- measured ---


def later_ones_are_quicker(stroke):
    """As a page that draws: the first stroke is the longest."""
    time.sleep(stroke["ms"] / 1000)
    return stroke["n"]


@pytest.mark.measured
def test_one_clients_answers_come_reversed_unless_its_events_are_handled_in_turn():
    """Each event waits 40 ms less than the one before: inline's threads all wait at once, the others one by one."""
    strokes = [{"n": n, "ms": 170 - 40 * n} for n in range(5)]
    work = lab.call(later_ones_are_quicker, payloads=strokes)
    found = lab.compare(["inline", "inline-serial", "ordered-pool"], work, burst(5, connections=1), repeats=1)
    orders = {summary.strategy: summary.order for summary in found.summaries}
    assert orders["inline-serial"] == orders["ordered-pool"] == Order(0, 4)
    assert orders["inline"].of == 4
    assert orders["inline"].overtaken >= 2
