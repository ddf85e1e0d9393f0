"""Batching by window: messages are counted by what arrives together, windows by what the run says."""

import dataclasses

import numpy as np
import pytest

import labkit as lab
from labkit.base.errors import UsageError
from labkit.client.process import ClientProcess
from labkit.experiments import batching
from labkit.runs.comparison import Comparison
from tests.support import simulated


def together(run, size):
    """The same run, whose answers came `size` at a time."""
    at = run.deliveries["at"].copy()
    for i in range(len(at)):
        at[i] = at[min(len(at) - 1, (i // size + 1) * size - 1)]
    return dataclasses.replace(run, deliveries={**run.deliveries, "at": at})


def run(*args, **about):
    """Of one client: what reaches two at one instant are two messages."""
    return simulated.run(*args, clients=1, **about)


def batch(window_ms, size, **about):
    environment = {"parameters": {"window_ms": window_ms}, "server_cpu_s": 0.3}
    return together(run(f"server-batch, window_ms={window_ms}", conditions=environment, **about), size)


def test_answers_that_come_together_came_in_one_message():
    assert batching.messages(run()) == 10
    assert batching.messages(together(run(), 5)) == 2
    assert batching.messages(simulated.run(own_ms=[float("inf")] * 3)) == 0


def test_what_reaches_two_clients_at_one_instant_are_two_messages():
    run = simulated.run(plan=simulated.burst(4, connections=2), own_ms=5)
    assert batching.messages(run) == 2


def test_the_trade_off_is_in_the_order_of_the_windows_with_inline_first():
    found = batching.trade_off(Comparison((batch(50, 10), batch(10, 5), run())))
    assert [(w.window_ms, w.emits, w.saved) for w in found.windows] == [(0, 10, 0), (10, 2, 0.8), (50, 1, 0.9)]
    assert found.windows[1].server_cpu_ms == pytest.approx(300)
    assert repr(found).splitlines()[1].startswith("10 ms: 2 messages for 10 answers, 300 ms CPU, answered after")


def test_context_switches_are_told_where_every_run_counted_them():
    runs = [batch(50, 10), batch(50, 10)]
    counted = [
        dataclasses.replace(r, conditions=dataclasses.replace(r.conditions, server_switches=n))
        for r, n in zip(runs, (30, 50), strict=True)
    ]
    assert "300 ms CPU, 40 context switches, answered" in repr(batching.trade_off(Comparison(tuple(counted))))
    assert "switches" not in repr(batching.trade_off(Comparison((counted[0], runs[1]))))


def test_runs_of_one_window_are_averaged():
    found = batching.trade_off(Comparison((batch(50, 10), batch(50, 5))))
    assert found.windows[0].emits == 1.5


def test_what_has_no_window_is_left_out_and_nothing_but_that_is_refused():
    assert len(batching.trade_off(Comparison((batch(50, 10), simulated.run("thread")))).windows) == 1
    with pytest.raises(UsageError, match="server-batch"):
        batching.trade_off(Comparison((simulated.run(), simulated.run("thread"))))


@pytest.mark.parametrize("windows", [[], [0], [-1, 10], [float("inf")], [float("nan")], 0, "50"])
def test_a_window_is_a_time(windows):
    with pytest.raises(UsageError, match="windows_ms"):
        batching.batching(windows)


@pytest.mark.measured
def test_a_wider_window_sends_less_and_later():
    with ClientProcess() as client:
        found = batching.batching([40, 200], plan=lab.constant(200, seconds=1, connections=1), repeats=1, client=client)
    none, narrow, wide = found.windows
    # Each answer by itself; at most one message a window, and one for the rest.
    assert none.emits == 200
    assert narrow.emits <= np.ceil(1000 / 40) + 2
    assert wide.emits <= np.ceil(1000 / 200) + 2
    assert none.own_p50_ms < narrow.own_p50_ms < wide.own_p50_ms
    assert all(summary.lost == 0 for summary in found.result.summaries)
