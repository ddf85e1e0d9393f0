"""A thumbnail: few bars, big type, nothing cut off."""

import math

import pytest
from matplotlib import pyplot as plt

from labkit.base.errors import UsageError
from labkit.plots import thumbnail

WAITS = {"inline": 411.0, "thread": 422.0, "process-pool": 1.04}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def numbers(figure):
    return [text.get_text() for text in figure.axes[0].texts][1::2]


def lengths(figure):
    return [bar.get_width() for bar in figure.axes[0].patches]


def test_each_bar_has_its_name_and_its_number():
    figure = thumbnail(WAITS, of="A bystander waits")
    assert [text.get_text() for text in figure.axes[0].texts][::2] == list(WAITS)
    assert numbers(figure) == ["411 ms", "422 ms", "1.0 ms"]
    assert lengths(figure) == list(WAITS.values())
    assert figure.axes[0].get_title(loc="left") == "A bystander waits"


def test_it_is_narrow_its_type_is_large_and_nothing_is_cut_off():
    figure = thumbnail(WAITS | {"thread, async_handlers=False": 1022.0}, of="Until the caller is answered")
    figure.canvas.draw()
    assert figure.get_figwidth() * 100 <= 260
    axes = figure.axes[0]
    for text in (*axes.texts, axes._left_title):
        assert text.get_fontsize() >= 9
        assert text.get_window_extent().x0 >= 0
        assert text.get_window_extent().x1 <= figure.bbox.width


def test_names_do_not_touch_the_numbers_of_the_bar_above():
    figure = thumbnail(WAITS, of="A bystander waits")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.overlaps(b)]


def test_what_never_came_says_so():
    figure = thumbnail({"inline": math.inf, "thread": 20.0}, of="Answered after")
    assert numbers(figure) == ["never", "20 ms"]
    assert lengths(figure) == [20.0, 20.0]


def test_another_unit_has_whole_numbers():
    assert numbers(thumbnail({"forced": 20.0, "naive": 1}, of="Layouts a frame", unit="")) == ["20", "1"]


@pytest.mark.parametrize("values", [{}, {"a": math.nan}, dict.fromkeys("abcde", 1.0)])
def test_too_few_or_too_many_are_refused(values):
    with pytest.raises(UsageError, match="1 to 4 values"):
        thumbnail(values, of="anything")
