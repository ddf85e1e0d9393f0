"""The example job: worked by hand where it is small, against its numpy twin where it is not."""

import importlib.util
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base.errors import WorkloadError
from labkit.plan import prices

unhurried = settings(deadline=None)  # the machine may be busy: a property is not a benchmark
moves = st.lists(st.floats(-1, 1), min_size=1, max_size=8)


def test_history_is_the_whole_file():
    past = prices.history()
    assert (past.dates[0], past.dates[-1], len(past.dates)) == ("2004-08-19", "2008-10-14", 1047)
    assert len(past.changes) == 1046
    assert list(past.dates) == sorted(set(past.dates))
    assert past is prices.history()


def test_a_change_leads_to_the_day_after():
    past = prices.history()
    assert 100.34 * math.exp(past.changes[0]) == pytest.approx(108.31)  # the closes of the first two days


@pytest.mark.measured
def test_importing_it_loads_neither_numpy_nor_matplotlib():
    code = (
        "import sys, labkit.plan.prices as p; assert 'numpy' not in sys.modules; p.history(); "
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("file_is_missing", [False, True])
def test_without_matplotlib_it_says_what_to_install(monkeypatch, tmp_path, file_is_missing):
    spec = importlib.util.spec_from_file_location("matplotlib", tmp_path / "__init__.py") if file_is_missing else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    with pytest.raises(WorkloadError, match="pip install matplotlib"):
        prices.history.__wrapped__()  # past the cache


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ([1], [4], 3),
        ([0, 0, 1], [0, 1, 1], 0),  # the same move, a day earlier: that is what warping forgives
        ([1, 2, 3], [2, 2, 4], 2),  # 1-2, 2-2, 2-2 (diagonal 2-2), 3-4
        ([0, 3], [1, 2], 2),
        ([0], [1, 2, 3], 6),  # one move against all three
    ],
)
def test_warped_distance_worked_by_hand(a, b, distance):
    assert prices._warped_distance(a, b) == distance


@unhurried
@given(a=moves, b=moves)
def test_warped_distance_is_symmetric_and_not_negative(a, b):
    assert prices._warped_distance(a, b) == prices._warped_distance(b, a) >= 0


@unhurried
@given(a=moves, b=moves)
def test_warped_distance_is_at_most_that_of_the_straight_alignment(a, b):
    size = min(len(a), len(b))
    straight = sum(abs(x - y) for x, y in zip(a, b, strict=False))
    assert prices._warped_distance(a[:size], b[:size]) <= straight + 1e-12


@unhurried
@given(a=moves, repeats=st.integers(1, 3))
def test_warped_distance_to_itself_is_zero_at_any_tempo(a, repeats):
    assert prices._warped_distance(a, [x for x in a for _ in range(repeats)]) == 0


@pytest.mark.parametrize("index", [2 * prices.DAYS, 100, 333, 800, 1046])
def test_numpy_twin_agrees_exactly(index):
    day = prices.day_payload(index)
    assert prices.most_similar(day) == prices.most_similar_numpy(day)


@unhurried
@given(index=st.integers(20, 300), days=st.integers(1, 10))
def test_numpy_twin_agrees_exactly_for_any_length(index, days):
    day = prices.day_payload(index)
    assert prices.most_similar(day, days=days) == prices.most_similar_numpy(day, days=days)


@unhurried
@given(index=st.integers(20, 300), days=st.integers(1, 10), more=st.integers(0, 300))
def test_numpy_twin_agrees_exactly_for_any_past(index, days, more):
    day, past = prices.day_payload(index), 2 * days + more
    assert prices.most_similar(day, days=days, past=past) == prices.most_similar_numpy(day, days=days, past=past)


@unhurried
@given(index=st.integers(48, 1046), days=st.integers(1, 24), more=st.integers(0, 1100))
def test_with_less_past_the_answer_is_within_it_and_never_better(index, days, more):
    day, past = prices.day_payload(index), 2 * days + more
    answer, whole = (prices.most_similar_numpy(day, days=days, past=p) for p in (past, None))
    like = prices.history().dates.index(answer["like"])
    assert max(0, index - past) + days <= like <= index - days
    assert answer["distance"] >= whole["distance"]
    if past >= index:
        assert answer == whole


@pytest.mark.parametrize("function", [prices.most_similar, prices.most_similar_numpy])
def test_a_past_that_holds_no_earlier_stretch(function):
    with pytest.raises(WorkloadError, match="9 days hold no earlier stretch of 5 days: look at 10 or more"):
        function(prices.day_payload(100), days=5, past=9)


# --- its size ---


