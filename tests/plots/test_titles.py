"""The sentences above figures say what the data say, and no more."""

import math
import re

import pytest

from labkit.plots import titles
from tests.support import simulated

NEVER = math.inf
NO_DIFFERENCE = "No strategy makes a difference"


def headline(**strategies):
    return titles.headline(simulated.comparison({n.replace("_", "-"): about for n, about in strategies.items()}))


# --- the headline ---


def test_a_thread_that_returns_early_and_answers_nobody_sooner():
    said = headline(inline={"own_ms": 1000, "handler_ms": 1000}, thread={"own_ms": 1000, "handler_ms": 1})
    assert said == "thread returns 1000x sooner. Nobody is answered sooner."


def test_a_thread_that_answers_its_caller_sooner():
    said = headline(inline={"own_ms": 1000, "handler_ms": 1000}, thread={"own_ms": 250, "handler_ms": 100})
    assert said == "thread returns 10x sooner. Its caller is answered 4.0x sooner."


def test_advice_b_as_written_comes_before_its_repair():
    said = headline(
        inline={"handler_ms": 1000}, thread={"handler_ms": 1}, thread_broadcast={"handler_ms": 100, "own_ms": 1}
    )
    assert said.startswith("thread-broadcast returns 10x sooner")


def test_who_spares_the_neighbours():
    said = headline(inline={"bystander_ms": 345}, process_pool={"bystander_ms": 1.24}, thread={"bystander_ms": 17})
    assert said == "Neighbours wait 345 ms under inline, 1.2 ms under process-pool."


def test_both_findings_come_as_two_lines():
    said = headline(inline={"handler_ms": 1000}, thread={"handler_ms": 1, "bystander_ms": 50})
    assert [line.split()[0] for line in said.splitlines()] == ["thread", "Neighbours"]


def test_no_difference_is_said_to_be_none():
    assert headline(inline={}, thread={"own_ms": None, "bystander_ms": 1.2}).startswith(NO_DIFFERENCE)


def test_a_neighbours_wait_that_is_not_twice_as_long_is_no_finding():
    assert "Neighbours" not in headline(inline={"bystander_ms": 1.9}, thread={})
    assert "Neighbours" in headline(inline={"bystander_ms": 2.1}, thread={})


def test_one_strategy_makes_no_difference():
    assert headline(inline={}).startswith(NO_DIFFERENCE)


def test_answers_that_come_much_sooner_are_a_difference():
    """As with work that waits, inline beside inline-serial: same handlers, same neighbours, other callers."""
    assert not headline(inline={"own_ms": 100}, inline_serial={"own_ms": 550}).startswith(NO_DIFFERENCE)


def test_a_neighbour_that_is_never_acknowledged_is_a_difference():
    assert not headline(inline={"bystander_ms": NEVER}, process_pool={"bystander_ms": 1}).startswith(NO_DIFFERENCE)


@pytest.mark.parametrize(
    "strategies",
    [
        {"inline": {"own_ms": [NEVER] * 10}, "thread": {"handler_ms": 0.1, "own_ms": 100}},
        {"inline": {"own_ms": 100}, "thread": {"handler_ms": 0.1, "own_ms": [NEVER] * 10}},
        {"inline": {"own_ms": [NEVER] * 10}, "thread": {"handler_ms": 0.1, "own_ms": [NEVER] * 10}},
        {"inline": {"bystander_ms": NEVER}, "thread": {}},
        {"inline": {"pings": 0}, "thread": {"pings": 0}},
        {"inline": {"instrumented": False}, "thread": {"instrumented": False}},
    ],
)
def test_what_never_came_or_was_not_measured_does_not_end_in_a_sentence(strategies):
    said = headline(**strategies)
    assert said
    assert not re.search(r"nan|\binfx?\b", said)


# --- its words ---


@pytest.mark.parametrize(("value", "words"), [(1.0, "1.0x"), (3.44, "3.4x"), (9.94, "9.9x"), (12.4, "12x")])
def test_a_factor_has_two_figures(value, words):
    assert titles.times(value) == words


@pytest.mark.parametrize(("value", "words"), [(0.26, "0.3"), (3.44, "3.4"), (345.6, "346")])
def test_milliseconds_have_few_digits(value, words):
    assert titles.about(value).removesuffix(" ms") == words


# --- the waterfall's title ---


def test_a_waterfall_says_when_the_last_was_answered():
    assert titles.waterfall_title(simulated.run(own_ms=[100, 400, 250], service_ms=90)) == (
        "inline: 90 ms of work each, the last answer after 400 ms"
    )


def test_a_waterfall_of_one_event_says_how_much_of_it_was_work():
    title = titles.waterfall_title(simulated.run(events=1, own_ms=140, service_ms=100))
    assert title == "inline: answered after 140 ms, of which 100 ms are work"


def test_a_waterfall_without_an_answer_says_so():
    assert titles.waterfall_title(simulated.run(own_ms=[NEVER] * 3)) == "inline: no event was answered"
