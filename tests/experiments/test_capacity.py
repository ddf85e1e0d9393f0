"""The bracket contains the truth, on servers of which it is known; and what it says where it cannot be found."""

import json
import math

import numpy as np
import pytest

import labkit as lab
from labkit.base.errors import UsageError
from labkit.experiments import capacity_search
from labkit.experiments.capacity import BREAKS, CLIENT, HOLDS, Trial
from labkit.experiments.capacity_search import capacity
from labkit.plan import queueing
from labkit.plan.calibration import expected_answers, tiled
from labkit.plan.schedules import burst, constant
from labkit.plots import capacity_curve
from labkit.runs.summary import Distribution
from labkit.strategies import strategy
from tests.support import simulated

WORK = lab.io_wait(20)


@pytest.fixture
def server(monkeypatch):
    """Measuring is computed: `workers` that take `service_ms` each; `bystander_ms(rate)`, `late_ms(rate)`."""

    def prepare(workers=2, service_ms=20.0, bystander_ms=lambda rate: 1.0, late_ms=lambda rate: 0.0):
        fired = []

        def measure(chosen, work, plan, **settings):
            due_s = plan.intended_ns / 1e9
            own_ms = queueing.fifo(due_s, service_ms / 1000, workers).latencies_s(due_s) * 1000
            own_ms = np.where(own_ms > settings["timeout_s"] * 1000, math.inf, own_ms)
            fired.append(plan)
            late = np.full(len(plan), late_ms(plan.rate_hz))
            pings = max(150, round(50 * settings["window_s"]))
            return simulated.run(
                chosen.name, plan=plan, own_ms=own_ms + late, late_ms=late, pings=pings,
                bystander_ms=bystander_ms(plan.rate_hz), work=work.name, service_ms=service_ms,
            )  # fmt: skip

        monkeypatch.setattr(capacity_search, "measure", measure)
        return fired

    return prepare


@pytest.mark.parametrize(("workers", "service_ms"), [(1, 20.0), (2, 20.0), (16, 20.0), (4, 50.0), (1, 3.0)])
@pytest.mark.parametrize("random", [False, True])
def test_the_bracket_contains_the_truth(workers, service_ms, random, server):
    server(workers, service_ms)
    found = capacity("thread-pool", WORK, random=random)
    true_hz = workers / service_ms * 1000
    assert found.is_confirmed, repr(found)
    assert found.low_hz < true_hz < found.high_hz * (1.2 if random else 1)
    if not random:
        assert found.throughput_hz == pytest.approx(true_hz, rel=0.1)


def test_overload_is_only_what_is_more_than_it_can_do(server):
    plans = server(workers=64)  # 3,200/s: the first tries do not overload it
    found = capacity("thread-pool", WORK)
    assert [plan.rate_hz for plan in plans[:3]] == pytest.approx([400, 1600, 6400], rel=0.01)
    assert found.low_hz < 3200 < found.high_hz


def test_both_ends_are_measured_with_samples_for_p98_and_time_to_break(server):
    server()
    found = capacity("thread-pool", WORK)
    assert {t.verdict for t in found.trials} == {HOLDS, BREAKS}
    assert all(len(t.own) >= 150 and t.own.tail[0] == "p98" for t in found.trials)
    assert [t.rate_hz / found.throughput_hz for t in found.trials[:2]] == pytest.approx([0.9, 1.1])


def test_a_bystander_that_suffers_lowers_the_capacity(server):
    server(workers=4, bystander_ms=lambda rate: 400.0 if rate > 70 else 1.0)
    found = capacity("thread-pool", WORK)
    assert found.is_confirmed, repr(found)
    assert found.low_hz <= 70 <= found.high_hz


def test_one_that_can_do_more_than_it_seemed_is_followed_up(server, monkeypatch):
    server(workers=4)
    monkeypatch.setattr(capacity_search, "throughput", lambda run: 80.0)
    found = capacity("thread-pool", WORK)
    assert found.is_confirmed, repr(found)
    assert found.low_hz <= 200 <= found.high_hz


def test_a_rate_at_which_the_client_is_late_is_not_the_servers(server):
    server(workers=4, late_ms=lambda rate: 300.0 if rate > 150 and rate < 400 else 0.0)
    found = capacity("thread-pool", WORK)
    assert "its limit, not the server's" in found.limit
    assert not found.is_confirmed
    assert CLIENT in {t.verdict for t in found.trials}
    assert math.isinf(found.high_hz)


def test_a_client_that_cannot_overload_the_server_says_so(server):
    server(workers=10_000)
    found = capacity("thread-pool", WORK, bound_ms=100)
    assert math.isinf(found.throughput_hz)
    assert "the client cannot send more than" in found.limit
    assert found.bracket.startswith("at least ")


def test_a_bound_that_is_broken_without_load(server):
    server(bystander_ms=lambda rate: 900.0)
    found = capacity("thread-pool", WORK)
    assert found.low_hz == 0
    assert "holds: the bound is broken without load" in found.limit
    assert found.bracket.startswith("below ")


def test_the_time_limit_comes_first(server, monkeypatch):
    server()
    monkeypatch.setattr(capacity_search._Search, "passed_s", 55.0)
    monkeypatch.setattr(capacity_search, "OVERLOADED", 2.0)  # whatever comes is an overload
    found = capacity("thread-pool", WORK)
    assert (found.bracket, found.trials) == ("not found", ())
    assert "the time limit of 60 s came first" in found.limit


