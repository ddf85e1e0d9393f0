"""Figures of a reader's app: what is drawn, and the finding above it."""

import dataclasses
import warnings

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

from labkit import plots
from labkit.base.errors import UsageError
from tests.support.shop_day import seen

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn(figure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    assert figure.get_size_inches()[0] * figure.dpi <= 831
    return figure


def texts(axes):
    return [text.get_text() for text in axes.texts]


def labels(axis):
    return [" ".join(label.get_text().split()) for label in axis.get_ticklabels()]


def test_blame_has_a_row_each_who_made_others_wait_with_cause_and_line():
    figure = drawn(plots.blame(seen()))
    (axes,) = figure.axes
    assert set(labels(axes.yaxis)) == {
        "stock held the receive loop of its client",
        "a client does not read what price sends shop/app.py:75 in price",
        "report held the GIL shop/report.py:18 in bought_together",
    }
    assert "messages to a client" in labels(axes.xaxis)
    assert "500 ms" in texts(axes)
    assert " ".join(figure.get_suptitle().split()).startswith("report held the GIL at shop/report.py:18")


def test_blame_takes_what_lab_blame_gives_and_says_where_there_is_nothing():
    quiet = seen(report="elsewhere", own_waits=0, others_wait=0, unsent=0).blame
    figure = drawn(plots.blame(dataclasses.replace(quiet, cells=(), lines=(), rows=())))
    assert figure.get_suptitle() == "Nothing to blame"
    assert drawn(plots.blame(seen().blame, title="mine")).get_suptitle() == "mine"


def test_where_nobody_waited_for_long_no_cell_is_dark():
    short = seen(own_waits=0.1, others_wait=0, unsent=0, report="elsewhere")
    (image,) = drawn(plots.blame(short)).axes[0].images
    assert image.get_clim()[1] > 4 * image.get_array().max()


def test_event_times_has_a_panel_a_run_with_shades_and_the_guess():
    figure = drawn(
        plots.event_times({"before": seen(), "after": seen(own_waits=0)}, "search", during="stock", guess_ms=300)
    )
    before, after = figure.axes
    assert [len(axes.lines[0].get_xdata()) for axes in (before, after)] == [18, 18]
    assert before.get_ylim() == after.get_ylim()
    assert before.get_ylim()[1] > 300
    assert len(before.patches) == 1
    assert before.lines[1].get_ydata()[0] == 300
    assert figure.get_suptitle() == "search takes up to 190 ms (before), 190 ms (after)"
    assert "your guess" in after.get_xlabel()


def test_event_times_of_what_never_came():
    with pytest.raises(UsageError, match="no run has an event 'buy'"):
        plots.event_times({"before": seen()}, "buy")


def test_packets_are_calls_times_receivers():
    figure = drawn(plots.packets({"before": seen(), "after": seen(to=True)}))
    (axes,) = figure.axes
    assert figure.get_suptitle() == "basket: 15 packets (before), 3 (after)"
    assert [bar.get_width() for bar in axes.patches] == [15, 5, 3, 5]
    assert drawn(plots.packets({"only": seen()})).get_suptitle() == "Packets to clients, by what was emitted"


def test_unsent_counts_what_no_socket_took():
    figure = drawn(plots.unsent({"before": seen(), "after": seen(unsent=1)}))
    (axes,) = figure.axes
    before, after = (line.get_ydata()[-1] for line in axes.lines)
    assert before == 1
    assert figure.get_suptitle() == f"Packets that no socket took: {before} (before), {after} (after)"
