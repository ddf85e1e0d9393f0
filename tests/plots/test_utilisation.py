"""The figure of load that lasts: a line a strategy with its label, theory, a capacity, and a finding that is drawn."""

import dataclasses
import itertools
import math
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from labkit import plots
from labkit.experiments.capacity import Capacity
from labkit.experiments.sustained import Sustained
from labkit.plots.utilisation import apart
from tests.support import queued

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn(*shown, **asked):
    figure = plots.sustained(*shown, **asked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    width, height = figure.get_size_inches() * figure.dpi
    assert round(width) == 830
    assert height <= 700
    assert "nan" not in figure.get_suptitle()
    return figure


def said(figure):
    return figure.get_suptitle().replace("\n", " ")


def labels(axes):
    return [text.get_text() for text in axes.texts]


CAPACITY = Capacity("thread-pool", "io_wait:20ms", "threading", 200, "poisson", 90, 110, 100, 20.0, (), "", 1)


def test_each_panel_has_a_line_a_strategy_labelled_at_its_end_and_no_legend():
    figure = drawn(queued.sustained())
    own, bystander, good = figure.axes
    for axes, theory in ((own, True), (bystander, False), (good, True)):
        expected = {"ack-first", "load-shedding"} | ({"theory: first in, first out"} if theory else set())
        assert set(labels(axes)) == expected
        assert axes.get_legend() is None
        assert axes.get_yscale() == "linear"
    assert [text.get_text() for text in good.get_xticklabels()] == ["50%", "90%", "150%"]


def test_the_lines_are_what_was_measured():
    found = queued.sustained()
    own, _, good = drawn(found).axes
    measured = [line.get_ydata().tolist() for line in own.lines if line.get_marker() == "o"]
    assert measured == [[result["ack-first"].own.p50_ms for result in found.results]]
    measured = [line.get_ydata().tolist() for line in good.lines if line.get_marker() == "s"]
    assert measured == [[100 * result["load-shedding"].goodput for result in found.results]]


def test_the_tail_ends_where_some_are_never_answered():
    own = drawn(queued.sustained()).axes[0]
    thin = [line.get_xdata() for line in own.lines if line.get_linewidth() == 0.8]
    assert [list(x) for x in thin] == [[50, 90, 150], [50, 90]]  # ack-first answers everybody, load-shedding refuses


def test_theory_passes_through_what_a_queue_of_theory_did():
    found = queued.sustained()
    own = drawn(found).axes[0]
    (theory,) = [line for line in own.lines if line.get_linestyle() == "--" and line.get_color() == "#000000"]
    for load, result in zip(found.loads, found.results, strict=True):
        at = np.interp(100 * load, theory.get_xdata(), theory.get_ydata())
        assert at == pytest.approx(result["ack-first"].own.p50_ms)


def test_sharing_is_drawn_of_work_that_computes_only():
    assert "theory: sharing" not in labels(drawn(queued.sustained()).axes[0])
    assert "theory: sharing" in labels(drawn(queued.sustained(work_cpu=20_000_000)).axes[0])


def test_labels_do_not_lie_on_each_other():
    pools = {f"pool-{number}": queued.bounded for number in range(6)}
    figure = drawn(queued.sustained({"ack-first": queued.unbounded, **pools}))
    for axes in figure.axes:
        # Of the text alone: an annotation's own extent has the line to its end in it.
        boxes = sorted((mpl.text.Text.get_window_extent(text) for text in axes.texts), key=lambda box: box.y0)
        assert len(boxes) >= 7
        assert all(upper.y0 >= lower.y1 - 1 for lower, upper in itertools.pairwise(boxes))
        assert all(box.x1 <= 830 for box in boxes)


@pytest.mark.parametrize(
    ("heights", "placed"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.2, 0.5], [0.2, 0.5]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.0, 0.0], [0.0, 0.1]),
        ([1.0, 1.0], [0.9, 1.0]),
        ([0.3, 0.3, 0.35], [0.2166, 0.3166, 0.4166]),
        ([0.1, 0.9, 0.9, 0.9], [0.1, 0.8, 0.9, 1.0]),
    ],
)
def test_heights_are_moved_as_little_as_it_takes(heights, placed):
    assert apart(heights, 0.1) == pytest.approx(placed, abs=1e-3)


