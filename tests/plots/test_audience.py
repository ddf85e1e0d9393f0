"""The figure of answers that are meant for everybody, and the sentence above it."""

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

from labkit.base.errors import UsageError
from labkit.plots.audience import MARKS, fan_out
from labkit.runs.comparison import Comparison
from tests.runs.test_fan_out import ALL, closed

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn(*deliveries):
    figure = fan_out(Comparison(tuple(closed(each) for each in deliveries)))
    figure.canvas.draw()
    return figure, figure.axes[0]


def test_every_answer_has_three_marks():
    figure, axes = drawn(ALL)
    marks = {line.get_marker(): sorted(line.get_xdata()) for line in axes.lines if len(line.get_xdata())}
    assert marks == {mark: [ms, ms] for (_, _, _, mark), ms in zip(MARKS, (5, 7, 9), strict=True)}
    told = " ".join(figure.get_suptitle().split())
    assert "first of 5 members has an answer after 5.0 ms, the last after 9.0 ms" in told


def test_what_was_missed_is_written_and_not_drawn():
    figure, axes = drawn(ALL[:-1])
    assert [text.get_text() for text in axes.texts] == ["1 of 10 missed"]
    assert max(max(line.get_xdata()) for line in axes.lines if len(line.get_xdata())) == 9
    assert "after" in figure.get_suptitle()


def test_where_most_answers_miss_somebody_the_title_says_so():
    figure, _ = drawn(ALL[:4])
    assert "some never have an answer under room (6 of 10 missed)" in " ".join(figure.get_suptitle().split())


def test_answers_to_their_senders_have_no_such_figure():
    with pytest.raises(UsageError, match="fan_out=True"):
        fan_out(Comparison((closed(ALL, exchange={}),)))
