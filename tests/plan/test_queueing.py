"""Theory against published values, against hand-worked bursts and against simulations that share none of its code."""

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import UsageError
from labkit.plan import queueing
from tests.support import closed_formulas

# Two decimals are coarse enough for ties and idle gaps to turn up often.
TIMES = st.integers(0, 500).map(lambda hundredths: hundredths / 100)
SERVERS = st.integers(1, 5)
EVENTS = st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=30)
DISCIPLINES = [queueing.fifo, queueing.sharing]
ROUNDING_S = 1e-9


def columns(events):
    arrivals, service = np.array(events).T
    return arrivals, service


# Formulas


def test_utilisation_and_littles_law():
    assert queueing.utilisation(rate_hz=20, service_s=0.1) == pytest.approx(2.0)
    assert queueing.utilisation(rate_hz=20, service_s=0.1, servers=4) == pytest.approx(0.5)
    assert closed_formulas.in_system(rate_hz=20, latency_s=0.25) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("offered", "servers", "waits"),
    [(2, 3, 4 / 9), (1, 2, 1 / 3), (0.7, 1, 0.7), (0, 5, 0.0), (3, 4, 27 / 53), (4, 5, 0.5541)],
)
def test_erlang_c_textbook_values(offered, servers, waits):
    assert closed_formulas.erlang_c(offered, servers) == pytest.approx(waits, abs=5e-5)


@pytest.mark.parametrize(("offered", "servers"), [(5.5, 8), (19, 20), (180, 200)])
def test_erlang_c_equals_its_definition(offered, servers):
    # The defining fraction, each term a logarithm so that 200! fits.
    terms = [k * math.log(offered) - math.lgamma(k + 1) for k in range(servers + 1)]
    top = math.exp(terms[-1]) * servers / (servers - offered)
    assert closed_formulas.erlang_c(offered, servers) == pytest.approx(
        top / (sum(map(math.exp, terms[:-1])) + top), rel=1e-9
    )


def test_steady_state_waits():
    assert closed_formulas.md1_wait_s(rate_hz=8, service_s=0.1) == pytest.approx(0.2)
    assert closed_formulas.mmc_wait_s(rate_hz=8, service_s=0.1, servers=1) == pytest.approx(0.8 * 0.1 / 0.2)
    assert closed_formulas.mmc_wait_s(rate_hz=2, service_s=1, servers=3) == pytest.approx(4 / 9)
    assert closed_formulas.ps_latency_s(rate_hz=8, service_s=0.1) == pytest.approx(0.5)
    # M/M/1: processor sharing and FIFO have the same mean latency.
    assert closed_formulas.ps_latency_s(8, 0.1) == pytest.approx(closed_formulas.mmc_wait_s(8, 0.1, 1) + 0.1)
    assert closed_formulas.md1_wait_s(rate_hz=0, service_s=0.1) == closed_formulas.mmc_wait_s(0, 0.1, 3) == 0


@pytest.mark.parametrize(
    ("servers", "fifo_mean", "sharing_mean"),
    # 5 events of 1 s: ends 1 2 3 4 5, then 1 1 2 2 3, then 1 1 1 2 2, then 1 1 1 1 1.
    [(1, 3.0, 5.0), (2, 9 / 5, 2.5), (3, 7 / 5, 5 / 3), (5, 1.0, 1.0), (9, 1.0, 1.0)],
)
def test_burst_means_by_hand(servers, fifo_mean, sharing_mean):
    assert closed_formulas.batch_fifo_mean_s(5, 1.0, servers) == pytest.approx(fifo_mean)
    assert closed_formulas.batch_sharing_mean_s(5, 1.0, servers) == pytest.approx(sharing_mean)


@given(events=st.integers(1, 30), servers=SERVERS)
def test_burst_means_equal_the_burst_event_by_event(events, servers):
    burst = np.zeros(events)
    fifo = queueing.fifo(burst, 0.1, servers).latencies_s(burst).mean()
    shared = queueing.sharing(burst, 0.1, servers).latencies_s(burst).mean()
    assert closed_formulas.batch_fifo_mean_s(events, 0.1, servers) == pytest.approx(fifo)
    assert closed_formulas.batch_sharing_mean_s(events, 0.1, servers) == pytest.approx(shared)


# Event by event, by hand


def test_fifo_burst_on_two_servers():
    served = queueing.fifo([0, 0, 0, 0, 0], [3, 1, 1, 1, 2], servers=2)
    assert served.starts_s.tolist() == [0, 0, 1, 2, 3]
    assert served.ends_s.tolist() == [3, 1, 2, 3, 5]


def test_fifo_answers_in_the_order_given():
    served = queueing.fifo([2, 0, 0, 9], 1.5)
    assert served.starts_s.tolist() == [3.0, 0.0, 1.5, 9.0]
    assert served.latencies_s([2, 0, 0, 9]).tolist() == [2.5, 1.5, 3.0, 1.5]


