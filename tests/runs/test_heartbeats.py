"""The ping-timeout margin: exact on made-up instants, and the two ways to lose a client, for real."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import burst, cpu, io_wait, measure
from labkit.base.clock import NS_PER_S
from labkit.client.packets import heartbeat_told_ns
from labkit.runs.heartbeats import Heartbeats, merged, observed

S = NS_PER_S
TOLD = (25 * S, 20 * S)


# --- exact ---


def test_the_longest_silence_of_all_clients_counts_from_handshake_to_the_end():
    found = observed(TOLD, [[0, 25 * S, 51 * S], [1 * S, 26 * S]], [60 * S, 70 * S])
    assert found == Heartbeats(*TOLD, silence_ns=44 * S, pings=3)
    assert found.margin_s == 1.0


def test_a_silence_longer_than_interval_and_timeout_is_a_margin_below_zero():
    assert observed(TOLD, [[0, 50 * S]], [51 * S]).margin_s == -5.0


def test_where_no_ping_was_due_nothing_was_put_to_the_test():
    assert observed(TOLD, [[0], [1 * S]], [2 * S, 2 * S]).margin_s is None
    assert observed(TOLD, [[0]], [30 * S]).margin_s == 15.0


def test_without_clients_there_is_no_record():
    assert observed(TOLD, [], []) is None
    assert observed(TOLD, [[]], [1]) is None


def test_several_processes_are_one_record():
    parts = [Heartbeats(*TOLD, 3, 1), None, Heartbeats(*TOLD, 7, 2)]
    assert merged(parts) == Heartbeats(*TOLD, 7, 3)
    assert merged([None]) is None


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=8), st.integers(0, 10**12))
def test_silences_add_up_to_the_time_that_was_looked_at(instants, more):
    beats = sorted(instants)
    found = observed(TOLD, [beats], [beats[-1] + more])
    assert found.pings == len(beats) - 1
    whole = beats[-1] + more - beats[0]
    assert whole / len(beats) <= found.silence_ns <= whole


def test_the_record_is_json_in_seconds():
    record = Heartbeats(*TOLD, 30 * S, 1).to_dict()
    assert record == {
        "interval_s": 25.0,
        "timeout_s": 20.0,
        "longest_silence_s": 30.0,
        "margin_s": 15.0,
        "pings": 1,
    }
    assert dataclasses.is_dataclass(Heartbeats)


def test_the_handshake_tells_interval_and_timeout():
    assert heartbeat_told_ns(b'0{"sid":"a","pingInterval":25000,"pingTimeout":20000}') == TOLD


@pytest.mark.parametrize("frame", [b"0", b"0{", b"0[]", b'0{"sid":1}', b'0{"pingInterval":"x"}', b"\xff"])
def test_a_handshake_that_tells_nothing_is_no_error(frame):
    assert heartbeat_told_ns(frame) == (0, 0)


# --- for real ---


@pytest.mark.measured
def test_a_serial_handler_drops_its_own_client_and_nobody_else(client):
    settings = {"ping_interval_s": 1, "ping_timeout_s": 0.5, "warm_up": 0, "client": client}
    run = measure("inline-serial", io_wait(2500), burst(1), timeout_s=3, window_s=1, **settings)
    assert (run.outcomes["disconnected"], run.unaccounted) == (1, 0)
    assert (run.conditions.closed_senders, run.conditions.closed_others) == (1, 0)
    assert (run.conditions.heartbeats.interval_ns, run.conditions.heartbeats.timeout_ns) == (1_000_000_000, 500_000_000)


@pytest.mark.measured
def test_a_handler_that_computes_under_gevent_drops_innocent_clients(client):
    settings = {"ping_interval_s": 1, "ping_timeout_s": 0.5, "warm_up": 0, "window_s": 0.5, "client": client}
    settings |= {"mode": "gevent", "timeout_s": 6}
    computing = measure("inline", cpu(400), burst(7), **settings)
    assert computing.conditions.closed_others >= 1  # bystander and listener, who sent no event; mostly both
    assert computing.conditions.heartbeats.margin_s < 0  # a browser would have left even before
    waiting = measure("inline", io_wait(1500), burst(7), **settings)
    assert (waiting.conditions.closed_senders, waiting.conditions.closed_others) == (0, 0)
    assert waiting.conditions.heartbeats.margin_s > 0
    assert np.isfinite(waiting.own_ms).all()