def test_who_is_never_answered_has_an_arrow_at_the_top():
    own = drawn(queued.sustained({**queued.USUAL, "inline": queued.nobody})).axes[0]
    assert [line.get_xdata()[0] for line in own.lines if line.get_marker() == "^"] == [50, 90, 150]
    assert "inline: never" in labels(own)


def test_a_capacity_is_a_band_in_utilisation_and_said_to_be_one():
    figure = drawn(queued.sustained(), CAPACITY)
    for axes in figure.axes:
        (band,) = axes.patches
        assert (band.get_x(), band.get_x() + band.get_width()) == (pytest.approx(90), pytest.approx(110))
    assert "Shaded: the capacity of thread-pool, between 90/s and 110/s within 200 ms." in caption(figure)
    assert "Shaded" not in caption(drawn(queued.sustained()))


def test_a_capacity_without_an_end_reaches_to_the_edge():
    figure = drawn(queued.sustained(), dataclasses.replace(CAPACITY, high_hz=math.inf))
    (band,) = figure.axes[0].patches
    assert band.get_x() + band.get_width() == figure.axes[0].get_xlim()[1]


def caption(figure):
    return figure.get_supxlabel().replace("\n", " ")


def test_a_capacity_that_was_not_found_is_not_shaded():
    nothing = dataclasses.replace(CAPACITY, low_hz=0, high_hz=math.inf)
    figure = drawn(queued.sustained(), nothing)
    assert not any(axes.patches for axes in figure.axes)
    assert caption(figure).endswith("The capacity of thread-pool was not found.")


def test_the_caption_says_what_a_load_is_and_who_sends():
    told = caption(drawn(queued.sustained()))
    assert "Poisson arrivals for 2.5 s from 10 clients. 100% is 100/s, what 2 at a time can do" in told


def test_who_works_elsewhere_is_marked_and_the_mark_is_explained():
    found = queued.sustained({"process-pool": queued.unbounded})
    assert "*" not in caption(drawn(found))
    figure = drawn(Sustained(found.loads, found.results, found.servers, found.seconds, ("process-pool",)))
    assert "process-pool*" in labels(figure.axes[0])
    assert "*: works in other processes, whose own utilisation is another." in caption(figure)


def test_the_title_is_what_the_loads_say():
    found = queued.sustained()
    kept, queue = (found[1.5][name].goodput for name in ("load-shedding", "ack-first"))
    assert said(drawn(found)) == (
        f"At 150%, load-shedding answers {kept:.0%} in time, ack-first {queue:.0%}. "
        "At 50%, every strategy answers everybody in time."
    )


def test_the_title_says_whose_callers_wait_where_goodput_is_alike():
    strategies = {
        "ack-first": queued.unbounded,
        "slow": lambda plan: (np.full(len(plan), 400.0), ["answered"] * len(plan)),
    }
    assert said(drawn(queued.sustained(strategies, loads=(0.5, 0.9)))).startswith(
        "At 90%, the median caller waits 400 ms under slow, 3"
    )
    assert said(drawn(queued.sustained({"ack-first": queued.unbounded}, loads=(0.5,)))) == (
        "At 50%, the median caller waits 20 ms under ack-first."
    )


def test_the_title_names_who_fails_at_light_load():
    told = said(drawn(queued.sustained({**queued.USUAL, "inline": queued.nobody})))
    assert told.endswith("At 50%, inline answers 0% in time.")


def test_another_title_can_be_given_and_runs_that_must_not_be_used_are_marked():
    figure = drawn(queued.sustained(late_ms=900), title="Mine")
    assert said(figure) == "Mine"
    assert any("INVALID: 6 of 6 runs" in text.get_text() for text in figure.texts)
