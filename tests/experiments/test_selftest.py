"""The truth bench: its queue is Lindley's, its server releases when due, and a reading tells right from wrong."""

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from labkit.experiments import selftest
from labkit.experiments.known_queue import Queue, TruthServer
from labkit.experiments.selftest import Case, Reading
from labkit.plan import queueing
from labkit.plan.schedules import burst, constant
from labkit.ui.commands.main import main
from tests.support.helpers import nothing_left_behind

MS = 1_000_000


@given(
    st.lists(st.tuples(st.integers(0, 50 * MS), st.integers(0, 20 * MS)), min_size=1, max_size=30),
)
def test_the_queue_is_first_in_first_out(steps):
    arrivals = np.cumsum([1, *(gap for gap, _ in steps[1:])])
    service = np.array([s for _, s in steps])
    queue = Queue(service)
    released = [queue.release_ns(i, int(at)) for i, at in enumerate(arrivals)]
    expected = queueing.fifo(arrivals / 1e9, service / 1e9).ends_s * 1e9
    assert np.allclose(released, expected, atol=2)


def test_a_stall_holds_everything_until_it_ends():
    queue = Queue(np.zeros(4, np.int64), (10, 20))
    assert [queue.release_ns(i, 100 + at) for i, at in enumerate((0, 9, 10, 25))] == [100, 109, 120, 125]


@pytest.mark.measured
def test_a_small_case_is_read_nearly_as_it_is(client):
    case = Case("six at once", burst(6), lambda events: np.full(events, 15.0))
    reading = selftest.read(case, client)
    assert reading.lost == 0
    # Theory: each waits for those before it; a client that reads late or early would be off by a service time.
    assert np.allclose(reading.true_ms, 15 * np.arange(1, 7), atol=7)
    assert np.median(np.abs(reading.error_ms)) < 5


@pytest.mark.measured
def test_a_stall_is_seen_in_full_from_the_intended_start(client):
    case = Case("stall", constant(100, seconds=0.6), np.zeros, (0.2, 0.4))
    reading = selftest.read(case, client)
    held = reading.true_ms > 20
    assert np.count_nonzero(held) == pytest.approx(18, abs=3)
    assert reading.measured_ms.max() > 150


@pytest.mark.measured
def test_the_server_leaves_nothing_behind():
    with nothing_left_behind(), TruthServer(Queue(np.zeros(1, np.int64)), 1):
        pass


@pytest.mark.measured
def test_a_warm_up_is_answered(client):
    """Else each case would wait for it in vain, for five seconds."""
    with TruthServer(Queue(np.zeros(1, np.int64)), 1) as server:
        client.open(server.url, 2, bystander=False, listener=False)
        assert client.warm([0, 0], 5) == 2
        client.close()


def reading(measured, *, lost=0):
    true = np.full(len(measured), 100.0)
    measured = np.asarray(measured, float)
    return Reading("case", true, measured, true - 1, measured - 1, lost)


def test_what_is_near_the_truth_is_right():
    assert reading([101.9] * 20).is_right


def test_a_percentile_that_is_off_is_wrong():
    assert not reading([101] * 18 + [107] * 2).is_right


def test_too_many_events_that_are_off_are_wrong():
    assert not reading([103] * 20).is_right  # within 5% at every percentile, but no event within 2 ms


def test_a_lost_event_is_wrong():
    assert not reading([100] * 20, lost=1).is_right


@pytest.mark.measured
def test_the_command_prints_truth_beside_measurement(monkeypatch):
    monkeypatch.setattr(selftest, "CASES", (Case("four at once", burst(4), lambda events: np.full(events, 5.0)),))
    monkeypatch.setattr(selftest, "CLOSE_MS", 1000.0)
    result = CliRunner().invoke(main, ["selftest"])
    assert result.exit_code == 0, result.output
    assert "four at once" in result.output
    for word in ("true", "measured", "p50", "p99.9", "right"):
        assert word in result.output


@pytest.mark.measured
def test_the_command_counts_repeats(monkeypatch):
    monkeypatch.setattr(selftest, "CASES", (Case("two at once", burst(2), lambda events: np.full(events, 5.0)),))
    monkeypatch.setattr(selftest, "CLOSE_MS", 1000.0)
    result = CliRunner().invoke(main, ["selftest", "--repeats", "2"])
    assert "right 2 of 2: two at once" in result.output


@pytest.mark.measured
def test_the_command_exits_1_where_a_reading_is_wrong(monkeypatch):
    monkeypatch.setattr(selftest, "CASES", (Case("four at once", burst(4), lambda events: np.full(events, 5.0)),))
    monkeypatch.setattr(selftest, "CLOSE_MS", -1.0)
    monkeypatch.setattr(selftest, "SHARE", -1.0)
    result = CliRunner().invoke(main, ["selftest"])
    assert result.exit_code == 1
    assert "WRONG" in result.output
