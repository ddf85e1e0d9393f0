"""The figure of a run that was fired at an app: nothing is drawn that nobody knows, and what never came is marked."""

import math

import numpy as np

from labkit import plots
from labkit.runs import difference
from tests.runs.test_one_app import across
from tests.support import simulated


def drawn(**run):
    figure = plots.over_time(simulated.run(**run))
    own, bystander = figure.axes
    return own, bystander


def test_each_answer_and_each_ping_is_a_point_and_what_never_came_a_cross():
    own, bystander = drawn(own_ms=[5, 7, math.inf, 9], bystander_ms=[1, math.inf, 1], plan=None)
    points, crosses = own.lines
    assert points.get_ydata().tolist() == [5, 7, 9]
    assert len(crosses.get_xdata()) == 1
    assert own.get_title(loc="left") == "Own answers: median 7.0 ms, max never; 1 of 4 never (x)"
    assert len(bystander.lines[0].get_ydata()) == 2


def test_the_title_says_both_medians():
    own, _ = drawn(own_ms=[5, 7, 9], bystander_ms=[1, 2, 3], plan=None)
    assert own.figure.get_suptitle() == "cpu:100ms is answered after 7.0 ms, a bystander after 2.0 ms (medians)"


def test_what_nobody_knows_is_said_and_not_drawn():
    own, bystander = drawn(outcomes=["sent"] * 3, pings=0)
    assert own.get_title(loc="left") == "Own answers: not known"
    assert bystander.get_title(loc="left") == "Bystander: not known"
    assert all(np.size(line.get_ydata()) == 0 for axes in (own, bystander) for line in axes.lines)


def test_each_server_has_a_row_and_the_title_is_the_finding(monkeypatch):
    monkeypatch.setattr(difference, "RESAMPLES", 99)
    found = across({"threading": {"own_ms": 40}, "gevent": {"own_ms": 20}})
    figure = plots.by_server(found)
    own, bystander = figure.axes
    assert [label.get_text() for label in own.get_yticklabels()] == ["threading", "gevent"]
    assert own.get_title(loc="left") == "Own answer"
    assert bystander.get_title(loc="left") == "Bystander"
    assert figure.get_suptitle().replace("\n", " ") == found.soonest[0]


def test_one_server_is_drawn_without_a_comparison():
    figure = plots.by_server(across({"gevent": {"own_ms": 20}}, repeats=1))
    assert figure.get_suptitle().startswith("price is answered after 20 ms")
