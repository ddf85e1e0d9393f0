"""What a hop costs, and the queues behind it, held to what can be reckoned by hand; its record under damage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import RecordError
from labkit.plan.hop import Hop
from tests.support.damage import VALUES

FAR_APART = np.arange(10) * 10.0


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_alone_an_event_takes_its_path_and_its_work(workers):
    latencies = Hop(5.0, 1.0, 2.0).latencies_s(FAR_APART, 0.02, workers) * 1000
    np.testing.assert_allclose(latencies, 25.0)


def test_in_the_server_all_share_one_gil_and_elsewhere_workers_take_turns():
    at_once = np.zeros(4)
    np.testing.assert_allclose(Hop(0, 0).latencies_s(at_once, 0.1) * 1000, 400)
    np.testing.assert_allclose(Hop(0, 0).latencies_s(at_once, 0.1, 1) * 1000, [100, 200, 300, 400])
    np.testing.assert_allclose(Hop(0, 0).latencies_s(at_once, 0.1, 2) * 1000, [100, 100, 200, 200])


def test_the_servers_own_part_is_a_queue_too_whatever_the_workers():
    """More events than the server can hand on: a hundred workers don't help."""
    hop = Hop(10.0, 10.0)
    due_s = np.arange(100) * 0.005
    assert hop.latencies_s(due_s, 0.001, 100)[-1] > 0.4


def test_a_path_that_is_shorter_than_its_parts_takes_no_time_back():
    assert Hop(1.0, 1.0, 1.0).rest_ms == 0


@given(st.tuples(*[st.floats(0, 1e6)] * 3))
def test_what_was_kept_is_read_again(costs):
    assert Hop.from_dict(Hop(*costs).to_dict()) == Hop(*costs)


@given(st.dictionaries(st.sampled_from(["path_ms", "server_ms", "worker_ms"]), VALUES) | VALUES)
def test_what_is_damaged_is_an_error_or_a_hop(told):
    try:
        hop = Hop.from_dict(told)
    except RecordError:
        return
    assert all(0 <= ms < math.inf for ms in (hop.path_ms, hop.server_ms, hop.worker_ms))
