"""What is said of a URL is checked before anything is connected."""

import numpy as np
import pytest

import labkit as lab
from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.experiments import aim, at_url
from labkit.runs.fired import Fired
from labkit.runs.stages import NEVER


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"respnse": "x"}, "there is no setting 'respnse': response?"),
        ({"response": ""}, "response is 'ack'"),
        ({"match": "id"}, "give response=EVENT beside it"),
        ({"response": "a", "match": "id"}, "6 of 7|7 of 7 events have none of their own"),
        ({"response": "a", "match": "id", "payload": {"id": 1}}, "have none of their own"),
        ({"response": "a", "fan_out": True}, "told apart by a field"),
        ({"payload": {1, 2}}, "cannot be sent as JSON"),
        ({"payload": 1, "payloads": [1]}, "give one of them"),
        ({"payloads": "abc"}, "payloads is a list"),
        ({"payloads": []}, "nothing to send"),
        ({"payloads": lambda: 1 / 0}, "ZeroDivisionError"),
        ({"bystander": ""}, "bystander is the name of an event"),
        ({"ramp_s": -1}, "ramp_s is the time"),
        ({"connect_s": 0}, "connect_s is a time above 0"),
        ({"headers": {"Host": "x"}}, "the client's own to write"),
        ({"headers": {"A": "b\r\nc"}}, "line break"),
        ({"ca_file": "nowhere.pem"}, "no file of certificates"),
        ({"answer": "ack"}, "say what answers with response="),
        ({"expected": ()}, "say what answers with response="),
        ({"transport": "smoke"}, "websocket or polling"),
        ({"warm_up": -1}, "warm_up must be 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_connected(settings, told):
    with pytest.raises(UsageError, match=told):
        lab.fire("http://127.0.0.1:9", lab.burst(6), client=object(), **settings)


def test_what_is_of_a_url_is_not_said_of_the_labs_own_server():
    with pytest.raises(UsageError, match="payload is of a URL"):
        lab.fire(None, lab.burst(1), payload=1)


def fired(events, cut_ns, start_ns=1_000):
    """What a client says that was cut: one value an event is enough here."""
    column = np.arange(1, events + 1)
    none = np.zeros(0, np.int64)
    return Fired(
        start_ns,
        0,
        column,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        {},
        column,
        column,
        none,
        none,
        0,
        0,
        cut_ns=cut_ns,
    )


@pytest.mark.parametrize(("passed_ms", "events", "pings"), [(0, 1, 0), (99, 1, 5), (100, 2, 5), (950, 10, 10)])
def test_of_what_was_cut_short_the_books_have_what_was_due_until_then(passed_ms, events, pings):
    plan = lab.constant(10, events=10)
    ping_ns = at_url.ping_instants_ns(50, 0.2)
    seen = fired(10, 1_000 + passed_ms * NS_PER_MS)
    assert aim._due_before_cut(plan, seen) == events
    shorter, kept_ns, kept = aim._cut(plan, ping_ns, seen)
    assert (len(shorter), len(kept.sent_ns), len(kept_ns), len(kept.ping_sent_ns)) == (events, events, pings, pings)
    assert "cut short after" in shorter.name


def test_connections_are_told_from_the_first_ones_beginning():
    came = aim._arrivals([(2_000, 2_005, 0, 2_009, 0), (1_000, 1_005, 0, 1_009, 0)])
    assert came["began"].tolist() == [1_000, 0]
    assert came["greeted"].tolist() == [1_009, 9]
    assert came["upgraded"].tolist() == came["set_up"].tolist() == [NEVER, NEVER]


def test_an_aim_says_who_connects():
    alone = at_url.aimed("127.0.0.1:5000", lab.burst(4), {"bystander": "none"}, {})
    assert (alone.clients, alone.has_listener, alone.ping_hz, len(alone.warm_up)) == (4, False, 0, 1)
    matched = at_url.aimed(
        "127.0.0.1:5000", lab.burst(4), {"response": "a", "match": "n", "payload": {"n": "{counter}"}}, {"listeners": 3}
    )
    assert (matched.clients, matched.has_listener, matched.ping_hz) == (4 + 1 + 3 + 1, True, 50)
    assert at_url.aimed("127.0.0.1:5000", lab.burst(4), {"bystander": "price"}, {}).ping_hz == 10
    assert at_url.aimed("127.0.0.1:5000", lab.burst(4), {}, {"ping_hz": 0}).bystander == "none"
    acked = at_url.aimed("127.0.0.1:5000", lab.burst(4), {"response": "event:ack"}, {}).exchange
    assert (acked.answer, acked.answer_event) == ("event", "ack")
