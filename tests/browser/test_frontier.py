"""Who is best in INP and staleness: by hand, and that nobody on the frontier is beaten."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.browser.frontier import FRAME_MS, INP_STEP_MS, Point, best, felt, points, under
from labkit.browser.rendering import Measured, Rendering
from tests.support.rendered import SETTINGS, timed


def point(way, staleness_ms, inp_ms, rate_hz=200.0, rows=10):
    return Point(way, rate_hz, rows, staleness_ms, inp_ms)


def names(of):
    return [each.way for each in best(of)]


def test_who_is_worse_in_both_is_not_on_the_frontier():
    assert names([point("a", 30, 16), point("b", 300, 24)]) == ["a"]


def test_who_is_better_in_one_is_on_it_too():
    assert names([point("fresh", 30, 200), point("quick", 300, 16), point("neither", 301, 208)]) == ["fresh", "quick"]


def test_as_good_in_one_and_better_in_the_other_is_better():
    assert names([point("a", 30, 16), point("b", 300, 16)]) == ["a"]
    assert names([point("a", 30, 16), point("b", 30, 24)]) == ["a"]


def test_less_than_a_frame_or_a_step_is_not_better():
    assert names([point("a", 30, 16), point("b", 30 + FRAME_MS - 0.1, 16)]) == ["a", "b"]
    assert names([point("a", 30, 16), point("b", 30 + FRAME_MS + 0.1, 16)]) == ["a"]
    assert names([point("a", 30, 16), point("b", 30, 16 + INP_STEP_MS)]) == ["a"]


def test_ways_are_compared_under_the_same_load_only():
    slower, longer = point("b", 300, 24, rate_hz=1500), point("c", 300, 24, rows=2000)
    assert names([point("a", 30, 16), slower, longer]) == ["a", "b", "c"]


coordinates = st.floats(0, 1000)
some_points = st.lists(
    st.builds(
        Point,
        way=st.just("x"),
        rate_hz=st.sampled_from([1.0, 2.0]),
        rows=st.just(1),
        staleness_ms=coordinates,
        inp_ms=coordinates,
    ),
    max_size=8,
)


@given(some_points)
def test_every_load_has_a_frontier_and_nobody_on_it_is_beaten(of):
    found = best(of)
    assert {each.load for each in found} == {each.load for each in of}
    assert not [(p, q) for p in found for q in of if p.load == q.load and q.beats(p)]
    assert all(any(q.beats(p) for q in of) for p in of if p not in found)


def test_a_point_is_the_median_of_its_runs_by_its_name_without_the_load():
    runs = tuple(timed(step_ms=step, inp_ms=inp) for step, inp in ((10, 24.0), (20, 32.0), (90, 600.0)))
    result = Rendering((Measured(under("naive", 200, 10), SETTINGS, runs=runs),))
    (found,) = points(result)
    assert (found.way, found.load) == ("naive", (200, 10))
    assert (found.staleness_ms, found.inp_ms) == (80, 32)
    assert found.repeats == ((40, 24), (80, 32), (360, 600))


@pytest.mark.parametrize("run", [timed(clicks=0), timed(events=0), timed(problem="x"), timed(never=range(4))])
def test_what_lacks_one_of_the_two_is_no_point(run):
    assert points(Rendering((Measured("naive", SETTINGS, runs=(run,)), Measured("never run", SETTINGS)))) == ()


def test_an_interaction_too_short_to_be_told_counts_as_16():
    assert felt(timed(inp_ms=None))[1] == felt(timed(inp_ms=8.0))[1] == 16
    assert math.isnan(felt(timed(clicks=0))[1])
