"""Percentiles that the sample supports, goodput and verdicts."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.runs.summary import BOUNDS_MS, Distribution, summarise, supported, verdict
from tests.support import simulated


def distribution(*values):
    return Distribution.of(np.array(values, float))


latencies = st.lists(st.floats(0, 1e6) | st.just(math.inf), min_size=1, max_size=300)


@settings(deadline=None)
@given(latencies, st.integers(1, 100))
def test_a_percentile_is_numpys_inverted_cdf(values, percent):
    expected = np.percentile(np.array(values), percent, method="inverted_cdf")
    assert Distribution.of(np.array(values)).percentile(percent) == expected


@pytest.mark.parametrize("count", [1, 2, 3, 10, 149, 150, 1000, 2999, 3000])
@pytest.mark.parametrize("percent", [50, 90, 98, 99.9])
def test_a_percentile_is_the_sample_of_its_rank(count, percent):
    # Exact arithmetic: the smallest k with k / count >= percent / 100, samples being 1 to count.
    rank = -(-count * round(percent * 10) // 1000)
    assert distribution(*range(1, count + 1)).percentile(percent) == rank


def test_percentiles_worked_by_hand():
    ten = distribution(*range(10, 110, 10))
    assert [ten.percentile(p) for p in (0, 10, 11, 50, 51, 98, 100)] == [10, 10, 20, 50, 60, 100, 100]


def test_a_missing_answer_is_the_largest():
    values = distribution(5, math.inf, 1, 3)
    assert (values.p50_ms, values.percentile(75), values.max_ms) == (3, 5, math.inf)


def test_more_than_half_missing_is_an_infinite_median():
    assert distribution(1, math.inf, math.inf).p50_ms == math.inf


def test_what_cannot_be_told_is_left_out():
    assert distribution(math.nan, 2, math.nan).values_ms.tolist() == [2]


def test_nothing_has_no_percentiles():
    empty = distribution()
    assert len(empty) == 0
    assert all(math.isnan(value) for value in (empty.p50_ms, empty.max_ms, empty.percentile(98), empty.tail[1]))


@pytest.mark.parametrize(
    ("percent", "count", "enough"), [(98, 149, False), (98, 150, True), (99.9, 2999, False), (99.9, 3000, True)]
)
def test_a_percentile_is_supported_from_three_samples_beyond(percent, count, enough):
    assert supported(percent, count) is enough


def test_the_tail_is_p98_where_it_is_supported_and_the_maximum_below():
    assert distribution(*range(1, 150)).tail == ("max", 149)
    assert distribution(*range(1, 151)).tail == ("p98", 147)


@pytest.mark.parametrize(
    ("tail_ms", "word"),
    [
        (0, "good"),
        (200, "good"),
        (200.001, "needs work"),
        (500, "needs work"),
        (500.001, "poor"),
        (math.inf, "poor"),
        (math.nan, "not measured"),
    ],
)
def test_verdicts_at_the_bounds(tail_ms, word):
    assert verdict(tail_ms) == word


def test_bounds_are_a_parameter():
    assert verdict(15, (10, 20)) == "needs work"
    assert summarise([simulated.run(own_ms=15)], (10, 20)).own_verdict == "needs work"
    assert summarise([simulated.run(own_ms=15)]).bounds_ms == BOUNDS_MS


def test_goodput_is_what_was_answered_within_the_larger_bound_of_all_that_was_scheduled():
    run = simulated.run(own_ms=[100, 500, 500.001, math.inf, 100], outcomes=["answered"] * 3 + ["timed out", "failed"])
    assert summarise([run]).goodput == 2 / 5


def test_shedding_wins_nothing():
    kept = summarise([simulated.run(own_ms=300)])
    shed = summarise([simulated.run(own_ms=10, outcomes={"shed": 6})])
    assert shed.own.p50_ms == math.inf
    assert (shed.own_verdict, kept.own_verdict) == ("poor", "needs work")
    assert shed.goodput < kept.goodput


def test_a_summary_counts_over_all_runs():
    runs = [
        simulated.run(outcomes={"timed out": 2, "disconnected": 1}, strays=1, duplicates=2, late=1, threads=3),
        simulated.run(outcomes={"failed": 1, "unaccounted": 1}, strays=2, threads=5),
        simulated.run(threads=None),
    ]
    summary = summarise(runs)
    assert (summary.runs, summary.events, len(summary.own)) == (3, 30, 30)
    assert (summary.lost, summary.strays, summary.duplicates, summary.late) == (3, 3, 2, 1)
    assert (summary.unaccounted, summary.threads) == (1, 5)
    assert (summary.outcomes["answered"], summary.outcomes["failed"]) == (25, 1)


def test_cpu_seconds_are_the_mean_of_the_runs_that_know_them():
    runs = [simulated.run(conditions={"server_cpu_s": s}) for s in (1.0, 2.0)]
    assert summarise(runs).server_cpu_s == 1.5


@pytest.mark.parametrize(
    ("own_ms", "bystander_ms", "word"),
    [(100, 1, "good"), (100, 300, "needs work"), (600, 1, "poor"), (1, math.inf, "poor"), (100, [], "good")],
)
def test_the_verdict_is_the_worse_of_callers_and_bystanders(own_ms, bystander_ms, word):
    assert summarise([simulated.run(own_ms=own_ms, bystander_ms=bystander_ms)]).verdict == word


def test_without_pings_the_bystander_is_not_measured():
    assert summarise([simulated.run(pings=0)]).bystander_verdict == "not measured"


@pytest.mark.parametrize(
    "run",
    [
        simulated.run(),
        simulated.run(own_ms=math.inf, bystander_ms=math.inf),
        simulated.run(pings=0, instrumented=False, threads=None, conditions={"server_cpu_s": math.nan}),
        simulated.run(own_ms=np.arange(1.0, 201.0), pings=200),
    ],
)
def test_a_summary_is_json_without_nan_and_infinity(run):
    summary = summarise([run]).to_dict()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_the_json_tells_p98_only_where_it_is_supported():
    assert summarise([simulated.run(own_ms=np.arange(1.0, 150.0))]).to_dict()["own"]["p98_ms"] is None
    assert summarise([simulated.run(own_ms=np.arange(1.0, 151.0))]).to_dict()["own"]["p98_ms"] == 147
