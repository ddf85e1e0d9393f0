"""Buckets whose width grows with the duration: no value is told more than 3% too long, and the counts are exact."""

import random

import pytest

from labkit.inside.histogram import BUCKETS, KINDS, Counting, Histogram, bucket, upper_ns


def test_short_durations_have_a_bucket_each():
    assert [bucket(value) for value in range(64)] == list(range(64))


@pytest.mark.parametrize("bits", range(1, 43))
def test_a_bucket_holds_what_it_says_and_is_narrow(bits):
    for value in {2 ** (bits - 1), 2**bits - 1, random.Random(bits).randrange(2 ** (bits - 1), 2**bits)}:
        at = bucket(value)
        assert value <= upper_ns(at) <= value * (1 + 1 / 32)
        assert at == 0 or upper_ns(at - 1) < value


def test_what_is_below_nothing_or_beyond_the_last_bucket_is_counted_in_the_outermost():
    assert bucket(-5) == 0
    assert bucket(2**60) == BUCKETS - 1


def test_counting_does_what_bucket_says():
    values = [0, 31, 32, 63, 64, 999, 123_456, 10**9, 10**13, -1]
    counting = Counting()
    for value in values:
        counting.add(value, value, value)
    told = counting.snapshot()
    assert tuple(told) == KINDS
    for value in values:
        assert told["queue_ns"].counts[bucket(value)]
        assert told["service_ns"].counts[bucket(value)]
    assert [len(told[kind]) for kind in KINDS] == [10, 10, 9]  # a CPU time below 0 is not known
    assert told["cpu_ns"].total_ns == sum(min(value, 2**43 - 1) for value in values if value >= 0)


def test_percentiles():
    counting = Counting()
    for value_ms in range(1, 101):
        counting.add(0, value_ms * 1_000_000, 0)
    service = counting.snapshot()["service_ns"]
    assert service.percentile_ns(50) == pytest.approx(50e6, rel=0.04)
    assert service.percentile_ns(99) == pytest.approx(99e6, rel=0.04)
    assert Counting().snapshot()["cpu_ns"].percentile_ns(50) is None


def test_a_snapshot_does_not_change_and_goes_to_json_and_back():
    counting = Counting()
    counting.add(5, 500, 5_000)
    told = counting.snapshot()["service_ns"]
    counting.add(5, 500, 5_000)
    assert len(told) == 1
    assert Histogram.from_json(told.to_json()) == told
