"""Records that were made up, and what must be said of them."""

import pytest

from labkit.experiments import inside_told
from labkit.experiments.inside_told import told
from tests.experiments.test_inside_summary import KNOWN, a_record, event, opened


def test_no_event_at_all():
    assert told(a_record()) == "No client has sent an event."


def test_connections_are_told_by_how_they_fared():
    said = told(a_record([event()], known=KNOWN))
    assert "1 of 4 connections never came to a websocket (asked for one and did not get it)" in said
    assert "left 2.0 s of the 20 s" in said


def test_a_server_that_offers_no_websocket_is_told_so():
    assert "(the server offers none)" in told(
        a_record([event()], known=[opened()], settings={"transports": ["polling"]})
    )


@pytest.mark.parametrize(
    ("rows", "settings", "says"),
    [
        ([event(1, took_ms=210, cpu_ms=205)], {}, "`export` computes 205 ms and takes 210 ms (once, at most 210 ms)"),
        ([event(1, took_ms=300, cpu_ms=2)], {}, "takes 300 ms (once, at most 300 ms) and computes 2.0 ms of it"),
        (
            [event(1, took_ms=300, cpu_ms=2, held_ms=301)],
            {"async_handlers": False},
            "with async_handlers=False the next events of its client wait that long too",
        ),
        (
            [event(1, took_ms=300, cpu_ms=None)],
            {"greenlets": True},
            "cannot be seen where handlers share green threads",
        ),
        ([event(1, took_ms=300, cpu_ms=None)], {}, "cannot be seen where handlers share the event loop"),
        (
            [event(0)] * 20 + [event(0, took_ms=300)],
            {},
            "`chat` takes 2.0 ms as a rule and up to 300 ms: something held it up",
        ),
        (
            [event(0, at_ms=1010, wait_ms=640), event(1, at_ms=1000, took_ms=650, cpu_ms=640)],
            {},
            "`chat` waited up to 640 ms for its handler to start; meanwhile ran `export`.",
        ),
        ([event(0, error=0)] * 2, {}, "`chat` raised KeyError 2 times."),
        ([event(0, unhandled=1)], {}, "Nobody handles `chat` (once)."),
        ([event(0, took_ms=None)], {}, "`chat` had not returned once when this was recorded."),
        (
            [event(0)],
            {},
            "Nobody waited long: at most 1.0 ms for a handler to start; no handler took more than 2.0 ms.",
        ),
    ],
)
def test_each_rule_has_its_sentence(rows, settings, says):
    assert says in told(a_record(rows, settings=settings))


def test_what_is_short_is_not_spoken_of():
    assert told(a_record([event(took_ms=19, wait_ms=49)])).startswith("Nobody waited long")


def test_who_is_to_blame_comes_first():
    assert told(a_record([event(0, error=0)]), blame="It was `export`.").startswith("It was `export`. `chat` raised")


def test_of_many_that_waited_the_longest_are_told():
    names = tuple(f"event{number}" for number in range(9))
    said = told(a_record([event(number, wait_ms=100 + number) for number in range(9)], names=names))
    assert said.count("for its handler to start") == inside_told.TOLD
    assert "`event8`" in said
