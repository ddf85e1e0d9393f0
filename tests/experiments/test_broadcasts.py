"""Emits that go to everybody: counted where every client who is connected gets them, and where a handler made them."""

import dataclasses

import pytest

from labkit.experiments import inside_told
from labkit.experiments.broadcasts import FEWEST_CLIENTS, broadcasts, told
from labkit.inside.record import EMIT_COLUMNS, UNKNOWN, Connection
from tests.experiments.test_inside_summary import columns
from tests.support.watching import event, ns, record

EVERYBODY = FEWEST_CLIENTS


def emitted(receivers, *, clients=EVERYBODY, by=0, leave_ms=0):
    """Emits of `basket` at 10, 20, ... ms in the handler of event number `by`; a client leaves then."""
    made = record([event("basket", 0, 0, 5)], taken=1_000)
    rows = [
        {"number": at, "name": 0, "event": by, "receivers": many, "at": ns(10 + 10 * at)}
        for at, many in enumerate(receivers)
    ]
    connections = tuple(
        Connection(number, "", opened_ns=ns(-50), closed_ns=ns(leave_ms) if leave_ms and not number else 0)
        for number in range(clients)
    )
    return dataclasses.replace(made, emits=columns(EMIT_COLUMNS, rows), connections=connections)


def test_an_answer_to_everybody_is_counted():
    (found,) = broadcasts(emitted([EVERYBODY, EVERYBODY]))
    assert (found.name, found.by, found.calls, found.clients, found.packets) == ("basket", "basket", 2, 4, 8)
    assert found.share == 1.0
    (said,) = told([found])
    assert "2 times to 4 clients, 100% of all that was emitted" in said
    assert "to=" in said
    assert "once to 4" in told([dataclasses.replace(found, calls=1)])[0]


@pytest.mark.parametrize(
    "about",
    [
        {"receivers": [1, 1]},
        {"receivers": [EVERYBODY - 1] * 2},  # all but the caller, as a chat line goes
        {"receivers": [3, 3], "clients": 3},  # of three clients, a room of three is everybody
        {"receivers": [EVERYBODY] * 2, "by": UNKNOWN},  # a feed of a background task
        {"receivers": [EVERYBODY] * 2, "by": 99},  # of an event that the ring has lost
        {"receivers": [EVERYBODY] + [1] * 9},
        {"receivers": []},
    ],
)
def test_what_is_none_is_not_told(about):
    assert broadcasts(emitted(**about)) == ()


def test_who_has_left_is_not_waited_for():
    assert broadcasts(emitted([4, 4], clients=5)) == ()
    assert broadcasts(emitted([4, 4], clients=5, leave_ms=5)) != ()


def test_it_is_among_what_a_record_comes_to():
    assert "`basket`, emitted in the handler of `basket`, goes to everybody" in inside_told.told(emitted([4, 4]))
    assert "everybody" not in inside_told.told(emitted([1, 1]))
