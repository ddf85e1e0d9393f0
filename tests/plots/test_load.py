"""Figures about too much of something: a finding, units, and every case that a measurement can end in."""

import math
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from labkit.base.errors import UsageError
from labkit.experiments.batching import Batching, Window
from labkit.experiments.slow_reader import Backlog
from labkit.plots import load as plots
from tests.support import simulated

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn(figure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    width, _ = figure.get_size_inches() * figure.dpi
    assert width <= 880
    assert not [t for t in [figure.get_suptitle()] if "nan" in t or "inf " in t]
    return figure


def grown(threads, mb):
    return {"samples": [(0, 9, 5e7, 0), (50, 9 + threads, 5e7 + mb * 1e6, 0), (100, 9, 5e7, 0)]}


def test_threads_and_memory_are_told_as_more_than_before():
    result = simulated.comparison({"inline": grown(200, 7), "thread-pool": grown(5, 1)})
    figure = drawn(plots.resources(result))
    title = "10 events at once from 10 clients: 200 threads more under inline, 5 under thread-pool"
    assert figure.get_suptitle().replace("\n", " ") == title
    threads, memory = figure.axes
    assert max(line.get_ydata().max() for line in threads.lines) == 200
    assert max(line.get_ydata().max() for line in memory.lines) == pytest.approx(7)
    assert len(threads.lines) == 6  # a line a run


def test_where_threads_differ_little_no_strategy_is_named():
    figure = drawn(plots.resources(simulated.comparison({"inline": grown(5, 1), "thread": grown(6, 1)})))
    assert figure.get_suptitle() == "10 events at once from 10 clients: at most 6 threads more than before"


def test_runs_that_nobody_looked_at_have_no_figure():
    with pytest.raises(UsageError, match="nobody looked"):
        plots.resources(simulated.comparison({"inline": {}}, threads=None))


def test_every_event_is_seen_whether_answered_or_refused():
    shedding = {"own_ms": [2, 2, 40, 80], "outcomes": ["shed", "superseded", "answered", "answered"]}
    queueing = {"own_ms": [100, 200, 300, 400]}
    figure = drawn(plots.told(simulated.comparison({"load-shedding": shedding, "ack-first": queueing})))
    first, second = figure.axes
    assert first.get_title(loc="left") == "load-shedding: 2 of 4 answered, within 80 ms"
    assert second.get_title(loc="left") == "ack-first: 4 of 4 answered, within 400 ms"
    seen = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in first.lines}
    assert seen == {"answered": ([3, 4], [40, 80]), "shed": ([1], [2]), "superseded": ([2], [2])}
    assert second.get_legend() is None
    assert first.get_ylim() == second.get_ylim()
    assert second.get_ylim()[1] > 400
    assert figure.get_suptitle().splitlines() == [
        "load-shedding tells 2 of 4 within 2.0 ms that they get no answer",
        "ack-first answers all, the last after 400 ms",
    ]


def test_parameters_are_told_only_where_they_tell_strategies_apart():
    def titles(*names):
        shown = {name: {"own_ms": [100, 200]} for name in names}
        return [axes.get_title(loc="left").partition(":")[0] for axes in drawn(plots.told(comparison(shown))).axes]

    comparison = simulated.comparison
    assert titles("ack-first, workers=2", "conflate, workers=2") == ["ack-first", "conflate"]
    assert titles("conflate, workers=2", "conflate, workers=4") == ["conflate, workers=2", "conflate, workers=4"]


def test_a_mark_at_0_is_drawn_whole():
    shed = {"own_ms": [0.1, 0.1, 40, 1000], "outcomes": ["shed", "shed", "answered", "answered"]}
    axes = drawn(plots.told(simulated.comparison({"load-shedding": shed}))).axes[0]
    (crosses,) = (line for line in axes.lines if line.get_label() == "shed")
    pixels = axes.transData.transform((1, 0.1))[1] - axes.get_window_extent().y0
    assert pixels > crosses.get_markersize() * axes.figure.dpi / 72 / 2


def test_a_mark_at_the_top_is_drawn_whole():
    together = {"own_ms": [409, 410, 411, 411]}  # so near that a margin of their span is none
    axes = drawn(plots.told(simulated.comparison({"inline": together}))).axes[0]
    (dots,) = axes.lines
    pixels = axes.get_window_extent().y1 - axes.transData.transform((1, 411))[1]
    assert pixels > dots.get_markersize() * axes.figure.dpi / 72 / 2


def test_where_all_are_answered_the_slowest_is_told_and_nobody_is_said_to_be_refused():
    figure = drawn(plots.told(simulated.comparison({"a": {"own_ms": [5, 9]}, "b": {"own_ms": [5, 700]}})))
    assert figure.get_suptitle() == "Every event is answered, the last after 700 ms"


def test_where_nobody_answered_no_time_is_told():
    figure = drawn(plots.told(simulated.comparison({"inline": {"own_ms": [math.inf] * 3}})))
    assert figure.axes[0].get_title(loc="left") == "inline: 0 of 3 answered"
    assert figure.get_suptitle() == "Nobody is told whether an answer will come"


