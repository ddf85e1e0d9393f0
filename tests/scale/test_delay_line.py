"""When bytes arrive, exactly: on a clock that a test moves."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.clock import NS_PER_MS
from labkit.plan.link import Link
from labkit.scale import delay_line
from labkit.scale.delay_line import MOST_BYTES, SEGMENT_BYTES, DelayLine, connecting_ns
from tests.support.fake_clock import FakeClock


class Fated:
    """Chance that is told beforehand: which segments are lost, one after the other, then none; no jitter."""

    def __init__(self, *lost):
        self.rolls = [0.0 if each else 1.0 for each in lost]

    def random(self):
        return self.rolls.pop(0) if self.rolls else 1.0


def came(line, until_ms=10_000):
    """When what came out, in ms and bytes."""
    found = []
    while line.due_ns is not None and line.due_ns <= until_ms * NS_PER_MS:
        found.append((line.due_ns / NS_PER_MS, line.take(line.due_ns)[0]))
    return found


chunks = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 4000)), min_size=1, max_size=30)
links = st.builds(
    lambda delay_ms, share, loss: Link(delay_ms, share * delay_ms, loss),
    st.integers(0, 200),
    st.floats(0, 1),
    st.floats(0, 0.5),
)


@given(links, chunks, st.integers(0, 2**32))
def test_nothing_is_lost_or_overtakes_and_nothing_comes_before_its_time(link, chunks, seed):
    line, clock = DelayLine(link, Random(seed)), FakeClock()
    sent, came_out, earliest_ns = bytearray(), bytearray(), []

    def take():
        data, has_ended = line.take(clock())
        assert all(clock() >= earliest_ns[number] for number in set(data))
        came_out.extend(data)
        return has_ended

    for number, (after_ms, size) in enumerate(chunks):
        clock.advance(ms=after_ms)
        take()
        data = bytes([number]) * size
        line.put(clock(), data)
        sent += data
        earliest_ns.append(clock() + round((link.delay_ms - link.jitter_ms) * NS_PER_MS) - 1)
    line.put(clock(), b"")
    has_ended = False
    while line.due_ns is not None:
        assert not has_ended
        clock.advance(ns=max(0, line.due_ns - clock()))
        has_ended = take()
    assert has_ended
    assert came_out == sent
    assert line.size == 0


def test_without_jitter_and_loss_everything_takes_the_delay():
    line = DelayLine(Link(40), Random(0))
    line.put(0, b"a")
    line.put(5 * NS_PER_MS, b"b")
    assert line.take(40 * NS_PER_MS - 1) == (b"", False)
    assert came(line) == [(40, b"a"), (45, b"b")]


def test_a_lost_segment_comes_a_timeout_later_where_nothing_follows_it():
    line = DelayLine(Link(40, loss=0.1), Fated(True))
    line.put(0, b"a")
    assert came(line) == [(40 + 280, b"a")]


def test_the_timeout_doubles_with_each_loss():
    line = DelayLine(Link(40, loss=0.1), Fated(True, True, True))
    line.put(0, b"a")
    assert came(line) == [(40 + 280 + 560 + 1120, b"a")]


def test_what_follows_tells_of_the_loss_and_waits_for_it():
    """The second segment is acknowledged at 90 ms, and by then the first is overdue by a quarter of a round trip."""
    line = DelayLine(Link(40, loss=0.1), Fated(True))
    line.put(0, b"a")
    line.put(10 * NS_PER_MS, b"b")
    line.put(11 * NS_PER_MS, b"c")
    assert came(line) == [(20 + 80 + 40, b"abc")]


def test_it_isnt_known_before_a_later_segment_is_acknowledged():
    line = DelayLine(Link(40, loss=0.1), Fated(True))
    line.put(0, b"a")
    line.put(70 * NS_PER_MS, b"b")
    assert came(line) == [(70 + 80 + 40, b"ab")]


def test_a_late_one_changes_nothing_for_what_the_timeout_repairs():
    line = DelayLine(Link(40, loss=0.1), Fated(True))
    line.put(0, b"a")
    line.put(250 * NS_PER_MS, b"b")
    assert came(line) == [(320, b"ab")]


def test_what_was_lost_again_waits_for_the_timeout():
    line = DelayLine(Link(40, loss=0.1), Fated(True, True))
    line.put(0, b"a")
    line.put(10 * NS_PER_MS, b"b")
    assert came(line) == [(20 + 80 + 40 + 280, b"ab")]


def test_one_write_is_as_many_segments_as_it_takes():
    line = DelayLine(Link(40, loss=0.1), Fated(False, True))
    line.put(0, bytes(3 * SEGMENT_BYTES))
    assert [(at_ms, len(data)) for at_ms, data in came(line)] == [(40, SEGMENT_BYTES), (20 + 120, 2 * SEGMENT_BYTES)]


def test_losses_are_as_many_as_was_asked_for():
    """Of 20,000 segments 2% are 400; the standard deviation is 20."""
    count = sum(delay_line.losses(Random(f"{seed}"), 0.02) for seed in range(20_000))
    assert 300 < count < 500


def test_jitter_is_even_to_both_sides():
    line = DelayLine(Link(40, 10), Random(1))
    for number in range(4000):
        line.put(number * 1000 * NS_PER_MS, b"x")
    waits_ms = [at_ms - number * 1000 for number, (at_ms, _) in enumerate(came(line, 1e9))]
    assert min(waits_ms) < 31
    assert max(waits_ms) > 49
    assert 39.4 < sum(waits_ms) / 4000 < 40.6  # the mean's standard deviation is 0.09 ms


def test_connecting_takes_a_round_trip_and_after_a_loss_a_second_more():
    assert connecting_ns(Link(40), Random(0)) == 80 * NS_PER_MS
    assert connecting_ns(Link(40, loss=0.1), Fated(True, True)) == (80 + 1000 + 2000) * NS_PER_MS


def test_it_says_when_it_is_full_and_takes_more_when_something_has_come_out():
    line = DelayLine(Link(40), Random(0))
    line.put(0, bytes(MOST_BYTES - 1))
    assert not line.is_full
    line.put(NS_PER_MS, b"x")
    assert line.is_full
    line.take(40 * NS_PER_MS)
    assert (line.is_full, line.size) == (False, 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_chance_makes_the_same_schedule(seed):
    lines = [DelayLine(Link(40, 10, 0.2), Random(seed)) for _ in range(2)]
    for line in lines:
        for number in range(50):
            line.put(number * NS_PER_MS, b"x")
    assert came(lines[0]) == came(lines[1])
