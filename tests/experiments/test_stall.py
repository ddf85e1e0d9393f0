"""A client that waits sends little while the server stands still: it reports less than it met."""

import numpy as np
import pytest

from labkit.experiments import selftest
from labkit.experiments import stall as closedloop
from labkit.experiments.known_queue import TruthServer
from labkit.experiments.selftest import Case
from labkit.plan.schedules import constant
from tests.support.helpers import nothing_left_behind

pytestmark = pytest.mark.measured


def test_a_stall_meets_one_event_a_connection_and_delays_the_rest(client):
    case = Case("stall", constant(100, seconds=1.0, connections=2), np.zeros, (0.3, 0.7))
    with nothing_left_behind():
        stall = closedloop.stall(case, client)
    # 40 of 100 events are due in the stall. Open loop all of them wait; closed loop, one of each connection.
    assert np.count_nonzero(stall.true.values_ms > 20) == pytest.approx(38, abs=4)
    assert np.count_nonzero(stall.closed_from_send.values_ms > 200) == 2
    assert np.count_nonzero(stall.closed_from_intended.values_ms > 20) == pytest.approx(38, abs=4)
    assert len(stall.closed_from_send) == 100
    for column in ("true", "open loop", "closed loop", "p99.9"):
        assert column in repr(stall)


def test_what_is_never_answered_ends_at_the_time_limit_and_is_left_out(client):
    case = Case("never", constant(100, seconds=0.2), lambda events: np.full(events, 400.0))
    job, queue = selftest.prepared(case)
    job = type(job)(**{**vars(job), "timeout_ns": 500_000_000})
    with TruthServer(queue, len(case.plan)) as server:
        client.open(server.url, 1, bystander=False, listener=False)
        due, sent, answered = client.order("closed_loop", job)
        client.close()
    assert len(due) == len(sent) == len(answered) == 1
    assert (answered > sent).all()
