"""The books of broadcasts to clients that come and go."""

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labkit.runs.deliveries import NEVER, STILL, Absence, Deliveries, Order

MS = 1_000_000


def books(sent, receipts, stays, *, servers=("a", "b"), receivers=2, due=None):
    """Of messages (sender, server, ms), receipts (message, receiver, ms) and stays (receiver, from, to, server)."""
    sender, at, when = (list(each) for each in zip(*sent, strict=True))
    message, receiver, had = ([each[i] for each in receipts] for i in range(3))
    who, since, until, where = ([each[i] for each in stays] for i in range(4))

    def ns(values):
        return np.array([value if value in (NEVER, STILL) else round(value * MS) for value in values], np.int64)

    return Deliveries(
        servers,
        receivers,
        due=ns(due or [each if each != NEVER else 0 for each in when]),
        sent=ns(when),
        sender=np.array(sender),
        sender_at=np.array(at),
        message=np.array(message, np.int64),
        receiver=np.array(receiver, np.int64),
        at=ns(had),
        who=np.array(who, np.int64),
        since=ns(since),
        until=ns(until),
        where=np.array(where, np.int64),
    )


HERE = [(0, 0, STILL, 0), (1, 0, STILL, 1)]


def test_own_and_other_server_are_told_apart():
    found = books([(0, 0, 10), (1, 1, 20)], [(0, 0, 12), (0, 1, 15), (1, 0, 27), (1, 1, 21)], HERE)
    assert found.waits_ms(found.own).values_ms.tolist() == [1, 2]
    assert found.waits_ms(found.other).values_ms.tolist() == [5, 7]
    assert [found.nth_ms(share).values_ms.tolist() for share in (0, 0.5, 1)] == [[1, 2], [1, 2], [5, 7]]
    assert (found.lost, found.missed, found.duplicates, found.unsent) == (0, 0, 0, 0)


def test_lost_is_another_thing_than_missed_while_away():
    stays = [(0, 0, STILL, 0), (1, 0, 15, 1), (1, 40, STILL, 0)]
    found = books([(0, 0, 10), (0, 0, 20), (0, 0, 50)], [(0, 0, 11), (1, 0, 21), (2, 0, 51), (2, 1, 52)], stays)
    assert (found.lost, found.missed, found.expected) == (1, 1, 5)
    assert found.lost_among(found.other) == 1
    assert found.absences == (Absence(1, 1, 0, 25.0),)
    assert found.there_at_the_end() == {"a": 2, "b": 0}
    assert found.nth_ms(1).values_ms.tolist() == [1, 2, math.inf]


def test_one_who_does_not_come_back_is_away_for_ever():
    found = books([(0, 0, 10)], [(0, 0, 11)], [(0, 0, STILL, 0), (1, 0, 5, 1)])
    assert found.away_ms.values_ms.tolist() == [math.inf]
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_what_a_sender_could_not_send_is_nobodys_loss():
    found = books([(0, NEVER, NEVER), (0, 0, 20)], [(1, 0, 21), (1, 1, 22)], HERE)
    assert (found.unsent, found.lost, found.missed, found.expected) == (1, 0, 0, 2)


def test_twice_is_counted_and_the_first_counts():
    found = books([(0, 0, 10)], [(0, 0, 13), (0, 0, 11), (0, 1, 12)], HERE)
    assert (found.duplicates, found.lost) == (1, 0)
    assert found.waits_ms().values_ms.tolist() == [1, 2]


def test_order_is_each_senders_own():
    sent = [(0, 0, 10), (0, 0, 10), (1, 1, 10), (0, 0, 30)]
    receipts = [(0, 0, 12), (1, 0, 11), (2, 0, 5), (3, 0, 31), (0, 1, 12), (1, 1, 13), (3, 1, 31)]
    found = books(sent, receipts, HERE)
    assert found.order() == Order(4, 1)
    assert found.order(at_once=True) == Order(2, 1)
    assert found.order(found.other, at_once=True) == Order(1, 0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(1, 99)), max_size=30))
def test_the_books_close(receipts):
    found = books([(0, 0, 0)] * 5, receipts, HERE)
    came = int((found.first_at != NEVER).sum())
    assert came + found.lost == found.expected == 10
    assert came + found.duplicates == len(receipts)
    assert json.dumps(found.to_dict(), allow_nan=False)
