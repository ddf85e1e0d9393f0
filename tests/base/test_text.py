"""Numbers as people read them."""

import math

import pytest

from labkit.base.text import Plain, about, about_seconds, milliseconds, ratio, times


@pytest.mark.parametrize(
    ("value_ms", "text"),
    [(math.nan, "-"), (math.inf, "never"), (0, "0.0"), (0.04, "0.0"), (9.94, "9.9"), (10, "10"), (1234.5, "1234")],
)
def test_milliseconds_have_as_many_figures_as_matter(value_ms, text):
    assert milliseconds(value_ms) == text


@pytest.mark.parametrize(
    ("value_ms", "text"), [(math.nan, "an unknown time"), (math.inf, "for ever"), (3.14, "3.1 ms"), (42.4, "42 ms")]
)
def test_milliseconds_in_a_sentence_have_their_unit(value_ms, text):
    assert about(value_ms) == text


def test_a_ratio_is_how_many_times_larger_the_first_is():
    assert ratio(6, 2) == 3
    assert ratio(2, 6) == pytest.approx(1 / 3)


def test_a_ratio_keeps_what_never_came_and_tells_what_cannot_be_told():
    assert math.isinf(ratio(math.inf, 2))
    assert math.isnan(ratio(2, 0))
    assert math.isnan(ratio(2, math.nan))
    assert math.isnan(ratio(math.nan, 2))
    assert math.isnan(ratio(math.inf, math.inf))


@pytest.mark.parametrize(("factor", "text"), [(1.25, "1.2x"), (9.94, "9.9x"), (10, "10x"), (123.4, "123x")])
def test_a_factor_as_people_say_it(factor, text):
    assert times(factor) == text


def test_a_text_that_shows_itself():
    assert repr(Plain("a\nb")) == "a\nb"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "10 s"), (31, "40 s"), (89, "90 s"), (90, "2 minutes"), (7_000, "117 minutes"), (7_201, "3 hours")],
)
def test_a_time_that_people_plan_by(seconds, text):
    assert about_seconds(seconds) == text
