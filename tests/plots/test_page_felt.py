"""The figures of what a person feels: every point is drawn where it is, the frontier filled, the title computed."""

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

mpl.use("Agg")

from labkit.browser.frontier import under
from labkit.browser.rendering import Measured, Rendering
from labkit.plots import page as figures
from labkit.plots.style import BLACK
from tests.plots.test_page import title
from tests.support.rendered import SETTINGS, timed


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def varied(*ways):
    """Ways as (name, rate, rows, step of the stages in ms, INP in ms); staleness is four steps."""
    return Rendering(
        tuple(
            Measured(
                under(name, rate_hz, rows),
                {**SETTINGS, "rate_hz": rate_hz, "rows": rows},
                runs=(timed(step_ms=step_ms, inp_ms=inp_ms),),
            )
            for name, rate_hz, rows, step_ms, inp_ms in ways
        )
    )


def drawn(axes):
    """The marks in a panel: (staleness, INP) -> whether filled."""
    marks = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata())]
    return {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])): line.get_markerfacecolor() == line.get_color()
        for line in marks
    }


def test_the_frontier_has_a_panel_a_number_of_rows_and_fills_who_is_best():
    result = varied(("a", 100, 10, 10, 16), ("b", 100, 10, 50, 16), ("a", 100, 20, 10, 80), ("b", 100, 20, 50, 16))
    figure = figures.frontier(result)
    title(figure)
    few, many = figure.axes
    assert (few.get_title(loc="left"), many.get_title(loc="left")) == ("10 rows", "20 rows")
    assert drawn(few) == {(40, 16): True, (200, 16): False}
    assert drawn(many) == {(40, 80): True, (200, 16): True}


def test_marks_differ_by_way_and_sizes_by_rate():
    result = varied(("a", 100, 10, 10, 16), ("a", 500, 10, 20, 16), ("b", 100, 10, 50, 16))
    figure = figures.frontier(result)
    title(figure)
    other, faster, first = (line for line in figure.axes[0].lines if line.get_linestyle() == "None")
    assert first.get_marker() == faster.get_marker() != other.get_marker()
    assert first.get_color() == faster.get_color() != other.get_color()
    assert first.get_markersize() < faster.get_markersize()
    (legend,) = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    assert told[:4] == ["a", "b", "100 updates/s", "500 updates/s"]
    assert BLACK in [handle.get_color() for handle in legend.legend_handles]


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        ([("a", 100, 10, 10, 16), ("b", 100, 10, 50, 16)], "Every way has a good INP here; staleness tells them apart"),
        ([("a", 100, 10, 10, 16), ("b", 100, 10, 50, 300)], "INP and staleness, way by way"),
        ([("a", 100, 10, 10, 16), ("b", 100, 10, 5000, 16)], "INP calls b good; what it shows is 20.0 s old"),
    ],
)
def test_the_frontiers_title_says_what_the_points_say(ways, said):
    assert title(figures.frontier(varied(*ways))).startswith(said)


def clicked(**ways):
    """Ways by name: INP in ms and the step of a click's stages; the result takes nine steps."""
    return Rendering(
        tuple(
            Measured(name, {}, runs=(timed(events=0, inp_ms=inp_ms, step_ms=step_ms),))
            for name, (inp_ms, step_ms) in ways.items()
        )
    )


def test_what_was_seen_is_told_by_verdict_and_by_the_last_result():
    result = clicked(A=(16.0, 100), B=(None, 110), page=(900.0, 100))
    figure = figures.seen(result, guess_ms=300)
    assert title(figure) == "INP is good under A and B, poor under page; the last result comes after 0.9 to 1.0 s"
    axes = figure.axes[0]
    marks = [line for line in axes.lines if line.get_marker() == "D" and len(line.get_xdata())]
    assert [float(line.get_xdata()[0]) for line in marks] == [16, 16, 900]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["A", "B", "page"]
    assert 300 in [float(line.get_xdata()[0]) for line in axes.lines if line.get_linestyle() == "--"]


@pytest.mark.parametrize(
    "measured",
    [
        (Measured("nothing", {}),),
        (Measured("broken", {}, runs=(timed(problem="x"),)),),
        (Measured("no clicks", {}, runs=(timed(clicks=0, inp_ms=None),)),),
    ],
    ids=lambda measured: measured[0].name,
)
def test_odd_data_is_drawn(measured):
    assert title(figures.seen(Rendering(measured))).startswith("INP is ")
    assert title(figures.frontier(Rendering(measured))) == "INP and staleness, way by way"


def test_where_nothing_was_measured_it_says_why():
    absent = Rendering((), problems=("Nothing was measured: there is no browser.",))
    for figure in (figures.seen(absent), figures.frontier(absent)):
        assert [text.get_text() for text in figure.axes[0].texts] == ["Nothing was measured: there is no browser."]