def test_sharing_by_hand():
    # Alone until 1, halves until 3 (the second has had its 1), alone again for the last second.
    served = queueing.sharing([0, 1], [3, 1])
    assert served.starts_s.tolist() == [0, 1]
    assert served.ends_s == pytest.approx([4, 3])
    # Out of order, with an idle gap before the last one.
    assert queueing.sharing([1, 9, 0], [1, 2, 3]).ends_s == pytest.approx([3, 11, 4])


def test_sharing_gives_a_job_one_core_at_most():
    assert queueing.sharing([0, 0], 1.0, cores=4).ends_s == pytest.approx([1, 1])
    # Two thirds of a core each until the short one ends at 1.5, then a whole core each: 2 - 1 s of work is left.
    assert queueing.sharing([0, 0, 0], [1, 2, 2], cores=2).ends_s == pytest.approx([1.5, 2.5, 2.5])


# Against naive simulations


def fifo_by_ticks(arrivals, service, servers):
    """Whole ticks, servers that count down: exact for integers, arrivals sorted, service of at least a tick."""
    waiting, busy = deque(), [None] * servers
    starts, ends = [-1] * len(arrivals), [-1] * len(arrivals)
    tick = 0
    while -1 in ends:
        waiting.extend(i for i, arrival in enumerate(arrivals) if arrival == tick)
        for k in range(servers):
            if busy[k] is None and waiting:
                busy[k] = waiting.popleft()
                starts[busy[k]] = tick
        tick += 1
        for k, i in enumerate(busy):
            if i is not None and tick - starts[i] == service[i]:
                ends[i], busy[k] = tick, None
    return starts, ends


@given(
    events=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=15).map(sorted),
    servers=SERVERS,
)
def test_fifo_equals_a_simulation_in_ticks(events, servers):
    arrivals, service = zip(*events, strict=True)
    served = queueing.fifo(arrivals, service, servers)
    assert (served.starts_s.tolist(), served.ends_s.tolist()) == fifo_by_ticks(arrivals, service, servers)


def sharing_by_steps(arrivals, service, cores, step):
    left, ends, now = np.array(service, dtype=float), np.zeros(len(service)), 0.0
    while left.max() > 0:
        present = (np.array(arrivals) <= now + step / 2) & (left > 0)
        now += step
        left[present] -= step * min(1, cores / max(1, present.sum()))
        ends[present & (left <= 0)] = now
    return ends


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_sharing_agrees_with_a_simulation_in_small_steps(cores):
    rng = np.random.default_rng(5)
    step, events = 0.0005, 8
    arrivals, service = rng.integers(0, 2000, events) * step, rng.integers(100, 1500, events) * step
    # An end inside a step is noticed at the step's end: late by a step at most, for it and all that share with it.
    margin = 2 * events * step
    assert queueing.sharing(arrivals, service, cores).ends_s == pytest.approx(
        sharing_by_steps(arrivals, service, cores, step), abs=margin
    )


@pytest.mark.parametrize(
    ("servers", "draw_service", "formula_s"),
    [
        (1, lambda rng, n: np.full(n, 1.0), closed_formulas.md1_wait_s(0.6, 1.0)),
        (3, lambda rng, n: rng.exponential(1.0, n), closed_formulas.mmc_wait_s(1.8, 1.0, 3)),
    ],
    ids=["M/D/1", "M/M/3"],
)
def test_simulated_waits_agree_with_the_formula(servers, draw_service, formula_s):
    # Waits within a run are correlated, means of independent runs are not: their spread gives the standard error.
    # 300 events of warm-up are 25 relaxation times, S / (c (1 - sqrt(rho))^2): no bias is left that would show.
    rng, runs, events, warm_up = np.random.default_rng(1961), 40, 6000, 300
    means = []
    for _ in range(runs):
        arrivals = rng.exponential(1 / (0.6 * servers), events).cumsum()
        served = queueing.fifo(arrivals, draw_service(rng, events), servers)
        means.append((served.starts_s - arrivals)[warm_up:].mean())
    margin = 4 * np.std(means, ddof=1) / math.sqrt(runs)
    assert margin < 0.1 * formula_s, "too wide a margin to tell anything"
    assert np.mean(means) == pytest.approx(formula_s, abs=margin)


def test_shared_processor_agrees_with_the_formula_whatever_the_service_times():
    rng, runs, events, warm_up = np.random.default_rng(1971), 30, 1500, 300
    for draw in (lambda: np.ones(events), lambda: rng.choice([0.5, 3.0], events, p=[0.8, 0.2])):
        means = []
        for _ in range(runs):
            arrivals = rng.exponential(1 / 0.5, events).cumsum()
            # The tail would end too early, having nobody behind it to share with: it is cut like the warm-up.
            means.append(queueing.sharing(arrivals, draw()).latencies_s(arrivals)[warm_up:-100].mean())
        margin = 4 * np.std(means, ddof=1) / math.sqrt(runs)
        assert margin < 0.1 * closed_formulas.ps_latency_s(0.5, 1.0)
        assert np.mean(means) == pytest.approx(closed_formulas.ps_latency_s(0.5, 1.0), abs=margin)


