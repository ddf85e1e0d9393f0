"""Figures of a rendering: they hold on odd data, and their titles say what the data say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labkit.base.errors import UsageError
from labkit.browser.rendering import Measured, Rendering
from labkit.plots import page
from labkit.runs.stages import NEVER
from tests.support.figures import title
from tests.support.rendered import SETTINGS, exact, rendering, timed


def test_the_overview_says_what_was_counted():
    found = title(page.overview(rendering()))
    assert found == "20 updates in a frame cost one layout, and 20 where the page reads geometry in between"


def test_of_two_ways_it_says_that_batching_made_no_difference():
    ways = {"naive": {}, "dom-batch": {"dom_ops": 30}, "forced": {"layouts": 200, "forced": 200}}
    result = Rendering(tuple(Measured(name, SETTINGS, exact=exact(**about)) for name, about in ways.items()))
    assert title(page.overview(result)).startswith(
        "20 updates in a frame cost one layout, batched or not, and 20 where"
    )


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
        page.inp_parts(absent),
        page.few_updates(absent),
        page.frontier(absent),
    ):
        assert [text.get_text() for text in figure.axes[0].texts] == ["Nothing was measured: there is no browser."]


def test_what_a_canvas_has_none_of_is_written_as_none():
    ways = (Measured("naive", SETTINGS, exact=exact()), Measured("canvas", SETTINGS, exact=exact(dom_ops=0, layouts=0)))
    figure = page.overview(Rendering((*ways, Measured("forced", SETTINGS, exact=exact(layouts=200, forced=200)))))
    assert title(figure) == "20 updates in a frame cost one layout, and 20 where the page reads geometry in between"
    for panel in figure.axes[:2]:
        assert [text.get_text() for text in panel.texts].count("none") == 1
    title(page.overview(Rendering(ways[1:])))


def test_a_waterfall_explains_no_stage_that_cannot_be_seen():
    run = timed(clicks=2)
    clicks = {name: column.copy() for name, column in run.clicks.items()}
    clicks["painted"] = clicks["delivered"] + 1000
    figure = page.waterfall(replace(run, clicks=clicks), of="clicks")
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "server to page" in told
    assert "answered, not yet seen" not in told


def test_a_waterfall_that_leaves_updates_out_says_so():
    assert page.waterfall(timed()).axes[0].get_ylabel() == "update"
    assert page.waterfall(timed(), first=3).axes[0].get_ylabel() == "update: 0 to 2 of 4"


@pytest.mark.parametrize(
    ("asked_ms", "cpu_ms", "said"),
    [
        (10, 10.0, ""),
        (13, 10.0, "The work was to take 13 ms of the processor and took 10: it is a number of calculations, and the "
         "core is quicker now than when that number was found."),
        (8, 10.0, "The work was to take 8 ms of the processor and took 10: it is a number of calculations, and the "
         "core is slower now than when that number was found."),
        (4, 4.0, "The work used 4 ms of the processor and took 10: meanwhile others had the GIL or the "
         "processor."),
        (10, 0.1, ""),
        (10, None, ""),
        (None, 10.0, ""),
    ],
)  # fmt: skip
def test_a_waterfall_of_clicks_says_why_work_took_another_time_than_was_asked(asked_ms, cpu_ms, said):
    each = Measured("a", {**SETTINGS, "work_ms": asked_ms}, runs=(timed(work_cpu_ms=cpu_ms),))  # a stage takes 10 ms
    label = page.waterfall_of(Rendering((each,)), "a", of="clicks").axes[0].get_xlabel()
    assert " ".join(label.split()) == f"ms since the click {said}".strip()
    assert any("number of calculations" in note for note in Rendering((each,)).notes) == ("number of" in said)


def test_a_way_whose_trace_was_not_kept_has_no_pipeline_and_says_why():
    figure = page.pipeline_of(rendering(), "forced", Path())
    (said,) = (" ".join(text.get_text().split()) for text in figure.axes[0].texts)
    assert said == "No trace of forced was kept: record one (trace=True), and name a folder for it (folder=)."


# --- one update in a frame ---


def few(batched_ms=40.0, **changes):
    """naive's updates are shown after 40 ms."""
    return Rendering(
        tuple(
            Measured(name, SETTINGS, exact=exact(per_frame=1, **about), runs=(timed(step_ms=shown_ms / 4),))
            for name, shown_ms, about in (("naive", 40.0, {}), ("dom-batch", batched_ms, changes))
        )
    )


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (few(), "dom-batch saves nothing and costs nothing: the medians of staleness are 0.0 ms apart"),
        (few(60.0), "dom-batch saves nothing; its updates are 20 ms staler"),
        (few(20.0, dom_ops=10), "dom-batch changes the counts; its updates are 20 ms fresher"),
    ],
)
def test_whether_one_update_in_a_frame_gains_by_waiting(result, said):
    figure = page.few_updates(result)
    assert title(figure) == f"With one update in a frame {said}"
    counts, ages = figure.axes
    assert list(counts.lines[0].get_xdata()) == [60, 1, 1, 2]
    assert next(line.get_xdata()[0] for line in ages.lines if len(line.get_xdata())) == 40


def test_several_updates_in_a_frame_are_no_answer_to_that():
    figure = page.few_updates(rendering())
    assert "ask browser.few_updates" in " ".join(figure.axes[0].texts[0].get_text().split())


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


def test_by_rate_says_that_updates_become_cheaper_only_where_all_do():
    def at(**task_ms):
        return Rendering(tuple(Measured(name, SETTINGS, runs=(timed(task_ms=ms),)) for name, ms in task_ms.items()))

    cheaper = page.by_rate([30, 200], [at(a=100.0, b=100.0), at(a=50.0, b=60.0)])
    assert title(cheaper) == "An update costs less the more of them share a frame, batched or not"
    assert title(page.by_rate([30, 200], [at(a=100.0), at(a=50.0)])).endswith("share a frame")
    dearer = page.by_rate([30, 200], [at(a=100.0, b=100.0), at(a=50.0, b=120.0)])
    assert title(dearer) == "What one update costs, by how many come"