def test_the_same_strategy_is_told_apart_by_who_sent():
    one = simulated.comparison({"inline": {"own_ms": [9, 9], "clients": 1}})
    two = simulated.comparison({"inline": {"own_ms": [3, 700], "clients": 2}})
    figure = drawn(plots.told(one + two))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "inline (one client): 2 of 2 answered, within 9 ms",
        "inline (2 clients): 2 of 2 answered, within 700 ms",
    ]
    assert figure.get_suptitle() == "Every event is answered, the last after 700 ms"


def backlog(name="inline", waiting=(1, 2, 3), queued=(1, 2, 0), **about):
    run = simulated.run(name, **{**grown(3, 20), **about})
    return Backlog(
        run,
        np.arange(len(waiting)) * 10.0,
        np.array(waiting, int),
        np.array(queued, int),
        60.0,
        np.array(waiting, int) * 7_000_000,
        7_000_000,
    )


def test_a_slow_readers_pile_is_told_beside_what_the_queue_says():
    figure = drawn(plots.slow_readers([backlog(), backlog("drop-for-slow", (1,), (1,), **grown(3, 0))]))
    said = figure.get_suptitle().replace("\n", " ")
    assert said == "Messages kept for a client that does not read: 3 under inline (21 MB), 1 under drop-for-slow (7 MB)"
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert [label for label in labels if "qsize" in label] == ["inline: what qsize() says"]


def doubling(mb_when_read):
    """Memory of 20 MB until the client reads at 60 ms, and then so much."""
    return {"samples": [(0, 9, 5e7, 0), (50, 9, 7e7, 0), (70, 9, 5e7 + mb_when_read * 1e6, 0)]}


def told_in(axes):
    return [text.get_text() for text in axes.texts]


def test_a_pile_that_doubles_when_it_is_read_is_explained_and_no_other():
    messages, memory = drawn(plots.slow_readers([backlog(**doubling(40))])).axes
    assert told_in(messages) == ["the client begins to read"]
    assert told_in(memory) == ["all that waits is encoded, and kept twice until it is sent"]
    assert told_in(plots.slow_readers([backlog(**doubling(22))]).axes[1]) == []


def test_no_line_runs_through_an_explanation():
    figure = drawn(plots.slow_readers([backlog(**doubling(40)), backlog("drop-for-slow", (1,), (1,), **doubling(20))]))
    for axes in figure.axes:
        for text in axes.texts:
            box = text.get_window_extent()
            points = [axes.transData.transform(np.column_stack(line.get_data())) for line in axes.lines[:-1]]
            for x, y in (np.asarray(each).T for each in points):
                across = np.linspace(box.x0, box.x1, 50)
                height = np.interp(across, x, y)
                assert not ((height > box.y0) & (height < box.y1)).any()


def test_a_pile_of_nothing_is_drawn():
    drawn(plots.slow_readers([backlog(waiting=(), queued=())]))
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.slow_readers([])


def windows(*rows):
    return Batching(tuple(Window(*row) for row in rows), simulated.comparison({"inline": {}}))


def test_the_trade_off_is_told_by_the_widest_window():
    found = windows((0, 800, 800.0, 400.0, 2.0, 9.0), (50, 800, 40.0, 300.0, 27.0, 60.0))
    figure = drawn(plots.batching_windows(found))
    said = figure.get_suptitle().replace("\n", " ")
    assert said == "A window of 50 ms saves 95% of the messages: 75% of the CPU is spent, answers are 27 ms old"
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["none", "50"]
    assert figure.axes[2].lines[1].get_ydata().tolist() == [2.0, 27.0]  # theory: half a window more


def test_context_switches_are_drawn_and_told_where_they_were_counted():
    found = windows((0, 800, 800.0, 400.0, 2.0, 9.0, 1000.0), (50, 800, 40.0, 300.0, 27.0, 60.0, 600.0))
    figure = drawn(plots.batching_windows(found))
    assert "60% of the context switches are left" in figure.get_suptitle().replace("\n", " ")
    assert figure.axes[1].lines[0].get_ydata().tolist() == [1000.0, 600.0]
    assert figure.axes[3].lines[1].get_ydata().tolist() == [2.0, 27.0]


def test_hardly_anything_saved_looks_like_hardly_anything():
    figure = drawn(
        plots.batching_windows(windows((0, 800, 800.0, 400.0, 2.0, 9.0), (50, 800, 792.0, 300.0, 27.0, 60.0)))
    )
    saved = figure.axes[0]
    assert saved.lines[0].get_ydata()[1] < saved.get_ylim()[1] / 50


def test_a_trade_off_without_inline_has_no_theory():
    figure = drawn(plots.batching_windows(windows((10, 800, 80.0, math.nan, 7.0, 9.0))))
    assert len(figure.axes[2].lines) == 1
    assert "CPU" not in figure.get_suptitle()
