"""Small drawings of durations: where they stand, and of what they are."""

import re

import numpy as np
import pytest

from labkit.inside.histogram import Counting
from labkit.ui.report_charts import WIDTH, Axis, Durations, axis, chart, durations, short
from tests.support import reported


def of(*values_ms):
    return Durations(np.array([round(each * 1e6) for each in values_ms], np.int64), np.ones(len(values_ms), np.int64))


def test_what_spans_decades_has_a_logarithmic_axis_and_all_of_a_kind_share_it():
    on = axis([of(0.02, 3), of(700)])
    assert on == Axis(1e4, 1e9, logarithmic=True)
    assert [on.x(each) for each in (1e4, 1e9)] == [0, WIDTH]
    assert on.x(1e6) - on.x(1e5) == pytest.approx(WIDTH / 5, abs=0.2)
    assert [text for _, text in on.ticks()] == ["10 us", "1 ms", "100 ms"]


def test_what_does_not_span_decades_begins_at_nothing():
    on = axis([of(20, 40)])
    assert on == Axis(0, 4e7, logarithmic=False)
    assert [text for _, text in on.ticks()] == ["0", "20 ms", "40 ms"]


def test_bars_stand_where_the_durations_are_and_the_median_between_them():
    on = axis([of(0.1, 100)])
    drawn = chart(of(0.1, 0.1, 0.1, 100), on)
    assert len(re.findall("M", drawn.bars)) == 2
    heights = [float(each) for each in re.findall(r"v-([\d.]+)", drawn.bars)]
    assert heights[0] / heights[1] == pytest.approx(3, rel=0.01)
    assert drawn.median_x == on.x(1e5)
    assert chart(of(), axis([of()])) is None


def test_of_a_ring_that_has_lost_events_all_are_drawn_that_ever_came():
    record, _ = reported.crowded(100)
    counting = Counting()
    for _ in range(1_000):
        counting.add(1_000_000, 2_000_000, 3_000_000)
    told = {name: counting.snapshot() for name in record.names}
    lost = reported.changed(record, events_seen=4_000, long_run=told)
    found = durations(lost, 0, 0)
    assert found["service"].counts.sum() == 1_000
    assert found["service"].values_ns[0] == pytest.approx(2_000_000, rel=0.04)
    assert durations(record, 0, 0)["service"].counts.sum() == record.events["name"].tolist().count(0)


@pytest.mark.parametrize(("value_ns", "text"), [(0, "0"), (1e3, "1 us"), (2.5e6, "2.5 ms"), (1e10, "10 s")])
def test_an_axis_is_short_of_words(value_ns, text):
    assert short(value_ns) == text
