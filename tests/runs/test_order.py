"""The order of a client's answers, where it is known exactly."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.plan.schedules import Schedule, burst, constant
from labkit.runs.order import Order, total
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from tests.support import simulated

REFUSED = ("shed", "superseded")
#: However busy the machine is.
whenever = settings(deadline=None)

WITHOUT_ANSWER = ("timed out", "disconnected", "unsent")


def order(*own_ms, clients=1, **about):
    return simulated.run(own_ms=own_ms, clients=clients, **about).order


# --- what is counted ---


def test_in_order_nobody_is_overtaken():
    assert order(1, 2, 3, 4) == Order(0, 3)


def test_in_reverse_everybody_but_the_last_is_overtaken():
    assert order(6, 5, 4, 3, 2, 1) == Order(5, 5)


def test_one_late_answer_is_overtaken_once_however_many_overtake_it():
    assert order(9, 1, 2, 3) == Order(1, 3)


def test_one_early_answer_overtakes_all_before_it():
    assert order(2, 3, 4, 1) == Order(3, 3)


@pytest.mark.parametrize("clients", [10, 5])
def test_clients_do_not_overtake_each_other(clients):
    """Ten answers in reverse: of ten clients nobody's second one, of five each one's."""
    assert order(*range(10, 0, -1), clients=clients) == Order(10 - clients, 10 - clients)


def test_clients_take_turns_and_are_told_apart():
    """Events 0, 2, 4 are of one client, who is answered in order; 1, 3, 5 of another, who is not."""
    assert order(1, 6, 2, 5, 3, 4, clients=2) == Order(2, 4)


def test_of_one_event_a_client_nothing_is_asked():
    found = order(3, 2, 1, clients=3)
    assert found == Order()
    assert (found.is_asked, found.is_kept) == (False, None)


def test_who_waits_for_an_answer_before_the_next_event_puts_order_to_no_test():
    assert order(*[90] * 10, plan=constant(10, events=10, connections=1)) == Order()
    assert order(*[110] * 10, plan=constant(10, events=10, connections=1)) == Order(0, 9)


def test_at_one_instant_the_order_is_that_of_the_numbers():
    assert order(5, 5, 5) == Order(0, 2)


def test_two_answers_in_one_frame_came_in_the_order_that_they_have_in_it():
    """They have one stamp: only the place among the deliveries tells."""
    run = simulated.run(own_ms=[5, 5, 5], clients=1)
    turned = {name: column[::-1].copy() for name, column in run.deliveries.items()}
    assert dataclasses.replace(run, deliveries=turned).order == Order(2, 2)


# --- what is not ---


@pytest.mark.parametrize("outcome", [*WITHOUT_ANSWER, *REFUSED])
def test_what_has_no_answer_neither_overtakes_nor_is_overtaken(outcome):
    names = ["answered", outcome, "answered", "answered", outcome]
    assert order(3, 9, 2, 1, 0.5, outcomes=names) == Order(2, 2)
    assert order(1, 9, 2, 3, 0.5, outcomes=names) == Order(0, 2)


@pytest.mark.parametrize("outcome", ["failed", "wrong", "garbled"])
def test_an_answer_counts_whatever_it_says(outcome):
    assert order(3, 2, 1, outcomes=["answered", outcome, "answered"]) == Order(2, 2)


def test_duplicates_strays_late_and_garbled_deliveries_are_no_answers():
    run = simulated.run(own_ms=[1, 2, math.inf, 4], clients=1, duplicates=3, strays=4, late=1, garbled=2)
    assert run.delivered("duplicate") == 3
    assert run.delivered("late") == 1
    assert run.order == Order(0, 2)


def test_a_run_in_which_nobody_was_answered_says_nothing():
    assert order(*[math.inf] * 5) == Order()


# --- the definition, pair by pair ---


def by_the_definition(run):
    """Every pair of events of one client is looked at."""
    events, client = run.events, run.plan.connection
    names = run.events_table()["outcome"]
    counted = [i for i in range(len(run)) if events["delivered"][i] != NEVER and names[i] not in REFUSED]
    overtaken = could_be = 0
    for i in counted:
        later = [j for j in counted if j > i and client[j] == client[i]]
        passed = any(events["delivered"][j] < events["delivered"][i] for j in later)
        overtaken += passed
        could_be += passed or any(events["sent"][j] < events["delivered"][i] for j in later)
    return Order(overtaken, could_be)


@st.composite
def runs(draw):
    """Any plan of up to 4 clients, latencies and outcomes without a pattern; no two answers at one instant."""
    events = draw(st.integers(1, 30))
    due_ns = sorted(draw(st.lists(st.integers(0, 40), min_size=events, max_size=events)))
    client = draw(st.lists(st.integers(0, 3), min_size=events, max_size=events))
    plan = Schedule("any", np.array(due_ns) * 1_000_000, np.array(client), 4, 0)
    own_ms = draw(st.lists(st.floats(0.1, 40), min_size=events, max_size=events))
    names = st.sampled_from(["answered"] * 4 + ["failed", *REFUSED, *WITHOUT_ANSWER])
    outcomes = draw(st.lists(names, min_size=events, max_size=events))
    return simulated.run(plan=plan, own_ms=[ms + i * 1e-5 for i, ms in enumerate(own_ms)], outcomes=outcomes)


@whenever
@given(runs())
def test_any_run_is_counted_as_the_definition_says(run):
    assert run.order == by_the_definition(run)


@whenever
@given(st.permutations(range(12)))
def test_of_a_permutation_those_are_overtaken_whom_a_larger_number_precedes(arrival):
    """All at once of one client: `arrival` are the numbers of the events as their answers came."""
    place = np.argsort(arrival)
    preceded = sum(max(arrival[: place[i]], default=-1) > i for i in range(12))
    assert order(*(1.0 + place)) == Order(preceded, 11)


@whenever
@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0.1, 20)), min_size=1, max_size=40),
    st.integers(1, 5),
    st.sets(st.integers(0, 39)),
)
def test_a_serial_server_never_overtakes(events, clients, lost):
    """First in, first out, whatever comes when and takes how long, of however many clients, whatever is lost."""
    events.sort(key=lambda event: event[0])
    own_ms, free_ms = [], 0.0
    for due_ms, takes_ms in events:
        free_ms = max(free_ms, due_ms) + takes_ms
        own_ms.append(free_ms - due_ms)
    number = np.arange(len(events))
    due_ns = np.array([due_ms for due_ms, _ in events]) * 1_000_000
    plan = Schedule("served in turn", due_ns, number % clients, clients, 0)
    own_ms = [math.inf if i in lost else ms for i, ms in enumerate(own_ms)]
    assert simulated.run(plan=plan, own_ms=own_ms).order.overtaken == 0


def test_many_clients_and_many_events():
    """A thousand clients with twenty events each; every odd one gets its answers in reverse."""
    rounds = np.repeat(np.arange(20), 1000)
    client = np.arange(20_000) % 1000
    own_ms = np.where(client % 2, 1000 - rounds, 1000 + rounds)
    assert order(*own_ms, plan=burst(20_000, connections=1000)) == Order(500 * 19, 1000 * 19)


# --- shown, added, kept ---


def test_in_words_and_as_json():
    assert [str(each) for each in (Order(), Order(0, 9), Order(5, 9), Order(1200, 3400))] == [
        "-",
        "none",
        "5 of 9",
        "1,200 of 3,400",
    ]
    assert json.loads(json.dumps(Order(5, 9).to_dict())) == {"kept": False, "overtaken": 5, "of": 9}
    assert [each.to_dict()["kept"] for each in (Order(), Order(0, 9))] == [None, True]


def test_several_runs_are_one_sum():
    assert total([Order(1, 9), Order(), Order(2, 9)]) == Order(3, 18)
    assert total([]) == Order()


def test_a_saved_run_has_the_order_that_it_had(tmp_path):
    run = simulated.run(own_ms=[3, 1, 2], clients=1)
    assert Run.load(run.save(tmp_path / "run")).order == run.order == Order(1, 2)
