"""Several processes fire one plan: their records merge into what one process would have kept."""

import dataclasses

import numpy as np
import pytest

import labkit as lab
from labkit.base.errors import ClientError, ConnectFailed, UsageError
from labkit.client import fleet
from labkit.client.fleet import ClientFleet
from labkit.runs.stages import Outcome
from tests.runs.test_close import fired_of
from tests.support.helpers import answer_inline, make_job, make_server, nothing_left_behind

NULL = lab.call(lambda: 0, payloads=[0])


@pytest.fixture(scope="module")
def three():
    with ClientFleet(3) as clients:
        yield clients


def to_everybody(socketio, complex_calculation):
    @socketio.on("message")
    def handle_message(data):
        socketio.emit("response", complex_calculation(data))


def test_merged_records_are_in_order_and_their_connections_renumbered():
    # Senders 0, 2 and the bystander and listener (3, 4) are the first's, sender 1 the second's.
    one = fired_of(
        [(0, 0, 5), (2, 1, 9, Outcome.FAILED), (1, 3, 8)], sent=(1, 0, 1), closed=(None, 40, None, 50), end=300
    )
    two = fired_of([(1, 0, 7)], sent=(0, 1, 0), closed=(60,), end=200)
    merged = fleet.merge(
        [dataclasses.replace(one, messages={1: "broken"}, cpu_ns=3), dataclasses.replace(two, cpu_ns=4)],
        np.array([0, 1, 2]),
        senders=3,
    )
    assert merged.delivery_event.tolist() == [0, 1, 1, 2]
    assert merged.delivery_connection.tolist() == [0, 1, 4, 2]
    assert merged.delivery_status.tolist() == [Outcome.ANSWERED, Outcome.ANSWERED, Outcome.ANSWERED, Outcome.FAILED]
    assert np.all(np.diff(merged.delivery_ns) > 0)
    assert merged.messages == {3: "broken"}
    assert (merged.sent_ns > 0).all()
    assert ((merged.closed_ns > 0).tolist(), merged.cpu_ns) == ([False, True, True, False, True], 7)
    assert merged.end_ns == one.end_ns


def test_a_fleet_of_one_is_that_one():
    one = fired_of([(0, 0, 5)], sent=(1,))
    merged = fleet.merge([one], np.array([0]), senders=1)
    for field in dataclasses.fields(one):
        assert np.array_equal(getattr(merged, field.name), getattr(one, field.name)), field.name


def test_each_connection_keeps_with_what_it_was_closed():
    one = dataclasses.replace(fired_of(sent=(1,), closed=(None, 40, None)), closings=("", "code 1000", ""), rounded=2)
    two = dataclasses.replace(fired_of(sent=(0,), closed=(60,)), closings=("code 1009",), rounded=3)
    merged = fleet.merge([one, two], np.array([0]), senders=3)  # senders 0 and 2 and the bystander; sender 1
    assert merged.closings == ("", "code 1009", "code 1000", "")
    assert merged.rounded == 5


def test_acknowledgements_are_taken_from_the_process_that_asked():
    one = dataclasses.replace(fired_of(sent=(1, 0), closed=(None,)), acked_ns=np.array([7, 0]))
    two = dataclasses.replace(fired_of(sent=(0, 1), closed=(None,)), acked_ns=np.array([0, 9]))
    assert fleet.merge([one, two], np.array([0, 1]), senders=2).acked_ns.tolist() == [7, 9]


@pytest.mark.measured
def test_a_plan_is_fired_whole_and_every_answer_is_its_own_callers(three):
    plan = lab.constant(400, events=200, connections=7)
    run = lab.measure(answer_inline, NULL, plan, client=three, ping_hz=50)
    assert run.outcomes["answered"] == 200
    assert (run.strays, run.unaccounted, run.delivered("duplicate")) == (0, 0, 0)
    assert np.isfinite(run.bystander_ms).all()
    assert len(run.bystander_ms) > 0
    assert (run.conditions.warm_up_asked, run.conditions.warm_up_answered) == (2, 2)


@pytest.mark.measured
def test_what_comes_to_strangers_is_seen_in_all_processes(three):
    plan = lab.burst(12, connections=4)
    run = lab.measure(to_everybody, NULL, plan, client=three)
    # Of each answer one is its caller's; the other senders, the bystander and the listener are strangers.
    assert (run.outcomes["answered"], run.strays) == (12, 12 * 5)


@pytest.mark.measured
def test_more_processes_than_senders(three):
    with make_server() as server:
        three.open(server.url, 1)
        fired = three.fire(make_job(5, pings=3))
        three.close()
    assert (fired.sent_ns > 0).all()
    assert sorted(fired.delivery_event.tolist()) == list(range(5))
    assert (fired.ping_acked_ns > 0).all()


@pytest.mark.measured
def test_after_a_refusal_the_fleet_goes_on(three):
    with pytest.raises(ConnectFailed):
        three.open("http://127.0.0.1:9", 3, timeout_s=2)
    with make_server() as server:
        three.open(server.url, 3)
        assert three.warm([0, 0, 0, 0], 5) == 4
        three.close()


@pytest.mark.measured
def test_starting_before_preparing_is_refused(three):
    with pytest.raises(ClientError, match="prepared"):
        three.processes[0].order("start")


@pytest.mark.measured
def test_nothing_is_left_behind():
    with nothing_left_behind(), ClientFleet(2) as clients:
        assert clients.spin_beside(10) >= 0
        assert len(clients.pids) == 2
    assert clients.pids == ()


def test_a_fleet_needs_a_process():
    with pytest.raises(UsageError, match="1 process"):
        ClientFleet(0)
