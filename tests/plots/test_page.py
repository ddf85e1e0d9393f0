"""Figures of a rendering: they hold on odd data, and their titles say what the data say."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

mpl.use("Agg")

from labkit.base.errors import UsageError
from labkit.browser.frontier import under
from labkit.browser.rendering import Measured, Rendering
from labkit.plots import page
from labkit.plots.style import BLACK
from labkit.runs.stages import NEVER
from tests.support.rendered import SETTINGS, exact, rendering, timed


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def title(figure):
    figure.canvas.draw()
    return figure._suptitle.get_text().replace("\n", " ")


def test_the_overview_says_what_was_counted():
    found = title(page.overview(rendering()))
    assert found == "20 updates in a frame are one layout, batched or not; geometry reads: 20"


def test_without_counts_it_says_who_keeps_the_page_busy():
    runs = {"a": (timed(task_ms=50.0),), "b": (timed(task_ms=100.0),)}
    result = Rendering(tuple(Measured(name, SETTINGS, runs=each) for name, each in runs.items()))
    assert title(page.overview(result)) == "a keeps the page busy for 50% of b's time"


def test_counts_that_say_otherwise_are_not_called_one_layout():
    result = Rendering((Measured("naive", SETTINGS, exact=exact(layouts=12)),))
    assert "one layout" not in title(page.overview(result))


@pytest.mark.parametrize(
    "measured",
    [
        (),
        (Measured("nothing", SETTINGS),),
        (Measured("broken", SETTINGS, runs=(timed(problem="x"),)),),
        (Measured("no clicks", SETTINGS, runs=(timed(clicks=0, inp_ms=None),)),),
        (Measured("no updates", {}, runs=(timed(events=0),)),),
        (Measured("never seen", SETTINGS, runs=(timed(never=range(4)),)),),
    ],
    ids=lambda measured: measured[0].name if measured else "empty",
)
def test_odd_data_is_drawn(measured):
    title(page.overview(Rendering(measured)))


def test_the_waterfall_says_where_the_time_goes():
    run = timed()
    updates = {**run.updates, "painted": run.updates["written"] + 10**9}
    assert title(page.waterfall(timed(updates=updates))).startswith(
        "Where the time of updates goes: written, not yet seen, 9"
    )


def test_a_waterfall_of_clicks_begins_at_each_click():
    figure = page.waterfall(timed(clicks=2, step_ms=10), of="clicks")
    title(figure)
    bars = [bar for container in figure.axes[0].containers for bar in container]
    assert len(bars) == 2 * len(page.CLICK_BARS)
    assert max(bar.get_x() + bar.get_width() for bar in bars) == pytest.approx(90)


def test_stages_that_were_not_reached_are_not_drawn():
    run = timed()
    nothing = {stage: np.full(4, NEVER) for stage in run.updates}
    assert title(page.waterfall(timed(updates=nothing))) == "No updates were seen"
    with pytest.raises(UsageError, match="of updates or of clicks"):
        page.waterfall(run, of="pings")


def test_where_nothing_was_measured_every_figure_says_why():
    absent = Rendering((), problems=("Nothing was measured: there is no browser.",))
    for figure in (
        page.overview(absent),
        page.waterfall_of(absent, "naive"),
        page.pipeline_of(absent, "naive", Path()),
        page.by_rate([1], [absent]),
        page.seen(absent),
        page.frontier(absent),
    ):
        assert [text.get_text() for text in figure.axes[0].texts] == ["Nothing was measured: there is no browser."]


def test_a_way_is_found_for_its_waterfall():
    assert title(page.waterfall_of(rendering(), "naive"))
    with pytest.raises(KeyError, match="was not measured"):
        page.waterfall_of(rendering(), "thrash")


def test_by_rate_shows_the_cost_of_one_update():
    slow, fast = rendering(), rendering()
    axes = page.by_rate([30, 200], [slow, fast]).axes[0]
    naive = next(line for line in axes.lines if line.get_label() == "naive")
    assert list(naive.get_xdata()) == [30, 200]
    assert list(naive.get_ydata()) == pytest.approx([110 / 4, 110 / 4])  # the median of three runs, over four updates
    assert "ms per update" in axes.get_ylabel()


# --- what a person feels: every point is drawn where it is, the frontier filled ---


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
        ([("a", 100, 10, 10, 16), ("b", 100, 10, 5000, 16)], "INP calls b good; what it shows is 20.0 s old"),
    ],
)
def test_the_frontiers_title_says_what_the_points_say(ways, said):
    assert title(page.frontier(varied(*ways))).startswith(said)


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
    figure = page.seen(result, guess_ms=300)
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
def test_odd_data_is_drawn_as_it_is_felt(measured):
    assert title(page.seen(Rendering(measured))).startswith("INP is ")
    assert title(page.frontier(Rendering(measured))) == "INP and staleness, way by way"
