"""From a utilisation to a plan: as many events as it says, at instants of chance; and what cannot be asked for."""

import math

import numpy as np
import pytest

from labkit.base.errors import UsageError
from labkit.experiments.offered import arrivals, calibrated, offered
from labkit.plan import calibration
from labkit.plan.queueing import utilisation
from labkit.plan.work import call, cpu, io_wait


@pytest.mark.parametrize(("load", "servers"), [(0.5, 1), (0.9, 2), (1.5, 2), (10, 4)])
def test_a_load_is_rate_times_service_time_over_servers(load, servers):
    found = offered(io_wait(20), load, seconds=5, servers=servers, connections=10)
    assert utilisation(found.rate_hz, 0.020, servers) == pytest.approx(load, rel=0.005)
    assert len(found.plan) == round(found.rate_hz * 5) == len(found.expected.payloads)
    assert found.plan.connections == 10
    assert found.plan.intended_ns[-1] < 5e9


def test_a_plan_is_named_by_what_it_is():
    name = "45/s Poisson for 5 s, seed 3, from 10 clients"
    assert offered(io_wait(20), 0.9, connections=10, seed=3).plan.name == name
    assert offered(io_wait(20), 0.9, connections=1).plan.name.endswith("from one client")


def test_a_rate_is_short():
    assert offered(io_wait(7), 0.9, connections=10).rate_hz == 129


def test_the_same_seed_gives_the_same_arrivals_and_another_others():
    first, same, other = (arrivals(100, 5, 10, seed).intended_ns for seed in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()


def test_given_their_number_poisson_arrivals_are_uniform_draws_with_exponential_gaps():
    due_s = arrivals(1000, 20, 10, seed=0).intended_ns / 1e9
    # Of n uniform draws no share of the time is off by more than a few standard deviations.
    counts = np.histogram(due_s, bins=20, range=(0, 20))[0]
    assert np.abs(counts - 1000).max() < 5 * math.sqrt(1000)
    gaps_s = np.diff(due_s)
    assert gaps_s.mean() == pytest.approx(0.001, rel=0.01)
    assert gaps_s.std() == pytest.approx(gaps_s.mean(), rel=0.05)  # as of an exponential; 0 where they are even


def test_the_bystander_pings_while_the_load_lasts_and_all_work_can_be_done_twice():
    for load, timeout_s in ((0.5, 5 + 2 * 4), (1.5, 5 + 2 * 6)):
        settings = offered(io_wait(20), load, seconds=4, connections=10).settings
        assert (settings["window_s"], settings["timeout_s"]) == (4, timeout_s)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"load": 0}, "a load must be above 0"),
        ({"load": -0.5}, "a load must be above 0"),
        ({"load": math.nan}, "a load must be above 0"),
        ({"load": math.inf}, "a load must be above 0"),
        ({"load": 90}, "a load above 10 asks for more than 10 times what can be done, and 90 was given"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"seconds": -1}, "seconds must be above 0"),
        ({"seconds": math.nan}, "seconds must be above 0"),
        ({"servers": 0}, "servers"),
        ({"servers": 1.5}, "servers"),
        ({"seconds": 0.1}, "only 4 events come in 0.1 s, since one takes 20 ms.*raise seconds to 1 or more"),
        ({"connections": 300}, "300 clients cannot send 225 events"),
        ({"connections": 0}, "connections is 0"),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(asked, says):
    with pytest.raises(UsageError, match=says):
        offered(io_wait(20), **{"load": 0.9, **asked})


def test_work_that_takes_next_to_nothing_cannot_be_sent_fast_enough():
    with pytest.raises(UsageError, match="a client cannot send so many"):
        offered(call(lambda number: number), 0.9)


def test_the_fastest_of_several_calls_is_what_work_costs(monkeypatch):
    took = iter([60, 50, 90, 70, 55, 40, 80, 90, 65])
    monkeypatch.setattr(calibration, "Calculation", lambda function: lambda data: answer(next(took)))
    assert calibrated(cpu(50)).service_ms == (40.0,) * 20
    assert next(took, None) is None


def answer(ms):
    return {"id": 0, "result": 0, "start_ns": 0, "end_ns": ms * 1_000_000, "cpu_ns": ms * 1_000_000}
