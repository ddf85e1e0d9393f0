"""Are two strategies different: exact cases, and how often chance alone is called a difference."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.runs import difference

latencies = st.lists(st.floats(0.01, 1e5), min_size=1, max_size=7)


def test_a_clear_difference_is_said_with_factor_interval_and_runs():
    found = difference.compare(
        [100, 110, 95, 120, 105, 99],
        [310, 330, 280, 350, 290, 300],
        names=("process-pool", "inline"),
        what="bystander p98",
    )
    assert found.is_distinguishable
    assert found.p_value == pytest.approx(2 / math.comb(12, 6))  # the smallest that six and six can give
    assert repr(found) == "process-pool is 3.0x lower than inline at bystander p98, interval 2.7 to 3.2, 6 runs each"


def test_the_lower_of_the_two_is_named_whichever_comes_first():
    found = difference.compare([300, 310, 320, 330], [100, 101, 102, 103], names=("inline", "pool"), what="p50")
    assert repr(found).startswith("pool is 3.1x lower than inline")


def test_three_runs_each_are_too_few_however_large_the_difference():
    found = difference.compare([1, 2, 3], [1000, 2000, 3000])
    assert found.too_few
    assert not found.is_distinguishable
    assert "too few repeats to compare (3 runs each; 4 of each can tell)" in repr(found)


def test_equal_runs_are_not_distinguishable():
    found = difference.compare([100, 101, 102, 103, 104], [100, 101, 102, 103, 104])
    assert "not distinguishable" in repr(found)


def test_an_answer_that_never_came_is_the_largest():
    found = difference.compare([1, 1.1, 1.2, 1.3], [math.inf] * 4, names=("a", "b"), what="p50")
    assert found.is_distinguishable
    assert math.isnan(found.factor)
    assert found.superiority == 1
    assert repr(found) == "a is lower than b at p50 (b had answers that never came), 4 runs each"


@pytest.mark.parametrize(("first", "second"), [([], [1.0]), ([1.0], []), ([0.0], [1.0]), ([1.0], [-1.0])])
def test_latencies_are_above_nothing(first, second):
    with pytest.raises(ValueError, match="above 0"):
        difference.compare(first, second)


@given(latencies, latencies)
def test_turning_the_question_round_turns_the_factor_round(first, second):
    there, back = difference.compare(first, second), difference.compare(second, first)
    assert there.factor == pytest.approx(1 / back.factor, rel=1e-9)
    assert there.superiority == pytest.approx(1 - back.superiority)
    assert there.smallest_p == back.smallest_p


@pytest.mark.parametrize("runs", [(6, 6), (4, 9)])
def test_chance_alone_is_rarely_called_a_difference(runs, monkeypatch):
    """A/A: 500 trials at 5% have a standard error of 1 point; 7.5% is two and a half of them above."""
    monkeypatch.setattr(
        difference, "_interval", lambda a, b, seed: (1.0, 1.0)
    )  # has no part in it, and takes half the time
    rng = np.random.default_rng(7)
    draws = [[np.exp(rng.normal(5, 0.4, n)) for n in runs] for _ in range(500)]
    called = sum(difference.compare(a, b, seed=i).is_distinguishable for i, (a, b) in enumerate(draws))
    assert called <= 0.075 * 500


def test_a_real_difference_is_usually_found():
    rng = np.random.default_rng(7)
    found = sum(
        difference.compare(np.exp(rng.normal(5, 0.2, 6)), np.exp(rng.normal(5.7, 0.2, 6)), seed=i).is_distinguishable
        for i in range(50)
    )
    assert found >= 45