@pytest.mark.parametrize("bound_ms", [20, 0, -1, math.nan])
def test_a_bound_below_one_event_is_refused(bound_ms):
    with pytest.raises(UsageError, match="the bound must be above the 20"):
        capacity("thread-pool", WORK, bound_ms=bound_ms)


# --- judging a run ---


def judged(**arguments):
    return Trial.of(simulated.run(plan=constant(50, events=200), pings=200, **arguments), 50, 200).verdict


def test_a_run_is_judged_by_callers_bystander_and_the_clients_own_lateness():
    assert judged(own_ms=150) == HOLDS
    assert judged(own_ms=250) == BREAKS
    assert judged(own_ms=150, bystander_ms=250) == BREAKS
    assert judged(own_ms=250, late_ms=30) == CLIENT
    assert judged(own_ms=150, late_ms=30) == HOLDS  # in spite of it
    assert judged(own_ms=np.linspace(10, 150, 200)) == BREAKS  # still growing
    assert judged(own_ms=150, outcomes={"timed out": 10}) == BREAKS
    assert judged(own_ms=150, outcomes={"shed": 10}) == BREAKS
    assert judged(own_ms=150, outcomes={"shed": 2}) == HOLDS


def test_throughput_and_what_was_sent():
    run = simulated.run(plan=burst(10), own_ms=np.arange(1, 11) * 100.0)
    assert capacity_search.throughput(run) == pytest.approx(10)
    assert capacity_search.throughput(simulated.run(own_ms=[math.inf])) == 0
    assert capacity_search.sent_hz(simulated.run(plan=constant(100, events=101), late_ms=0)) == pytest.approx(100)


def test_calibration_in_turn():
    expected = tiled(expected_answers(lab.io_wait(1), burst(3)), 7)
    assert expected.payloads == (0, 1, 2, 0, 1, 2, 0)
    assert len(expected.service_ms) == len(expected.cpu_ms) == len(expected.answers) == 7


# --- shown ---


def test_theory_is_of_the_arrivals_used(server):
    server()
    found = capacity("thread-pool", WORK)
    assert found.servers == 2
    assert found.theory_ms(50, 5) == pytest.approx(found.service_ms)
    assert found.theory_ms(150, 5) > 1000
    assert capacity("thread-pool", WORK, random=True).theory_ms(90, 5) > 1.2 * found.service_ms


def test_text_json_html_and_figure(server):
    server()
    found = capacity(strategy("thread-pool", name="<pool>"), WORK)
    assert repr(found).startswith("<pool>: between ")
    assert "&lt;pool&gt;" in found._repr_html_()
    about = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert about["confirmed"]
    assert [t["verdict"] for t in about["trials"]][:2] == [HOLDS, BREAKS]
    figure = capacity_curve(found, found)
    assert len(figure.axes) == 2
    assert figure.get_suptitle().startswith("<pool>: between")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "theory: even arrivals, first in first out" in labels


def test_a_figure_of_nothing_found(server):
    server(bystander_ms=lambda rate: math.inf)
    assert capacity_curve(capacity("thread-pool", WORK)).axes
    assert Distribution.of(np.array([])).max_ms != 0


# --- of a mix ---

MIXED = lab.mix({"chat": (0.9, lab.io_wait(1)), "export": (0.1, lab.io_wait(100))})


def test_a_mix_is_searched_with_its_kinds_in_every_plan(server, monkeypatch):
    server(workers=4)
    computed, asked = capacity_search.measure, []

    def measure(chosen, work, plan, **settings):
        asked.append((plan, settings["expected"]))
        return computed(chosen, work, plan, **settings)

    monkeypatch.setattr(capacity_search, "measure", measure)
    found = capacity("thread-pool", MIXED, connections=10)
    assert len(asked) > 2
    assert all(each.kind == tuple(MIXED.kinds_in(plan)) for plan, each in asked)
    assert found.service_ms == pytest.approx(0.9 * 1 + 0.1 * 100)
    assert found.kinds_ms == ((0.9, 1), (0.1, 100))


def test_a_bound_below_what_p98_of_a_mix_takes_is_refused(server):
    server()
    with pytest.raises(UsageError, match="above the 100 ms that p98 of the events takes, not 50 ms"):
        capacity("thread-pool", MIXED, bound_ms=50, connections=10)


def test_a_mix_apart_that_its_clients_do_not_divide_is_refused_before_anything_is_measured(server):
    fired = server()
    apart = lab.mix({"chat": (0.9, lab.io_wait(1)), "export": (0.1, lab.io_wait(100))}, apart=True)
    with pytest.raises(UsageError, match=r"90% of 4 clients is 3\.6"):
        capacity("thread-pool", apart, connections=4)
    assert fired == []


def test_a_rare_kind_is_in_every_plan(server):
    fired = server(workers=4)
    rare = lab.mix({"chat": (0.998, lab.io_wait(20)), "export": (0.002, lab.io_wait(30))})
    capacity("thread-pool", rare, connections=10, limit_s=200)
    assert min(map(len, fired)) >= 500


def test_the_theory_of_a_mix_follows_its_kinds():
    about = ("inline", "x", "threading", 200, "constant", 5, 10, 100.0, 10.0, (), "", 1.0)
    alike, mixed = (capacity_search.Capacity(*about, kinds) for kinds in ((), ((0.9, 1.0), (0.1, 91.0))))
    assert alike.theory_ms(1, 1) == pytest.approx(10)
    assert mixed.theory_ms(1, 1) == pytest.approx(91)
