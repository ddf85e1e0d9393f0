"""Doubts of who fires at an app that knows nothing of the lab."""

import dataclasses

import pytest

import labkit as lab
from labkit.plan.exchange import BY_NOTHING, BY_NUMBER, BY_ORDER, Exchange
from labkit.runs import unheard
from labkit.runs.conditions import Conditions
from tests.support import simulated

ACK = Exchange("price", answer="ack", match=BY_NUMBER)
ORDER = Exchange("price", "priced", "/desk", "event", match=BY_ORDER)


def of(exchange, *, is_cut_short=False, **run):
    found = simulated.run(**run)
    conditions = Conditions(exchange=exchange.to_dict(), is_cut_short=is_cut_short)
    return dataclasses.replace(found, conditions=conditions)


@pytest.mark.parametrize(
    ("exchange", "told"),
    [
        (ACK, "no event was acknowledged: 'price' may have no handler in /"),
        (ORDER, "no 'priced' came: 'price' may have no handler in /desk"),
    ],
)
def test_where_not_one_answer_came_it_is_said_what_to_check(exchange, told):
    note = unheard.nothing_came(of(exchange, outcomes=["timed out"] * 3))
    assert told in note.why
    assert note.advice.startswith("check")
    assert unheard.nothing_came(of(exchange, outcomes=["timed out", "answered"])) is None


def test_answers_that_came_and_could_not_be_matched_are_said():
    note = unheard.nothing_came(of(dataclasses.replace(ORDER, match="id"), outcomes=["timed out"] * 3, garbled=3))
    assert note.why == "3 answers 'priced' came, and none could be matched with its event by 'id'"


def test_the_labs_own_strategies_are_told_otherwise():
    assert unheard.nothing_came(simulated.run(outcomes=["timed out"] * 3)) is None


def test_where_there_is_no_latency_that_is_said():
    nothing = Exchange("price", answer=BY_NOTHING, match=BY_NOTHING)
    assert "nothing answers 'price'" in unheard.not_matched(of(nothing, outcomes=["sent"] * 3)).why
    unmatched = dataclasses.replace(ORDER, match=BY_NOTHING)
    assert "nobody can tell to which event" in unheard.not_matched(of(unmatched, outcomes=["sent"] * 3)).why
    assert unheard.not_matched(of(ACK)) is None


def test_by_order_a_client_with_several_under_way_is_told():
    plan = lab.constant(100, events=3, connections=1)
    busy = of(ORDER, own_ms=[30, 30, 30], plan=plan)
    assert unheard.by_order(busy).why.startswith("2 events were sent while another of their client waited")
    assert unheard.by_order(of(ORDER, own_ms=[5, 5, 5], plan=plan)) is None
    assert unheard.by_order(of(ACK, own_ms=[30, 30, 30], plan=plan)) is None


def test_what_was_cut_short_says_so():
    assert "cut short: 10 events" in unheard.cut_short(of(ACK, is_cut_short=True)).why
    assert unheard.cut_short(of(ACK)) is None
