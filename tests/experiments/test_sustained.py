"""Strategies under load that lasts: the record, its table and theory on runs of a model; refusals; and one for real."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings

import labkit as lab
from labkit.base.errors import LabError, RecordError, ServerError, StrategyError, UsageError
from labkit.experiments import compare
from labkit.experiments.sustained import Sustained, Theory
from labkit.experiments.sustained_runs import sustain
from labkit.plan import queueing
from labkit.plan.schedules import burst
from labkit.plan.work import io_wait
from tests.support import queued, simulated
from tests.support.damage import damage
from tests.support.helpers import swallowed

WORK = io_wait(20)


def by_hand(strategy, work, plan, **settings):
    """Stand-in for measuring: a run of the plan that was asked for, answered as a queue without a limit does."""
    own_ms, _ = queued.unbounded(plan)
    return simulated.run(strategy.name, plan=plan, own_ms=own_ms, service_ms=20)


@pytest.fixture
def measured(monkeypatch):
    """In place of measuring, `by_hand`; the list of what was asked for: strategy, plan, settings."""
    asked = []

    def listed(strategy, work, plan, **settings):
        asked.append((strategy.name, plan, settings))
        return by_hand(strategy, work, plan, **settings)

    monkeypatch.setattr(compare, "measure", listed)
    return asked


# --- what is measured ---


def test_at_a_load_all_strategies_get_the_same_arrivals_window_and_patience(measured):
    found = sustain(["inline", "thread"], WORK, loads=(1.5, 0.5), seconds=2, servers=2, repeats=3, connections=10)
    assert found.loads == (0.5, 1.5)
    for load, events in ((0.5, 100), (1.5, 300)):
        of_load = [(name, plan, s) for name, plan, s in measured if len(plan) == events]
        assert [name for name, _, _ in of_load].count("inline") == 3
        assert len(of_load) == 6
        assert len({plan.intended_ns.tobytes() for _, plan, _ in of_load}) == 1
        assert {s["window_s"] for _, _, s in of_load} == {2}
        assert {s["timeout_s"] for _, _, s in of_load} == {5 + 2 * 2 * max(1, load)}
        assert {len(s["expected"].payloads) for _, _, s in of_load} == {events}
        assert found[load].strategies == ("inline", "thread")
        assert len(found[load].runs) == 6


def test_loads_are_measured_in_turn(measured):
    sustain(["inline", "thread"], WORK, loads=(0.5, 0.9, 1.5), seconds=1, servers=2, repeats=2, connections=10)
    rounds = np.array([len(plan) for _, plan, _ in measured]).reshape(4, 3)
    assert [sorted(one) for one in rounds.tolist()] == [[50, 90, 150]] * 4
    assert len({tuple(one) for one in rounds.tolist()}) > 1


def test_each_load_has_an_order_of_its_own(measured):
    sustain(["inline", "thread", "conflate"], WORK, loads=(0.5, 1.5), seconds=1, servers=2, repeats=3, connections=10)
    orders = {events: [name for name, plan, _ in measured if len(plan) == events] for events in (50, 150)}
    assert sorted(orders[50]) == sorted(orders[150])
    assert orders[50] != orders[150]


def test_what_is_asked_for_wins_over_what_is_usual(measured):
    sustain("inline", WORK, loads=[0.5], seconds=1, connections=5, window_s=7, timeout_s=9, warm_up=3)
    ((_, plan, settings),) = measured
    assert (settings["window_s"], settings["timeout_s"], settings["warm_up"]) == (7, 9, 3)
    assert plan.connections == 5


def test_each_run_is_told_as_soon_as_it_is_there(measured):
    told = []
    sustain("inline", WORK, loads=(0.5, 1.5), seconds=1, connections=10, progress=lambda *news: told.append(news))
    assert [(done, of) for done, of, _ in told] == [(1, 2), (2, 2)]
    assert {len(run) for _, _, run in told} == {25, 75}


def test_an_interrupt_that_python_swallows_ends_it_after_the_run(measured):
    told = []

    def tell(*news):
        told.append(news)
        swallowed(KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        sustain("inline", WORK, loads=(0.5, 1.5), seconds=1, connections=10, progress=tell)
    assert len(told) == 1


def test_one_load_is_a_number(measured):
    assert sustain("inline", WORK, loads=0.5, seconds=1, connections=10).loads == (0.5,)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"loads": ()}, "there is no load"),
        ({"loads": (0.5, 0)}, "a load must be above 0"),
        ({"loads": "0.9"}, "a load must be above 0"),
        ({"loads": (0.5, math.nan)}, "a load must be above 0"),
        ({"loads": (0.5, math.inf)}, "a load must be above 0"),
        ({"loads": (0.5, 11)}, "a load above 10 asks for"),
        ({"loads": (0.5, 0.5)}, "named twice"),
        ({"loads": (0.1, 0.9), "seconds": 1}, "at a load of 0.1 only 5 events.*raise seconds to 2"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"servers": 0}, "servers"),
        ({"repeats": 0}, "repeats must be 1 or more"),
        ({"strategies": []}, "no strategy"),
        ({"strategies": ["inline", "inline"]}, "two strategies have one name"),
        ({"work": 5}, "the work must be"),
        ({"expected": object()}, "leave it out"),
        ({"windw_s": 1}, "window_s"),
        ({"mode": "telepathy"}, "unknown mode"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_first_run(asked, says, measured):
    usual = {"strategies": "inline", "work": WORK, "connections": 10}
    with pytest.raises(UsageError, match=says):
        sustain(**{**usual, **asked})
    assert measured == []


def test_an_unknown_strategy_is_refused(measured):
    with pytest.raises(StrategyError, match="unknown strategy"):
        sustain("magic", WORK, connections=10)


# --- what is kept ---


def test_every_run_is_kept_as_soon_as_it_is_there_and_read_again(measured, tmp_path):
    asked = {"loads": (0.5, 1.5), "seconds": 1, "servers": 2, "connections": 10, "bounds_ms": (100.0, 300.0)}
    found = sustain(["inline", "process-pool"], WORK, **asked, save_to=tmp_path / "X")
    again = lab.Sustained.load(tmp_path / "X")
    assert (again.loads, again.servers, again.seconds) == ((0.5, 1.5), 2, 1)
    assert again.elsewhere == found.elsewhere == ("process-pool",)
    assert again.bounds_ms == (100, 300)
    assert again[1.5].strategies == found[1.5].strategies
    assert repr(again) == repr(found)
    with pytest.raises(UsageError, match="earlier measurement"):
        sustain("inline", WORK, **asked, save_to=tmp_path / "X")


@pytest.mark.parametrize("failure", [ServerError("it broke"), KeyboardInterrupt()])
def test_what_was_measured_before_a_failure_is_kept(failure, measured, monkeypatch, tmp_path):
    left = iter([None, None, failure])

    def failing(*arguments, **settings):
        if (error := next(left)) is not None:
            raise error
        return by_hand(*arguments, **settings)

    monkeypatch.setattr(compare, "measure", failing)
    with pytest.raises(type(failure)) as raised:
        sustain("inline", WORK, loads=(0.5, 0.9, 1.5), seconds=1, connections=10, save_to=tmp_path)
    if isinstance(failure, LabError):
        assert raised.value.__notes__ == [f"the 2 runs that were measured before are in {tmp_path}"]
    kept = Sustained.load(tmp_path)
    assert len(kept.loads) == len(kept.runs) == 2


def test_a_folder_without_a_measurement_is_no_record(tmp_path):
    with pytest.raises(RecordError, match=r"no sustained\.json"):
        Sustained.load(tmp_path)
    (tmp_path / "sustained.json").write_text("{")
    with pytest.raises(RecordError, match="damaged"):
        Sustained.load(tmp_path)
    (tmp_path / "sustained.json").write_text('{"servers": 1, "seconds": 1, "loads": [1], "elsewhere": []}')
    with pytest.raises(RecordError, match="no runs"):
        Sustained.load(tmp_path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "measure", by_hand)
        sustain("inline", WORK, loads=(0.5, 1.5), seconds=1, servers=2, connections=10, save_to=folder)
    return folder


@settings(max_examples=50, deadline=None)
@given(hurt=damage("sustained.json"))
def test_a_damaged_record_is_one_sentence_or_a_table(kept, hurt):
    name, change = hurt
    whole = (kept / name).read_bytes()
    (kept / name).write_bytes(change(whole))
    try:
        found = Sustained.load(kept)
    except RecordError:
        return
    finally:
        (kept / name).write_bytes(whole)
    assert repr(found)
    json.dumps(found.to_dict(), allow_nan=False)


# --- theory ---


def test_theory_is_of_the_plans_own_arrivals_and_the_calibration_and_never_of_what_was_measured():
    plan = burst(4, connections=1)
    for own_ms in (1.0, 999.0):
        found = Theory.of(simulated.run("inline", plan=plan, own_ms=own_ms, service_ms=20), 2)
        assert found.fifo_ms.tolist() == pytest.approx([20, 20, 40, 40])
        assert found.sharing_ms.tolist() == pytest.approx([40] * 4)
    assert found.to_dict() == {"fifo": {"mean_ms": 30, "p50_ms": 20}, "sharing": {"mean_ms": 40, "p50_ms": 40}}


def test_a_queue_that_does_what_theory_says_has_theorys_figures():
    found = queued.sustained()
    for result, theory in zip(found.results, found.theory, strict=True):
        assert result["ack-first"].own.p50_ms == pytest.approx(theory.fifo.p50_ms)
    due_s = found[1.5].runs[0].plan.intended_ns / 1e9
    assert found.theory[-1].fifo_ms == pytest.approx(queueing.fifo(due_s, 0.02, 2).latencies_s(due_s) * 1000)


# --- how it shows itself ---


def test_the_table_has_a_row_a_load_and_strategy_and_theory_beside_them():
    lines = repr(queued.sustained()).splitlines()
    rows = [line.split() for line in lines if line.strip().startswith(("50%", "90%", "150%"))]
    assert [row[0] for row in rows] == ["50%"] * 4 + ["90%"] * 4 + ["150%"] * 4
    assert [row[1] for row in rows[:4]] == ["ack-first", "load-shedding", "theory:", "theory:"]
    shedding = rows[9]
    refused = queued.bounded(queued.sustained()[1.5].runs[0].plan)[1].count("shed")
    assert shedding[-3:] == [str(refused), "0", "0"]
    assert "never p98" in " ".join(shedding)


def test_the_notes_say_what_a_load_is_and_from_whom_it_came():
    text = " ".join(repr(queued.sustained()).split())
    assert "A load of 100% is 100/s, what 2 at a time can do at 20 ms an event." in text
    assert "for 2.5 s from 10 clients" in text
    assert "Above 100% a queue without a limit grows" in text
    assert "what one at a time can do" in queued.sustained(servers=1).full
    assert "Above 100%" not in repr(queued.sustained(loads=(0.5, 0.9)))


def test_overload_that_was_asked_for_is_no_reason_for_doubt():
    found = queued.sustained(loads=(0.5, 1.5))
    assert any(note.kind == "utilisation" for note in found[1.5].runs[0].quality)
    assert "lower the rate" not in repr(found)
    growing = queued.sustained({"ack-first": lambda plan: (np.linspace(20, 2000, len(plan)), ["answered"] * len(plan))})
    assert "lower the rate" in repr(growing)  # at half load, a queue must not grow


def test_a_strategy_that_works_elsewhere_is_said_to_have_a_load_of_its_own():
    found = queued.sustained({"process-pool": queued.unbounded})
    assert "other processes" not in repr(found)
    told = Sustained(found.loads, found.results, found.servers, found.seconds, ("process-pool",))
    assert "process-pool works in other processes: a load is the same events a second for it, and does not" in repr(
        told
    )


@pytest.mark.parametrize(("cpu_ms", "told"), [(20, None), (24, None), (26, "65%, 117%, 195%"), (15, "38%, 68%, 112%")])
def test_work_that_took_another_time_than_in_the_calibration_makes_a_load_another(cpu_ms, told):
    found = queued.sustained(work_cpu=cpu_ms * 1_000_000)
    assert found.computes
    assert found.slowed == pytest.approx(cpu_ms / 20)
    text = repr(found)
    assert ("so the loads were really" in text) is (told is not None)
    assert told is None or f"so the loads were really {told}" in text


def test_of_work_that_waits_its_own_time_counts():
    found = queued.sustained()
    assert not found.computes
    assert found.slowed == pytest.approx(1, abs=0.1)


def test_where_nothing_was_worked_on_nobody_knows_what_it_took():
    found = queued.sustained({"inline": queued.nobody})
    assert math.isnan(found.slowed)
    assert "really" not in repr(found)


def test_runs_that_must_not_be_used_are_marked():
    assert "ack-first (1 of 1 INVALID)" in repr(queued.sustained(late_ms=900))


def test_a_notebook_gets_an_escaped_table():
    html = queued.sustained({"<b>": queued.unbounded})._repr_html_()
    assert "<table>" in html
    assert "<b>" not in html


def test_json_has_all_of_it_and_nothing_that_json_cannot_have():
    found = queued.sustained({**queued.USUAL, "inline": queued.nobody})
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (told["servers"], told["seconds"], told["service_ms"]) == (2, 2.5, 20)
    assert [level["load"] for level in told["levels"]] == [0.5, 0.9, 1.5]
    last = told["levels"][-1]
    assert last["events"] == 375
    assert [s["name"] for s in last["strategies"]] == ["ack-first", "load-shedding", "inline"]
    assert last["theory"]["fifo"]["p50_ms"] == pytest.approx(found.theory[-1].fifo.p50_ms, abs=0.001)


def test_a_data_frame_has_a_row_a_load_and_strategy():
    table = queued.sustained().table()
    assert list(table.index) == [(load, name) for load in (0.5, 0.9, 1.5) for name in queued.USUAL]
    assert table.loc[(1.5, "load-shedding"), "goodput"] > table.loc[(1.5, "ack-first"), "goodput"]
    assert table.loc[(1.5, "load-shedding"), "own_max_ms"] == math.inf


def test_a_load_that_was_not_measured_is_refused():
    with pytest.raises(UsageError, match=r"there are 0\.5, 0\.9, 1\.5"):
        _ = queued.sustained()[0.7]


# --- for real ---


@pytest.mark.measured
def test_a_queue_grows_where_shedding_stays_within_what_it_holds(client):
    pools = [lab.strategy("ack-first", workers=2), lab.strategy("load-shedding", workers=2, waiting=4)]
    found = sustain(pools, io_wait(20), loads=(0.5, 2), seconds=1.5, servers=2, connections=10, client=client)
    assert all(run.unaccounted == 0 for run in found.runs)
    assert found[0.5].strategies == ("ack-first, workers=2", "load-shedding, workers=2, waiting=4")
    queue, shedding = (found[2][name] for name in found[2].strategies)
    # Of 300 events, the two can work on 150 while events arrive, and shedding holds 6 more.
    assert queue.outcomes["answered"] == 300
    assert 100 < shedding.outcomes["shed"] < 200
    assert queue.own.max_ms > 1000  # twice as much as can be done in 1.5 s: the last waits for 1.5 s
    answered_ms = shedding.own.values_ms[np.isfinite(shedding.own.values_ms)]
    assert np.median(answered_ms) < queue.own.p50_ms / 2
    assert found[0.5][found[0.5].strategies[0]].goodput > 0.9
