"""The books of a fault: every event is exactly one of answered, late, lost; the rest are counts beside."""

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labkit.runs.delivery import Delivery, Fate, close
from tests.support.delivered import delivered

MS = 1_000_000


def books(due, submissions, answers, fault_ms=math.inf, recovered_ms=math.inf):
    """In ms, from a start at 1000."""
    closed = close(
        [at * MS for at in due],
        [((1000 + at) * MS, event) for at, event in submissions],
        [((1000 + at) * MS, event, is_error) for at, event, is_error in answers],
        1000 * MS,
    )
    return Delivery(
        "celery", "cpu:1ms", "a plan", "workers", False, **closed, fault_ms=fault_ms, recovered_ms=recovered_ms,
        patience_s=10,
    )  # fmt: skip


def test_late_is_what_was_due_before_everything_ran_again_and_answered_after_that():
    answers = [(5, 0, False), (95, 1, False), (101, 2, False), (130, 3, False)]
    found = books([0, 10, 99, 100, 20], [(i, i) for i in range(5)], answers, fault_ms=8, recovered_ms=100)
    assert [Fate(each) for each in found.fate] == [Fate.ANSWERED, Fate.ANSWERED, Fate.LATE, Fate.ANSWERED, Fate.LOST]
    assert (found.answered, found.late, found.lost) == (3, 1, 1)
    assert found.outage_ms == 92


def test_without_a_fault_nothing_is_late():
    found = books([0, 1], [(0, 0), (1, 1)], [(5000, 0, False), (6000, 1, False)])
    assert (found.answered, found.late, found.lost) == (2, 0, 0)
    assert math.isnan(found.outage_ms)


def test_the_first_of_each_counts_and_the_others_are_counted_beside():
    found = books([0, 1], [(9, 0), (2, 0), (3, 1), (7, 0)], [(30, 0, False), (20, 0, True), (21, 0, False)])
    assert found.sent_ms.tolist() == [2, 3]
    assert found.answered_ms.tolist() == [20, math.inf]
    assert (found.resubmissions, found.duplicates, found.errors) == (2, 2, 1)


def test_an_answer_to_no_event_is_nobodys():
    found = books([0], [(0, 0)], [(1, -1, False), (1, 1, False), (2, 0, False)])
    assert (found.answered, found.duplicates) == (1, 0)


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=20).map(sorted),
    st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 19)), max_size=60),
    st.lists(st.tuples(st.integers(0, 9000), st.integers(-2, 21), st.booleans()), max_size=60),
    st.integers(0, 5000),
    st.integers(0, 5000),
)
def test_every_event_is_exactly_one_and_every_answer_is_counted_once(due, submissions, answers, fault, outage):
    submissions = [(at, event % len(due)) for at, event in submissions]
    found = books(due, submissions, answers, fault, fault + outage)
    assert found.answered + found.late + found.lost == len(found) == len(due)
    assert found.lost == len(due) - len({event for _, event, _ in answers if 0 <= event < len(due)})
    assert found.duplicates + len(due) - found.lost == sum(0 <= event < len(due) for _, event, _ in answers)
    assert found.resubmissions + np.isfinite(found.sent_ms).sum() == len(submissions)
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_sentence_has_every_count_and_where_lost_tasks_lie():
    found = delivered(lost=1, duplicates=1, resubmissions=2, queued=0, unacknowledged=8, restarts=1)
    assert repr(found) == (
        "celery, kill -9 of the whole worker group: of 10 events 6 answered, 3 late, 1 lost; 1 duplicate, 2 "
        "resubmissions (in Redis at the end: 0 queued, 8 unacknowledged); the workers ended by themselves, 1 time"
    )
    assert repr(delivered(lost=0, errors=2)).endswith("0 resubmissions; 2 answers with an error of the work")
    assert "nothing killed" in repr(delivered(fault="none", late=0))
    assert "Redis at the end" not in repr(delivered(lost=0, queued=0, unacknowledged=0))


def test_the_rate_is_of_what_was_answered():
    found = delivered(fault="none", answered=10, late=0, lost=0)
    assert round(found.rate_hz, 6) == round(1000 * 10 / (90 + 20), 6)
    assert delivered(answered=0, late=0, lost=3).rate_hz == 0
