"""The sentences above figures say what the data say, and no more."""

import dataclasses
import math
import re

import numpy as np
import pytest

from labkit.plots import titles
from labkit.runs.comparison import Comparison
from labkit.runs.stages import NEVER as NO_STAMP
from labkit.strategies import plain_name
from tests.support import simulated

NEVER = math.inf
NO_DIFFERENCE = "No strategy makes a difference"


def headline(**strategies):
    return titles.headline(simulated.comparison({n.replace("_", "-"): about for n, about in strategies.items()}))


# --- the headline ---


SERIAL = {"conditions": {"options": {"async_handlers": False}}}


def test_a_thread_that_returns_early_and_answers_nobody_sooner():
    said = headline(inline={"own_ms": 1000, "handler_ms": 1000}, thread={"own_ms": 1000, "handler_ms": 1})
    assert said == "B returns 1000x sooner and answers nobody sooner."


def test_a_thread_that_answers_its_caller_sooner():
    said = headline(inline={"own_ms": 1000, "handler_ms": 1000}, thread={"own_ms": 250, "handler_ms": 100})
    assert said == "B returns 10x sooner and answers its callers 4.0x sooner."


def test_a_thread_that_answers_sooner_though_nobody_saw_it_return():
    said = headline(inline={"own_ms": 1000, "instrumented": False}, thread={"own_ms": 250, "instrumented": False})
    assert said == "B answers its callers 4.0x sooner."


def test_of_two_kinds_of_b_the_title_is_true_of_both():
    a = {"own_ms": 1000, "handler_ms": 1000}
    said = headline(inline=a, thread={"own_ms": 1000, "handler_ms": 1}, thread_broadcast={"handler_ms": 100})
    assert said.startswith("B returns at least 10x sooner and answers sooner only as thread-broadcast.")
    said = headline(inline=a, thread={"own_ms": 250, "handler_ms": 1}, background_task={"own_ms": 500, "handler_ms": 1})
    assert said == "B returns at least 1000x sooner and answers its callers at least 2.0x sooner."


def test_b_is_held_against_the_a_of_its_own_settings():
    quick = {"own_ms": 100, "handler_ms": 1}
    names = {
        "inline": {"own_ms": 100, "handler_ms": 100}, "thread": quick,
        "inline-serial": {"own_ms": 550, "handler_ms": 100, **SERIAL}, "thread, async_handlers=False": quick | SERIAL,
    }  # fmt: skip
    runs = [simulated.run(plain_name(name), clients=1, **about) for name, about in names.items()]
    runs = [dataclasses.replace(run, variant=name) for run, name in zip(runs, names, strict=True)]
    said = titles.headline(Comparison(tuple(runs)))
    assert said == "B returns at least 100x sooner and answers sooner only as thread, async_handlers=False."
    assert "sooner" not in titles.headline(Comparison((runs[2], runs[1])))  # serial A and default B are no pair
    many = [dataclasses.replace(run, plan=simulated.burst(10, connections=10)) for run in runs]
    assert "sooner" not in titles.headline(Comparison((runs[2], many[3])))  # nor one client and ten


def test_a_third_strategy_that_answers_sooner_is_not_denied():
    """As process-pool does: the title speaks of B alone."""
    said = headline(inline={"own_ms": 900, "handler_ms": 900}, thread={"own_ms": 900}, process_pool={"own_ms": 90})
    assert "obody is answered" not in said
    assert said.startswith("B ")


def test_b_that_answers_nobody_is_not_said_to_answer_no_sooner():
    said = headline(inline={"own_ms": 100}, thread={"handler_ms": 0.1, "own_ms": [NEVER] * 10})
    assert said == "B returns 1000x sooner but leaves callers without an answer."
    said = headline(inline={"own_ms": [NEVER] * 10}, thread={"handler_ms": 0.1, "own_ms": 100})
    assert said == "B returns 1000x sooner and answers its callers, which A does not."


def test_letters_are_there_only_where_a_and_b_are_both():
    def letters(*names):
        return titles.letters(simulated.comparison({name: {} for name in names}))

    assert letters("inline", "thread", "process-pool") == {"inline": "A", "thread": "B", "process-pool": ""}
    assert letters("inline", "process-pool") == letters("thread") == {}
    assert letters("inline", "thread, async_handlers=False")["thread, async_handlers=False"] == "B"


def test_what_is_typical_is_the_median_of_the_runs_medians():
    """Of runs of which one is long and slow, the median of all values would lie where no run's median is."""
    runs = [simulated.run(own_ms=own, clients=1) for own in ([100] * 3, [120] * 3, [900] * 20)]
    assert titles.typical_ms(Comparison(tuple(runs)), "inline", "own") == 120
    assert titles.typical_ms(Comparison(tuple(runs[:2])), "inline", "own") == 110
    assert math.isnan(titles.typical_ms(simulated.comparison({"inline": {}}, pings=0), "inline", "bystander"))


