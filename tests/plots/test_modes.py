"""A row for each strategy and mode that was measured, and none where not."""

import math

import matplotlib.pyplot as plt
import pytest

from labkit.base.errors import UsageError
from labkit.plots import modes as mode_plots
from labkit.runs.comparison import Comparison
from tests.support import simulated


def of(work, **cells):
    """`inline_gevent=30` is a bystander's 30 ms under inline in mode gevent."""
    runs = []
    for key, ms in cells.items():
        strategy, _, mode = key.rpartition("__")
        runs.append(simulated.run(strategy.replace("_", "-"), mode=mode, bystander_ms=ms, work=work))
    return Comparison(tuple(runs))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


COMPUTES = of("cpu:40ms", inline__threading=140, asgi_inline__asgi=180, process_pool__threading=1.4, inline__gevent=204)
WAITS = of("io_wait:40ms", inline__threading=0.9, asgi_inline__asgi=175, inline__gevent=math.inf)


def rows(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def numbers(axes):
    return [text.get_text() for text in axes.texts]


def title(*results, **about):
    return mode_plots.by_mode(*results, **about).get_suptitle().replace("\n", " ")


def test_a_row_is_a_strategy_and_a_mode_that_was_measured_and_no_other():
    figure = mode_plots.by_mode(COMPUTES, WAITS)
    computing, waiting = figure.axes
    assert rows(computing) == ["inline, threading", "inline, gevent", "inline, asgi", "process-pool, threading"]
    assert numbers(computing) == ["140", "204", "180", "1.4"]
    assert rows(waiting) == ["inline, threading", "inline, gevent", "inline, asgi"]
    assert numbers(waiting) == ["0.9", "never", "175"]
    assert (computing.get_title("left"), waiting.get_title("left")) == ("cpu:40ms", "io_wait:40ms")
    assert computing.get_xlim() == waiting.get_xlim()


def test_a_mark_is_where_its_number_says_and_hollow_where_it_waits_clearly_longer():
    marks = mode_plots.by_mode(COMPUTES).axes[0].lines[:4]
    assert [float(mark.get_xdata()[0]) for mark in marks] == [140, 204, 180, 1.4]
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [True, True, True, False]


def test_what_never_came_is_drawn_beyond_the_longest_wait():
    never, longest = mode_plots.by_mode(WAITS).axes[0].lines[1:3]
    assert never.get_xdata()[0] > longest.get_xdata()[0]
    assert (never.get_marker(), longest.get_marker()) == (">", "o")


def test_the_title_names_whichever_are_fewer_with_numbers_that_the_rows_show():
    assert title(COMPUTES, WAITS) == (
        "cpu:40ms: 1.4 ms under process-pool, 140 to 204 ms elsewhere "
        "io_wait:40ms: 0.9 ms under inline (threading), 175 ms to never elsewhere"
    )
    mixed = of("w", inline__threading=1, thread__threading=2, process_pool__threading=3, asgi_inline__asgi=50)
    assert title(mixed) == "w: 50 ms under inline (asgi), 1.0 to 3.0 ms elsewhere"
    assert title(COMPUTES, title="mine") == "mine"


def test_medians_without_a_twofold_gap_are_not_told_apart():
    assert title(of("w", inline__gevent=3)) == "w: 3.0 ms everywhere"
    even = of("w", inline__gevent=30, inline__threading=20, inline__gunicorn=50)
    assert title(even) == "w: 20 to 50 ms everywhere"
    assert all(mark.get_markerfacecolor() != "white" for mark in mode_plots.by_mode(even).axes[0].lines)
    noise = of("w", inline__gevent=0.2, inline__threading=0.9, inline__gunicorn=0.5)
    assert title(noise) == "w: 0.2 to 0.9 ms everywhere"


def test_where_nobody_was_answered_the_title_says_so():
    assert title(of("w", inline__gevent=math.inf)) == "w: nobody was answered"


def test_own_answers_have_such_a_figure_too():
    axes = mode_plots.by_mode(of("cpu:40ms", inline__gevent=3), of="own").axes[0]
    assert numbers(axes) == ["500"]  # the median of 100, 200, ... 1000 ms
    assert axes.get_xlabel() == "own answer, median (ms, log scale)"


def test_numbers_lie_within_the_panel():
    figure = mode_plots.by_mode(of("cpu:40ms", inline__threading=999, thread__threading=1000))
    figure.canvas.draw()
    right = figure.axes[0].get_window_extent().x1
    assert all(text.get_window_extent().x1 <= right for text in figure.axes[0].texts)


def test_what_is_no_such_figure_is_refused():
    for wrong in ((), (COMPUTES, COMPUTES), (Comparison(()),)):
        with pytest.raises(UsageError):
            mode_plots.by_mode(*wrong)
    with pytest.raises(UsageError, match="bystander, own"):
        mode_plots.by_mode(COMPUTES, of="everything")


def test_a_figure_of_nothing_that_was_answered_is_drawn():
    mode_plots.by_mode(of("cpu:40ms", inline__gevent=math.inf)).canvas.draw()
