"""Figures of a rendering: they hold on odd data, and their titles say what the data say."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

mpl.use("Agg")

from labkit.base.errors import UsageError
from labkit.browser.rendering import Measured, Rendering
from labkit.plots import page
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
    assert "ms an update" in axes.get_ylabel()
