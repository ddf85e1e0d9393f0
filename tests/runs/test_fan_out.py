"""Answers that are meant for everybody: worked cases by hand, the rest by property."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import RecordError, UsageError
from labkit.runs import close as ledger
from labkit.runs import fan_out, quality
from labkit.runs.comparison import Comparison
from labkit.runs.conditions import Conditions
from labkit.runs.run import Run
from labkit.runs.summary import summarise
from labkit.server.stamps import Stamps
from tests.runs.test_close import fired_of, kinds, plan_of

MEANT = {"fan_out": True, "listeners": 1}


def closed(deliveries, *, senders=2, events=2, exchange=MEANT, pings=1):
    """Events 10 ms apart, sent by the senders in turn; a bystander where there are pings; the listeners."""
    plan = plan_of(*(10 * k for k in range(events)), connection=np.arange(events) % senders, connections=senders)
    listeners = 1 + exchange.get("listeners", 0)
    fired = fired_of(deliveries, sent=(1,) * events, closed=(None,) * (senders + 1 + listeners), pings=[(1, 2)] * pings)
    return ledger.close(
        fired, Stamps(events).columns(), strategy="room", work="none", mode="threading", plan=plan,
        ping_ns=np.arange(pings), timeout_s=0.1, service_ms=[1.0] * events, machine={},
        conditions=Conditions(exchange=exchange),
    )  # fmt: skip


#: Two senders, a bystander, two listeners: everybody has both answers, each a millisecond after the one before.
ALL = [(event, c, 10 * event + 5 + c) for event in (0, 1) for c in range(5)]


def test_what_is_meant_is_no_stray_and_what_comes_twice_is_a_duplicate():
    run = closed([*ALL, (0, 3, 50), (1, 1, 60)])
    assert (run.strays, run.delivered("meant"), run.delivered("duplicate"), run.delivered("answer")) == (0, 8, 2, 2)
    assert run.unaccounted == 0


def test_what_is_not_declared_stays_a_stray():
    run = closed(ALL, exchange={"listeners": 1})
    assert (run.strays, run.fan_out) == (8, None)
    assert "stray" in kinds(run)


def test_first_median_and_last_count_from_the_intended_start():
    told = closed(ALL).fan_out
    assert told.members == (0, 1, 2, 3, 4)
    assert (told.first_ms.tolist(), told.median_ms.tolist(), told.last_ms.tolist()) == ([5, 5], [7, 7], [9, 9])
    assert (told.missed.tolist(), told.missed_by.tolist()) == ([0, 0], [0] * 5)


def test_who_missed_an_answer_is_told_and_nobody_is_the_last_then():
    told = closed([d for d in ALL if d[:2] not in ((0, 3), (1, 3), (1, 1), (1, 4))]).fan_out
    assert (told.missed.tolist(), told.missed_by.tolist()) == ([1, 3], [0, 1, 0, 2, 1])
    assert told.median_ms.tolist() == [7, np.inf]
    assert told.last_ms.tolist() == [np.inf, np.inf]
    assert "4 of 10 answers missed" in repr(told)


def test_an_answer_after_the_deadline_was_missed():
    assert closed([d if d[:2] != (0, 4) else (0, 4, 101) for d in ALL]).fan_out.missed.tolist() == [1, 0]


def test_without_any_answer_all_of_them_were_missed():
    told = closed([]).fan_out
    assert (told.missed.tolist(), told.first_ms.tolist()) == ([5, 5], [np.inf, np.inf])


def test_a_bystander_is_no_member_of_another_namespace():
    told = closed(ALL, exchange={**MEANT, "namespace": "/desk"}).fan_out
    assert told.members == (0, 1, 3, 4)
    assert fan_out.members(2, False, 1, "/desk") == (0, 1, 2)


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 4), st.floats(0, 140)), max_size=60))
def test_it_is_what_a_table_of_all_pairs_says(deliveries):
    told = closed(deliveries, events=4).fan_out
    came = np.full((4, 5), np.inf)
    for event, connection, at_ms in deliveries:
        if event >= 0 and at_ms <= 100 + 10 * event:
            came[event, connection] = min(came[event, connection], at_ms - 10 * event)
    ordered = np.sort(came, axis=1)
    for column, wanted in ((told.first_ms, 0), (told.median_ms, 2), (told.last_ms, 4)):
        np.testing.assert_allclose(column, ordered[:, wanted], atol=1e-5)
    assert told.missed.tolist() == np.isinf(came).sum(axis=1).tolist()
    assert told.missed_by.tolist() == np.isinf(came).sum(axis=0).tolist()


def test_answers_that_all_reached_everybody_may_be_meant():
    (note,) = [n for n in quality.check(closed(ALL, exchange={"listeners": 1})) if n.kind == "fan-out"]
    assert ("all 5 connections" in note.why, "fan_out=True" in note.advice, note.invalid) == (True, True, False)
    twice_to_one = closed([*ALL[:-1], (1, 3, 40)], exchange={"listeners": 1})
    assert twice_to_one.strays == 8
    for run in (closed(ALL), closed(ALL[:-1], exchange={"listeners": 1}), closed(ALL[:1] + ALL[6:7]), twice_to_one):
        assert "fan-out" not in {note.kind for note in run.quality}


def test_a_run_says_the_same_after_it_was_saved(tmp_path):
    run = closed(ALL)
    again = Run.load(run.save(tmp_path / "run"))
    assert again.fan_out.last_ms.tolist() == run.fan_out.last_ms.tolist()


@pytest.mark.parametrize("exchange", [{"listeners": 10**12}, {"fan_out": 7}, {"namespace": 3}])
def test_a_file_that_asks_for_too_much_is_damaged(tmp_path, exchange):
    path = closed(ALL).save(tmp_path / "run")
    about = json.loads(path.read_text())
    about["conditions"]["exchange"] = exchange
    path.write_text(json.dumps(about))
    with pytest.raises(RecordError, match="damaged"):
        Run.load(path)


def test_a_comparison_has_a_table_of_it_and_json():
    result = Comparison((closed(ALL), closed(ALL[:-1])))
    told = result["room"].to_dict()["fan_out"]
    assert (told["members"], told["answers"], told["missed"], told["last"]["max_ms"]) == (5, 20, 1, None)
    (row,) = result.fan_out().rows
    assert row == ("room", "5", "5.0", "7.0", "9.0", "never max", "1 of 20")
    assert "1 of 20" in repr(result)
    assert "1 of 20" in result._repr_html_()


def test_a_comparison_of_answers_to_their_senders_has_none():
    result = Comparison((closed(ALL, exchange={}),))
    assert "fan_out" not in result["room"].to_dict()
    with pytest.raises(UsageError, match="fan_out=True"):
        result.fan_out()


def test_runs_of_both_kinds_have_no_common_figures():
    assert summarise([closed(ALL), closed(ALL, exchange={})]).fan_out is None
