"""Latency against rate: a point is hollow where its own latencies do not hold, and every mark is explained in words."""

import math

import pytest
from matplotlib import pyplot as plt

from labkit.experiments.capacity import Capacity, Trial
from labkit.plan.schedules import constant
from labkit.plots import capacity_curve
from labkit.plots.style import BLUE, RED
from tests.support import simulated

BOUND_MS = 100.0


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def capacity(*trials, arrivals="constant", workers=2):
    """Of trials that are each a rate, the callers' latency and the bystander's."""
    made = []
    for rate_hz, own_ms, bystander_ms in trials:
        run = simulated.run(
            plan=constant(rate_hz, events=200), own_ms=own_ms, bystander_ms=bystander_ms, pings=200
        )  # fmt: skip
        made.append(Trial.of(run, rate_hz, BOUND_MS))
    return Capacity(
        "thread-pool", "io_wait:20ms", "threading", BOUND_MS, arrivals, 90, 110, 50.0 * workers, 20, tuple(made), "", 9
    )


def hollow(figure, colour):
    """Of one kind of points, by rate, whether they are hollow."""
    points = [line for line in figure.axes[0].lines if line.get_color() == colour and len(line.get_xdata()) == 1]
    return {float(line.get_xdata()[0]): line.get_markerfacecolor() == "white" for line in points}


def explained(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_bystander_within_the_bound_does_not_break_where_callers_do():
    figure = capacity_curve(capacity((90, 22, 1.8), (110, 290, 1.5)))
    assert hollow(figure, BLUE) == {90: False, 110: True}
    assert hollow(figure, RED) == {90: False, 110: False}


def test_callers_within_the_bound_do_not_break_where_a_bystander_does():
    figure = capacity_curve(capacity((90, 22, 300), (110, 22, math.inf)))
    assert hollow(figure, BLUE) == {90: False, 110: False}
    assert hollow(figure, RED) == {90: True, 110: True}


def test_callers_break_where_they_are_within_the_bound_and_still_growing():
    growing = [1 + 0.25 * i for i in range(200)]
    figure = capacity_curve(capacity((90, 22, 1.0), (110, growing, 1.0)))
    assert hollow(figure, BLUE) == {90: False, 110: True}


def test_hollow_is_explained_where_a_point_is():
    assert "hollow: above the bound, or still growing" in explained(capacity_curve(capacity((110, 290, 1.5))))
    assert not [label for label in explained(capacity_curve(capacity((90, 22, 1.8)))) if "hollow" in label]


def test_theory_is_told_in_words():
    figure = capacity_curve(capacity((90, 22, 1.8)))
    assert "theory: even arrivals, first in first out" in explained(figure)
    assert figure.axes[0].get_title(loc="left") == "thread-pool\ntheory: 2 events at a time, 20 ms each"
    one = capacity_curve(capacity((40, 22, 1.8), arrivals="poisson", workers=1))
    assert "theory: random arrivals, first in first out" in explained(one)
    assert one.axes[0].get_title(loc="left").endswith("one event at a time, 20 ms each")


def test_title_and_legend_lie_within_the_figure():
    figure = capacity_curve(capacity((90, 22, 1.8), (110, 290, 1.5)))
    figure.canvas.draw()
    for artist in (figure._suptitle, *figure.legends):
        box = artist.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
