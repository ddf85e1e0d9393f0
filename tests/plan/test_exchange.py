"""What clients say and take for an answer: refused where it makes no sense, settled by what a warm-up shows."""

import pytest

from labkit.base.errors import UsageError
from labkit.plan.exchange import MOST_LISTENERS, USUAL, Exchange


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"event": ""}, "event must be the name"),
        ({"event": "connect"}, "event must be the name"),
        ({"event": "bystander"}, "event must be the name"),
        ({"answer_event": 7}, "answer_event must be the name"),
        ({"namespace": "desk"}, "begins with /"),
        ({"namespace": ""}, "begins with /"),
        ({"namespace": "/a,b"}, "neither comma"),
        ({"namespace": "/a?b"}, "question mark"),
        ({"answer": "callback"}, "event or ack"),
        ({"transport": "webtransport"}, "websocket or polling"),
        ({"fan_out": 60}, "listeners"),
        ({"listeners": -1}, "listeners"),
        ({"listeners": True}, "listeners"),
        ({"listeners": MOST_LISTENERS + 1}, "listeners"),
        ({"answer": "ack", "answer_event": "priced"}, "one or the other"),
        ({"answer": "ack", "fan_out": True}, "its sender alone"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(settings, told):
    with pytest.raises(UsageError, match=told):
        Exchange.of(settings)


def test_settings_that_say_nothing_of_it_are_as_usual():
    assert Exchange.of({"ping_hz": 3}) == USUAL
    assert Exchange.of({"event": "price", "listeners": 3}) == Exchange(event="price", listeners=3)


def test_what_it_says_as_json_says_the_same_again():
    exchange = Exchange("price", "priced", "/desk", "event", "polling", True, 4)
    assert Exchange.of(exchange.to_dict()) == exchange


@pytest.mark.parametrize(
    ("seen", "settings", "answer"),
    [
        (set(), {}, "event"),
        ({"event"}, {}, "event"),
        ({"ack"}, {}, "ack"),
        ({"ack", "event"}, {}, "event"),  # many handlers return something beside the answer that they send
        ({"value"}, {}, "event"),
        ({"ack"}, {"answer": "event"}, "event"),
        ({"event"}, {"answer": "ack"}, "ack"),
        ({"ack"}, {"fan_out": True}, "event"),
        ({"ack"}, {"answer_event": "priced"}, "event"),
    ],
)
def test_a_warm_up_settles_how_events_are_answered(seen, settings, answer):
    settled = Exchange.of(settings).settled(frozenset(seen))
    assert (settled.answer, settled.by_ack) == (answer, answer == "ack")
