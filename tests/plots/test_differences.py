"""The figure of two sets of runs side by side: a row a figure, factors about 1, never answered said in words."""

import math

import numpy as np
import pytest
from matplotlib import pyplot as plt

from labkit import plots
from labkit.runs.diff import diff
from tests.runs.test_diff import side


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_row_a_figure_and_one_in_the_middle():
    found = diff(side(6, 1), side(6, 2, slower=2))
    figure = plots.diff(found)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"inline  {change.quantity.name}" for change in found
    ]
    low, high = axes.get_xlim()
    assert low * high == pytest.approx(1)
    assert high > found.changes[0].found.high
    points = [line for line in axes.get_lines() if line.get_marker() in ("D", "o", "s", "x")]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([change.found.factor for change in found])
    assert figure.get_suptitle() == found.sentences[0]


def test_what_never_came_is_said():
    (axes,) = plots.diff(diff(side(6, 1), side(6, 2, own_ms=math.inf))).axes
    assert "never answered" in [text.get_text() for text in axes.texts]


def test_few_runs_are_a_cross():
    (axes,) = plots.diff(diff(side(2, 1), side(2, 2))).axes
    assert {line.get_marker() for line in axes.get_lines()} & {"x", "D", "s", "o"} == {"x"}


@pytest.mark.parametrize("slower", [1.01, 1.3, 4, 30, 500])
def test_the_factors_on_the_axis_lie_apart_and_on_both_sides_alike(slower):
    (axes,) = plots.diff(diff(side(6, 1), side(6, 2, slower=slower))).axes
    low, high = axes.get_xlim()
    named = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert 1 in named
    assert [1 / tick for tick in reversed(named)] == pytest.approx(named)
    assert np.diff(np.log(named)).min() >= 0.18 * math.log(high) * 0.999
