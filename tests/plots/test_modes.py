"""The matrix: a cell for each strategy and mode that was measured, and none where not."""

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


def texts(axes):
    return [[t.get_text() for t in axes.texts if t.get_position()[1] == row] for row in range(len(axes.get_yticks()))]


COMPUTES = of("cpu:40ms", inline__threading=140, asgi_inline__asgi=180, process_pool__threading=1.4, inline__gevent=204)
WAITS = of("io_wait:40ms", inline__threading=0.9, asgi_inline__asgi=175, inline__gevent=math.inf)


def test_a_row_is_a_handling_and_a_column_a_mode():
    figure = mode_plots.matrix(COMPUTES, WAITS)
    computing, waiting = figure.axes[:2]
    assert [label.get_text() for label in computing.get_yticklabels()] == ["inline", "process-pool"]
    assert [label.get_text() for label in computing.get_xticklabels()] == ["threading", "gevent", "asgi"]
    assert texts(computing) == [["140", "204", "180"], ["1.4", "", ""]]
    assert texts(waiting) == [["0.9", "never", "175"], ["", "", ""]]
    assert (computing.get_title("left"), waiting.get_title("left")) == ("cpu:40ms", "io_wait:40ms")


def test_the_title_names_whichever_are_fewer():
    said = mode_plots.matrix(COMPUTES, WAITS).get_suptitle().replace("\n", " ")
    assert said == (
        "cpu:40ms: 10 ms or less only under process-pool io_wait:40ms: 10 ms or less only under inline (threading)"
    )
    mixed = of("w", inline__threading=1, thread__threading=2, process_pool__threading=3, asgi_inline__asgi=50)
    assert mode_plots.matrix(mixed).get_suptitle() == "w: 10 ms or less except under inline (asgi)"
    assert mode_plots.matrix(of("w", inline__gevent=3)).get_suptitle() == "w: at most 3.0 ms everywhere"
    assert mode_plots.matrix(of("w", inline__gevent=30)).get_suptitle() == "w: at most 30 ms everywhere"
    twice = mode_plots.matrix(of("w", inline__gevent=30, inline__threading=20, inline__gunicorn=50))
    assert twice.get_suptitle() == "w: 40 ms or less except under inline (gunicorn)"
    assert mode_plots.matrix(of("w", inline__gevent=math.inf)).get_suptitle() == "w: nobody was answered"
    assert mode_plots.matrix(COMPUTES, title="mine").get_suptitle() == "mine"


def test_own_answers_have_a_matrix_too():
    axes = mode_plots.matrix(of("cpu:40ms", inline__gevent=3), of="own").axes[0]
    assert texts(axes) == [["500"]]  # the median of 100, 200, ... 1000 ms


def test_what_is_no_matrix_is_refused():
    for wrong in ((), (COMPUTES, COMPUTES), (Comparison(()),)):
        with pytest.raises(UsageError):
            mode_plots.matrix(*wrong)
    with pytest.raises(UsageError, match="bystander, own"):
        mode_plots.matrix(COMPUTES, of="everything")


def test_a_matrix_of_nothing_that_was_answered_is_drawn():
    mode_plots.matrix(of("cpu:40ms", inline__gevent=math.inf)).canvas.draw()