def test_who_spares_the_neighbours():
    said = headline(inline={"bystander_ms": 345}, process_pool={"bystander_ms": 1.24}, thread={"bystander_ms": 17})
    assert said == "A bystander waits 345 ms under inline, 1.2 ms under process-pool."


def test_both_findings_come_as_two_lines():
    said = headline(inline={"handler_ms": 1000}, thread={"handler_ms": 1, "bystander_ms": 50})
    assert [line.split()[0] for line in said.splitlines()] == ["B", "A"]


def test_no_difference_is_said_to_be_none():
    assert headline(inline={}, thread={"own_ms": None, "bystander_ms": 1.2}).startswith(NO_DIFFERENCE)


def test_a_neighbours_wait_that_is_not_twice_as_long_is_no_finding():
    assert "bystander" not in headline(inline={"bystander_ms": 1.9}, thread={})
    assert "A bystander waits 2.1 ms" in headline(inline={"bystander_ms": 2.1}, thread={})


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


def test_a_waterfall_says_when_the_last_was_answered_and_what_the_time_goes_into():
    assert titles.waterfall_title(simulated.run(own_ms=[100, 400, 250], service_ms=90)) == (
        "inline: the last of 3 is answered after 400 ms.\nAn event spends 60% of its time waiting for its turn."
    )
    alone = titles.waterfall_title(simulated.run(own_ms=[100, 100], service_ms=90))
    assert alone.endswith("An event spends 90% of its time at work.")


def stretched(factor):
    """Ten events whose work takes `factor` times what it takes alone."""
    run = simulated.run(own_ms=1000, service_ms=900)
    return dataclasses.replace(run, events={**run.events, "service": np.full(10, round(900e6 / factor))})


def test_a_waterfall_says_that_work_is_stretched_where_it_is():
    assert titles.waterfall_title(stretched(9)).endswith("Side by side, 100 ms of work take 9.0x as long.")
    assert titles.waterfall_title(stretched(1.3)).endswith("An event spends 90% of its time at work.")


def test_a_waterfall_of_a_plan_that_lasts_speaks_of_the_slowest_and_not_of_the_last():
    plan = simulated.burst(1, times=3, every_s=1.0)
    assert "the slowest of 3 is answered after 300 ms" in titles.waterfall_title(
        simulated.run(plan=plan, own_ms=[100, 300, 200])
    )


def test_a_waterfall_counts_those_that_are_answered():
    said = titles.waterfall_title(simulated.run(own_ms=[5, 7, NEVER]))
    assert said.startswith("inline: 2 of 3 are answered, the last after 7 ms.")


def test_a_waterfall_without_the_servers_stamps_says_what_it_knows():
    run = simulated.run(own_ms=1000, instrumented=False)
    hidden = {**run.events, "work_start": np.full(10, NO_STAMP), "work_end": np.full(10, NO_STAMP)}
    run = dataclasses.replace(run, events=hidden)
    assert titles.waterfall_title(run) == "inline: the last of 10 is answered after 1000 ms."


def test_a_waterfall_of_one_event_says_how_much_of_it_was_work():
    title = titles.waterfall_title(simulated.run(events=1, own_ms=140, service_ms=100))
    assert title == "inline: answered after 140 ms, of which 100 ms are work"


def test_a_waterfall_without_an_answer_says_so():
    assert titles.waterfall_title(simulated.run(own_ms=[NEVER] * 3)) == "inline: no event was answered"


# --- the strips' title ---


def strip(**strategies):
    return titles.strip_title(simulated.comparison({n.replace("_", "-"): about for n, about in strategies.items()}))


def test_a_strip_tells_the_longest_and_the_shortest_wait():
    said = strip(inline={"bystander_ms": 345}, thread={"bystander_ms": 100}, process_pool={"bystander_ms": 1.24})
    assert said == "A bystander waits 345 ms under inline, 1.2 ms under process-pool (median)"
    assert strip(inline={"bystander_ms": 345}) == "A bystander waits 345 ms under inline (median)"


def test_strips_that_differ_little_have_no_worst():
    said = strip(inline={"bystander_ms": 345}, thread={"bystander_ms": 371})
    assert said == "A bystander waits 345 to 371 ms (median) under each"
    assert strip(inline={}, thread={}) == "A bystander waits 1.0 ms (median) under each"


def test_a_strip_without_pings_says_so():
    assert strip(inline={"pings": 0}) == "Nobody pinged"


# --- the distribution's title ---


def test_of_a_distribution_the_longest_and_the_shortest_median_are_told():
    said = titles.longest_and_shortest("Own answers", {"inline": 900.0, "thread": 100.0, "mine": 400.0})
    assert said == "Own answers: 100 ms under thread, 900 ms under inline (median)"


@pytest.mark.parametrize("medians", [{"a": 100.0, "b": 101.0}, {"a": 100.0}, {"a": math.nan, "b": 1.0}, {}])
def test_medians_that_do_not_differ_are_not_told_apart(medians):
    assert titles.longest_and_shortest("Own answers", medians) == "Own answers by percentile"
