"""INP against staleness: every point is drawn where it is, the frontier filled, and no name covers another."""

import pytest

from labkit.browser.frontier import under
from labkit.browser.rendering import Measured, Rendering
from labkit.plots import page
from labkit.plots.style import BLACK
from tests.support.figures import title
from tests.support.rendered import SETTINGS, timed


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
    figure = page.frontier(result)
    title(figure)
    few, many = figure.axes
    assert (few.get_title(loc="left"), many.get_title(loc="left")) == ("10 rows", "20 rows")
    assert drawn(few) == {(40, 16): True, (200, 16): False}
    assert drawn(many) == {(40, 80): True, (200, 16): True}


def test_a_few_marks_are_named_where_they_are_and_many_in_a_legend():
    few = page.frontier(varied(("a", 100, 10, 10, 16), ("b", 100, 10, 50, 16)))
    title(few)
    assert {text.get_text() for text in few.axes[0].texts} == {"a", "b"}
    assert not few.legends
    many = page.frontier(varied(*((name, 100, 10, 10, 16) for name in "abcdefg")))
    title(many)
    assert not many.axes[0].texts
    assert many.legends


def test_names_of_near_marks_do_not_cover_one_another():
    near = (("naive", 100, 10, 34, 24), ("virtual", 100, 10, 22, 24), ("budget", 100, 10, 28, 32))
    far = (("server-batch-200", 100, 10, 65, 32), ("forced", 100, 10, 250, 40))
    figure = page.frontier(varied(*near, *far))
    title(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 5
    assert not [one for at, one in enumerate(boxes) for other in boxes[:at] if one.overlaps(other)]


def test_marks_differ_by_way_and_sizes_by_rate():
    result = varied(("a", 100, 10, 10, 16), ("a", 500, 10, 20, 16), ("b", 100, 10, 50, 16))
    figure = page.frontier(result)
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
        ([("a", 100, 10, 10, 16), ("b", 100, 10, 5000, 16)], "b has a good INP, and what it shows is 20.0 s old"),
    ],
)
def test_the_frontiers_title_says_what_the_points_say(ways, said):
    assert title(page.frontier(varied(*ways))).startswith(said)
