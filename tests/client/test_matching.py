"""Which event an answer answers, where no handler knows of the lab."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.client import matching, packets
from labkit.plan.exchange import BY_NOTHING, BY_NUMBER, BY_ORDER, USUAL, Exchange
from labkit.runs.stages import Outcome

#: Four events on two connections in turn.
LOCAL = np.array([0, 1, 0, 1])
PAYLOADS = [{"id": f"order-{n}"} for n in range(4)]


def found(exchange, *frames):
    """Of each frame, which came on a connection, the events that it answers."""
    how = matching.of(exchange, PAYLOADS, LOCAL)
    return [[(a.event, a.status) for a in how.found(c, frame, packets.acknowledged_with(frame))] for c, frame in frames]


def event(name, *values):
    return packets.message([name, *values])


def by(match, **more):
    return Exchange(answer="event", answer_event="priced", match=match, **more)


OK, GARBLED, UNREADABLE = Outcome.ANSWERED, Outcome.GARBLED, Outcome.UNREADABLE


def test_the_labs_own_answers_tell_their_ids():
    assert matching.of(USUAL, PAYLOADS, LOCAL) is None


def test_an_acknowledgement_answers_the_event_of_its_number_on_its_own_connection():
    frames = [(0, b"430[]"), (1, b"430[]"), (1, b'433["x"]'), (0, b"439[]"), (2, b"430[]"), (0, b"432[NaN]")]
    answered = found(Exchange(answer="ack", match=BY_NUMBER), *frames, (0, event("priced")))
    assert answered == [[(0, OK)], [], [(3, OK)], [], [], [(2, UNREADABLE)], []]


def test_by_order_the_kth_answer_is_that_of_the_kth_event_and_one_too_many_is_the_lasts():
    frames = [(c, event("priced", c)) for c in (0, 1, 1, 0, 0, 2)]
    assert found(by(BY_ORDER), *frames) == [[(0, OK)], [(1, OK)], [(3, OK)], [(2, OK)], [(2, OK)], []]


def test_by_order_one_senders_events_are_answered_on_every_connection():
    how = matching.of(by(BY_ORDER, fan_out=True), PAYLOADS[:2], np.array([0, 0]))
    heard = [how.found(c, event("priced"), (-1, None, ""))[0].event for c in (0, 3, 0, 3, 2)]
    assert heard == [0, 0, 1, 1, 0]


def test_by_a_field_wherever_it_stands_and_on_whose_connection_it_comes():
    frames = [
        (0, event("priced", {"ref": {"id": "order-3"}})),
        (1, event("priced", "first", {"ref": {"id": "order-0"}})),
        (1, event("priced", {"ref": {"id": "somebody else's"}})),
        (1, event("priced", {"ref": 3})),
        (1, event("other", {"ref": {"id": "order-0"}})),
        (1, b"430[]"),
    ]
    assert found(by("id=ref.id"), *frames) == [[(3, OK)], [(0, OK)], [(-1, OK)], [(-1, GARBLED)], [], []]


def test_by_nothing_answers_are_counted_and_are_nobodys():
    assert found(by(BY_NOTHING), (0, event("priced")), (1, event("other"))) == [[(-1, OK)], []]


def test_with_bytes_in_them():
    (answered,) = found(by("id"), (0, event("priced", {"id": "order-2", "file": b"\0\1"})))
    assert answered == [(2, OK)]


def test_an_id_that_is_nested_without_end_is_garbled_and_ends_nothing():
    for depth in range(400, 1000):
        frame = b'42["priced",{"id":%b%b}]' % (b"[" * depth, b"]" * depth)
        ((told,),) = found(by("id"), (0, frame))
        assert told in [(-1, OK), (-1, GARBLED)]


@pytest.mark.parametrize("match", ["id", BY_ORDER, BY_NOTHING])
@given(st.binary(max_size=40), st.sampled_from([b"", b"42", b"43", b"45", b"451-", b'42["priced",']))
def test_whatever_a_server_sends_is_an_answer_or_none(match, rest, head):
    frame = head + rest
    how = matching.of(by(match), PAYLOADS, LOCAL)
    for answer in how.found(0, frame, packets.acknowledged_with(frame)):
        assert -1 <= answer.event < 4


@given(st.lists(st.integers() | st.text() | st.none() | st.booleans(), max_size=8))
def test_a_value_finds_the_event_that_carries_it(values):
    by_value = matching.by_field([{"a": {"b": value}} for value in values], "a.b")
    for value in values:
        if value is not None:
            back = json.loads(json.dumps(value))
            assert values[by_value[back]] == value