# Properties


@pytest.mark.parametrize("discipline", DISCIPLINES)
@given(service=st.lists(TIMES, min_size=1, max_size=30), at=TIMES)
def test_work_is_conserved_in_a_burst(discipline, service, at):
    last = discipline(np.full(len(service), at), service).ends_s.max()
    assert last == pytest.approx(at + sum(service), abs=ROUNDING_S)


@given(events=EVENTS)
def test_work_is_conserved_for_any_arrivals(events):
    # A single server that never idles while there is work falls idle at the same instants under either discipline.
    arrivals, service = columns(events)
    fifo, shared = queueing.fifo(arrivals, service), queueing.sharing(arrivals, service)
    assert fifo.ends_s.max() == pytest.approx(shared.ends_s.max(), abs=ROUNDING_S)


@pytest.mark.parametrize("discipline", DISCIPLINES)
@given(events=EVENTS, servers=SERVERS)
def test_no_event_ends_before_its_arrival_plus_its_service(discipline, events, servers):
    arrivals, service = columns(events)
    served = discipline(arrivals, service, servers)
    assert (served.starts_s >= arrivals).all()
    assert (served.ends_s >= arrivals + service - ROUNDING_S).all()


@pytest.mark.parametrize("discipline", DISCIPLINES)
@given(events=EVENTS)
def test_with_a_server_for_everyone_nobody_waits(discipline, events):
    arrivals, service = columns(events)
    assert discipline(arrivals, service, len(events)).ends_s == pytest.approx(arrivals + service, abs=ROUNDING_S)


@given(events=EVENTS.map(sorted))
def test_fifo_on_one_server_is_lindleys_recursion(events):
    arrivals, service = columns(events)
    waits = [0.0]
    for gap, work in zip(np.diff(arrivals), service[:-1], strict=True):
        waits.append(max(0.0, waits[-1] + work - gap))
    assert queueing.fifo(arrivals, service).starts_s - arrivals == pytest.approx(np.array(waits), abs=ROUNDING_S)


@pytest.mark.parametrize("discipline", DISCIPLINES)
@given(data=st.data(), servers=SERVERS)
def test_permuting_distinct_arrivals_permutes_the_answer(discipline, data, servers):
    events = data.draw(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=20, unique_by=lambda event: event[0]))
    order = data.draw(st.permutations(range(len(events))))
    arrivals, service = columns(events)
    given_, permuted = discipline(arrivals, service, servers), discipline(arrivals[order], service[order], servers)
    assert permuted.starts_s.tolist() == given_.starts_s[order].tolist()
    assert permuted.ends_s == pytest.approx(given_.ends_s[order], abs=ROUNDING_S)


@pytest.mark.parametrize("discipline", DISCIPLINES)
@given(events=EVENTS, servers=SERVERS)
def test_more_servers_never_end_an_event_later(discipline, events, servers):
    arrivals, service = columns(events)
    fewer, more = discipline(arrivals, service, servers).ends_s, discipline(arrivals, service, servers + 1).ends_s
    assert (more <= fewer + ROUNDING_S).all()


# Senseless requests


@pytest.mark.parametrize(
    "request_",
    [
        lambda: queueing.utilisation(-1, 0.1),
        lambda: queueing.utilisation(1, math.nan),
        lambda: queueing.utilisation(1, 0.1, servers=0),
        lambda: closed_formulas.in_system(1, math.inf),
        lambda: queueing.fifo([], 0.1),
        lambda: queueing.fifo([[0.0]], 0.1),
        lambda: queueing.fifo([0, math.nan], 0.1),
        lambda: queueing.fifo([0, 1], -0.1),
        lambda: queueing.fifo([0, 1], [0.1]),
        lambda: queueing.fifo([0, 1], 0.1, servers=0),
        lambda: queueing.sharing([], 0.1),
        lambda: queueing.sharing([0, 1], [0.1, math.inf]),
        lambda: queueing.sharing([0, 1], 0.1, cores=1.5),
        lambda: queueing.fifo([0, 1], 0.1).latencies_s([0]),
        lambda: closed_formulas.md1_wait_s(10, 0.1),
        lambda: closed_formulas.mmc_wait_s(30, 0.1, servers=3),
        lambda: closed_formulas.mmc_wait_s(1, 0.1, servers=-1),
        lambda: closed_formulas.ps_latency_s(11, 0.1),
        lambda: closed_formulas.erlang_c(3, 3),
        lambda: closed_formulas.erlang_c(-1, 3),
        lambda: closed_formulas.batch_fifo_mean_s(0, 0.1),
        lambda: closed_formulas.batch_sharing_mean_s(3, -0.1),
        lambda: closed_formulas.batch_sharing_mean_s(3, 0.1, cores=0),
    ],
)
def test_senseless_requests_say_what_to_do(request_):
    with pytest.raises(UsageError, match=r"^(give|use|lower) "):
        request_()
