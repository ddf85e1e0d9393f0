"""The feed: open loop, in windows or one by one, and nothing is sent twice or left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.browser.page.feed import Feed, Order, update
from tests.support.fake_clock import FakeClock

orders = st.builds(
    Order,
    events=st.integers(1, 200),
    rate_hz=st.one_of(st.just(0.0), st.floats(0.5, 5000)),
    burst=st.integers(1, 50),
    window_ms=st.one_of(st.just(0.0), st.floats(1, 1000)),
    first=st.integers(0, 1000),
)


def carried_out(order, leaves_after=None):
    """The feed, and what was sent when, on a clock that only sleeping moves."""
    now = FakeClock(start_ns=10**12)
    sent = []

    def send(data):
        sent.append((now(), data))
        if leaves_after is not None and len(sent) >= leaves_after:
            feed.connected = False

    feed = Feed(order)
    feed.run(send, lambda seconds: now.advance(ns=round(seconds * 1e9)), now)
    return feed, sent


@given(orders)
def test_every_update_is_sent_once_in_order_and_not_before_it_is_due(order):
    feed, sent = carried_out(order)
    due = order.due_ns()
    numbers = []
    for at_ns, data in sent:
        for each in data if isinstance(data, list) else [data]:
            place = each["id"] - order.first
            numbers.append(place)
            assert at_ns - feed.start_ns >= due[place] - 1
            # Late by a window at most.
            assert at_ns - feed.start_ns <= due[place] + order.window_ms * NS_PER_MS + 2
            assert each["sent_ns"] == pytest.approx(feed.start_ns + due[place], abs=2)
    assert numbers == list(range(order.events))
    assert len(feed.sent_ns) == order.events


def test_a_steady_feed_is_evenly_spaced():
    assert Order(4, rate_hz=200).due_ns() == [0, 5_000_000, 10_000_000, 15_000_000]


def test_bursts_keep_the_mean_rate():
    assert Order(5, rate_hz=200, burst=2).due_ns() == [0, 0, 10_000_000, 10_000_000, 20_000_000]


def test_all_at_once():
    assert Order(3).due_ns() == [0, 0, 0]


def test_a_window_is_one_message():
    messages = Order(8, rate_hz=200, window_ms=20).messages()
    assert messages == [(20_000_000, range(4)), (40_000_000, range(4, 8))]


def test_a_page_that_has_left_is_sent_nothing_more():
    feed, sent = carried_out(Order(100, rate_hz=200), leaves_after=3)
    assert len(sent) == len(feed.sent_ns) == 3


def test_updates_follow_from_their_number():
    assert update(7, 10, 5) == update(7, 10, 5)
    assert {update(i, 10, 0)["key"] for i in range(100)} == set(range(10))
    # A bar that is set to the width that it has would be no DOM operation.
    assert all(update(i, 10, 0)["value"] != update(i + 1, 10, 0)["value"] for i in range(300))
    assert update(0, 10, 0)["value"] != 0


@pytest.mark.parametrize(
    "wish",
    [
        None,
        [],
        "events",
        {},
        {"events": 0},
        {"events": -1},
        {"events": 10**9},
        {"events": 1.5},
        {"events": "3"},
        {"events": True},
        {"events": 3, "rate_hz": float("nan")},
        {"events": 3, "rate_hz": -1},
        {"events": 3, "window_ms": 1e9},
        {"events": 3, "keys": 0},
        {"events": 3, "first": None},
        {"events": 3, "run": 1},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_refused(wish):
    with pytest.raises(UsageError):
        Order.of(wish)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_whatever_a_page_sends_is_an_order_or_refused(wish):
    with pytest.raises(UsageError):
        Order.of(wish)


@pytest.mark.parametrize("wish", [{"events": 200_000, "rate_hz": 1e-9}, {"events": 601, "rate_hz": 1}])
def test_an_order_that_lasts_for_ever_is_refused(wish):
    with pytest.raises(UsageError, match="may last 600 s"):
        Order.of(wish)
    assert Order.of({"events": 600, "rate_hz": 1}).events == 600


def test_a_page_that_leaves_is_noticed_long_before_its_next_update_is_due():
    clock, slept = FakeClock(), []
    feed = Feed(Order(2, rate_hz=0.01))

    def sleep(seconds):
        slept.append(seconds)
        clock.advance(ms=seconds * 1000)
        feed.connected = len(slept) < 4

    feed.run([].append, sleep, clock)
    assert len(feed.sent_ns) == 1
    assert len(slept) == 4
    assert max(slept) <= 1


def test_what_is_left_out_of_an_order_has_defaults():
    assert Order.of({"events": 3, "rate_hz": 10}) == Order(3, rate_hz=10)
