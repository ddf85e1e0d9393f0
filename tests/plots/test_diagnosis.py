"""The small figure of a diagnosis."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from labkit.experiments.kinds import HOLDS, MIXED, WAITS
from labkit.plots.diagnosis import kinds, shares
from labkit.runs.summary import Distribution
from tests.experiments.test_diagnose import of


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_shares_and_waits():
    found = of(
        kind=MIXED, waiting=0.6, computing=0.4, gil_held=0.3, other_thread_waits=Distribution.of(np.arange(1, 9.0))
    )
    figure = shares(found)
    assert {"waits 60%", "computes 40%", "GIL held 30%", "free for other threads 70%"} <= set(texts(figure))
    assert figure.get_suptitle().replace("\n", " ") == found.sentence
    assert len(figure.axes[1].lines[0].get_xdata()) == 8


def test_a_thread_that_never_waited():
    figure = shares(of(other_thread_waits=Distribution.of(np.array([]))), title="quiet")
    assert "never as much as 0.1 ms" in texts(figure)
    assert figure.get_suptitle() == "quiet"


def test_without_a_gil_there_is_no_bar_of_it():
    figure = shares(of(gil=False, gil_held=0.0))
    assert not any("GIL held" in text for text in texts(figure))


def test_kinds_in_a_row_each_and_who_holds_in_the_title():
    sorts = of(work="__main__:sorts", kind=HOLDS, waiting=0.0, computing=1.0, gil_held=1.0, hold_ms=45.0)
    sleeps = of(work="__main__:sleeps", kind=WAITS, waiting=1.0, computing=0.0, gil_held=0.0, hold_ms=0.0)
    figure = kinds(sleeps, sorts)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["sleeps", "sorts"]
    assert {"waits 100%", "computes 100%", "free 100%", "45 ms at once, held 100%"} == set(texts(figure))
    assert figure.get_suptitle() == "sorts holds the GIL, for 45 ms at once"
    adds = of(work="__main__:adds", kind=HOLDS, waiting=0.0, computing=1.0, gil_held=1.0, hold_ms=5.0)
    assert kinds(adds, sorts).get_suptitle() == "adds and sorts hold the GIL, sorts for 45 ms at once"
    assert kinds(sleeps).get_suptitle() == "None of them holds the GIL"
    assert kinds(sleeps, title="mine").get_suptitle() == "mine"
    kinds(sorts, of(gil=False, gil_held=0.0)).canvas.draw()