def timing(whole_ms, disturbed_ms=0.0):
    """In place of a clock: as if a call with the whole history took so long, and the first one longer."""
    calls = []

    def timed_ms(call):
        calls.append(call())
        return whole_ms * (300 - 49) / (1047 - 247 // 2 - 49) + (disturbed_ms if len(calls) == 1 else 0)

    timed_ms.calls = calls
    return timed_ms


@pytest.mark.parametrize("whole_ms", [1, 100, 129])
def test_a_job_that_costs_about_as_asked_or_less_stays_whole(whole_ms):
    size = prices.size_for(100, timing(whole_ms))
    assert (size.past, size.days) == (None, 1047)
    assert size.event_ms == size.whole_ms == pytest.approx(whole_ms)


@pytest.mark.parametrize(("whole_ms", "past"), [(140, 650), (200, 450), (400, 250), (1000, 100), (9000, 100)])
def test_a_job_that_costs_more_looks_at_less(whole_ms, past):
    size = prices.size_for(100, timing(whole_ms))
    assert (size.past, size.days) == (past, past)
    assert size.event_ms == pytest.approx(whole_ms * (past - 49) / 875, rel=0.01)
    assert size.whole_ms == pytest.approx(whole_ms)


def test_one_call_that_is_disturbed_a_little_does_not_change_the_job():
    timed_ms = timing(100, disturbed_ms=30)
    assert prices.size_for(100, timed_ms).past is None
    assert len(timed_ms.calls) == 5


def test_a_machine_that_is_busy_now_and_then_is_a_slow_one():
    """People wait for the mean; the fastest call alone would promise what this machine does not keep."""
    assert prices.size_for(100, timing(100, disturbed_ms=200)).past is not None


def test_every_day_that_is_drawn_costs_the_same_where_less_is_looked_at():
    assert {len(prices._candidates(end, prices.DAYS, 500)) for end in range(1047 - prices.DRAWN_FROM, 1047)} == {451}


def test_this_machine_is_timed_in_a_moment():
    size = prices.size_for(1e-3)
    assert size.past == 100
    assert 0 < size.event_ms < size.whole_ms


@unhurried
@given(index=st.integers(48, 1046), days=st.integers(1, 24))
def test_the_answer_is_an_earlier_stretch_without_overlap_and_its_distance(index, days):
    past = prices.history()
    answer = prices.most_similar_numpy(prices.day_payload(index), days=days)
    like = past.dates.index(answer["like"])
    assert answer["date"] == past.dates[index]
    assert days <= like <= index - days
    distance = prices._warped_distance(past.changes[index - days : index], past.changes[like - days : like])
    assert answer["distance"] == round(distance, 9)
    assert json.loads(json.dumps(answer)) == answer


def test_the_earliest_stretch_wins_a_tie(monkeypatch):
    past = prices.history()
    flat = prices.History(past.dates, past.open, past.high, past.low, past.close, past.volume, (0.0,) * 1046)
    monkeypatch.setattr(prices, "history", lambda: flat)
    expected = {"date": past.dates[50], "like": past.dates[5], "distance": 0.0}
    assert prices.most_similar({"date": past.dates[50]}, days=5) == expected
    assert prices.most_similar_numpy({"date": past.dates[50]}, days=5) == expected


def test_payload_is_json_of_one_day():
    day = prices.day_payload(0)
    prices_of_it = {"open": 100.0, "high": 104.06, "low": 95.96, "close": 100.34}
    assert day == {"date": "2004-08-19", **prices_of_it, "volume": 22351900}
    assert json.loads(json.dumps(day)) == day
    assert prices.day_payload(-1)["date"] == "2008-10-14"


@unhurried
@given(count=st.integers(0, 600), seed=st.integers(0, 2**32))
def test_payloads_are_seeded_recent_and_repeat_only_when_they_must(count, seed):
    drawn = prices.payloads(count, seed)
    assert len(drawn) == count
    assert drawn == prices.payloads(count, seed)
    dates = [day["date"] for day in drawn]
    assert set(dates) <= set(prices.history().dates[-prices.DRAWN_FROM :])
    assert len(set(dates)) == min(count, prices.DRAWN_FROM)


def test_another_seed_draws_other_days():
    assert prices.payloads(10, 1) != prices.payloads(10, 2)


@pytest.mark.parametrize("function", [prices.most_similar, prices.most_similar_numpy])
@pytest.mark.parametrize(
    ("day", "days", "message"),
    [
        ({"date": "2008-01-01"}, 5, "'2008-01-01' is not a trading day"),
        ({}, 5, "None is not a trading day"),
        ({"date": ["2008-01-15"]}, 5, "is not a trading day"),
        ("2008-01-15", 5, "None is not a trading day"),
        ({"date": "2004-08-26"}, 5, "choose a later day"),
        ({"date": "2008-01-15"}, 0, "days=1 or more"),
    ],
)
def test_a_day_that_cannot_be_asked_about(function, day, days, message):
    with pytest.raises(WorkloadError, match=message):
        function(day, days=days)


@pytest.mark.parametrize("index", [-1048, 1047])
def test_a_day_outside_the_history(index):
    with pytest.raises(WorkloadError, match="choose one from 0 to 1046"):
        prices.day_payload(index)


def test_fewer_than_no_payloads():
    with pytest.raises(WorkloadError, match="0 or more"):
        prices.payloads(-1)
