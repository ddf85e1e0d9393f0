"""Serve and fire as two steps, as a notebook shows them."""

import numpy as np
import pytest

import labkit as lab
from labkit.base.errors import ModeError, ServerError, StrategyError, UsageError
from labkit.experiments.fire import ping_instants_ns, warm_up_payloads
from labkit.plan.calibration import expected_answers
from labkit.strategies import Strategy
from tests.support.helpers import nothing_left_behind

WORK = lab.io_wait(2)


@pytest.mark.measured
def test_a_server_is_fired_at_as_often_as_one_likes(client):
    with nothing_left_behind(), lab.serve("inline", WORK) as server:
        runs = [lab.fire(server, lab.burst(events), client=client) for events in (3, 5)]
    assert [run.outcomes["answered"] for run in runs] == [3, 5]
    assert [(run.strategy, run.work, run.mode) for run in runs] == [("inline", "io_wait:2ms", "threading")] * 2
    assert all(run.unaccounted == 0 for run in runs)


@pytest.mark.measured
def test_measure_is_serve_and_fire_with_the_confounders_held_still(client):
    measured = lab.measure("inline", WORK, lab.burst(2), client=client).conditions
    with lab.serve("inline", WORK) as server:
        fired = lab.fire(server, lab.burst(2), client=client).conditions
    assert (measured.gc_frozen, fired.gc_frozen) == (True, False)
    assert (len(measured.spare_cpu), len(fired.spare_cpu)) == (2, 0)
    assert measured.switch_interval_s is not None
    assert fired.switch_interval_s is None


@pytest.mark.measured
def test_a_server_that_was_stopped_is_a_sentence_and_one_that_serves_again_answers(client):
    server = lab.serve("inline", WORK)
    server.stop()
    with pytest.raises(ServerError, match="does not run: start it"):
        lab.fire(server, lab.burst(1), client=client)
    server.start()
    assert lab.fire(server, lab.burst(1), client=client).outcomes["answered"] == 1
    server.stop()


@pytest.mark.measured
def test_what_is_no_server_is_a_sentence(client):
    with pytest.raises(UsageError, match=r"lab\.serve\(\.\.\.\) returns, or at a URL"):
        lab.fire(8000, lab.burst(1), client=client)


@pytest.mark.measured
def test_settings_that_make_no_sense_are_refused(client):
    with lab.serve("inline", WORK) as server, pytest.raises(UsageError, match="reads_from_s must be 0 or more"):
        lab.fire(server, lab.burst(1), reads_from_s=-1, client=client)


def test_events_before_the_run_are_of_every_kind():
    work = lab.mix({"chat": (0.8, lab.io_wait(1)), "upload": (0.1, lab.io_wait(2)), "export": (0.1, lab.io_wait(3))})
    expected = expected_answers(work, lab.burst(10, connections=1))
    asked = {count: [payload["kind"] for payload in warm_up_payloads(expected, count)] for count in (0, 2, 4)}
    assert asked == {0: [], 2: ["chat", "upload", "export"], 4: ["chat", "upload", "export", "chat"]}
    plain = expected_answers(WORK, lab.burst(10, connections=1))
    assert (warm_up_payloads(plain, 0), warm_up_payloads(plain, 2)) == ([], [0, 0])


def test_nobody_pings_where_nobody_is_asked_to():
    assert len(ping_instants_ns(0, 1.0)) == 0
    assert np.diff(ping_instants_ns(50, 1.0)).tolist() == [20_000_000] * 49
    assert ping_instants_ns(50, 0.0).tolist() == [10_000_000]


def desk(socketio, complex_calculation):
    """Class-based, and elsewhere than fired at."""
    from flask_socketio import Namespace, emit

    class Desk(Namespace):
        def on_message(self, data):
            emit("response", complex_calculation(data))

    socketio.on_namespace(Desk("/desk"))


def asynchronous(server, complex_calculation):
    """Of another name than is fired."""

    @server.on("price")
    async def price(sid, data):
        await server.emit("response", complex_calculation(data), to=sid)


@pytest.mark.measured
@pytest.mark.parametrize(
    ("strategy", "mode", "there"),
    [
        (desk, "threading", "/desk: message"),
        (desk, "gunicorn", "/desk: message"),
        (Strategy("asynchronous", asynchronous, modes=frozenset({"asgi"})), "asgi", "/: price"),
    ],
)
def test_nothing_is_fired_at_a_handler_that_is_not_there(strategy, mode, there):
    """Nor is a client connected: this one would say so."""
    with nothing_left_behind(5.0), lab.serve(strategy, WORK, mode=mode) as server:
        sentence = f"has no handler for `message` in `/`, so nothing was fired; there are: {there}$"
        with pytest.raises(StrategyError, match=sentence):
            lab.fire(server, lab.burst(1), client=object())


@pytest.mark.measured
def test_events_that_are_too_large_are_lost_and_the_limit_is_named_and_can_be_raised(client):
    work = lab.call(len, payloads=["x" * 5_000])
    with lab.serve("inline", work, options={"max_http_buffer_size": 2_000}) as server:
        run = lab.fire(server, lab.burst(3), client=client)
    assert (run.outcomes["disconnected"], run.lost, run.outcomes["unsent"]) == (3, 3, 0)
    assert run.conditions.closings == ("websocket code 1009 (Message is too big) (3 connections)",)
    told = {note.kind: str(note) for note in run.quality}
    assert "max_http_buffer_size is 2,000" in told["size"]
    assert "Message is too big" in told["closed"]
    with lab.serve("inline", work, options={"max_http_buffer_size": 6_000}) as server:
        run = lab.fire(server, lab.burst(3), client=client)
    assert (run.outcomes["answered"], run.conditions.closings, run.conditions.too_large) == (3, (), ())


def test_a_mode_that_has_no_room_for_so_many_is_refused_before_anything_starts():
    for clients, pings in ((99, 50), (100, 0)):
        with pytest.raises(ModeError, match="mode gunicorn holds 100 connections at once"):
            lab.measure("inline", WORK, lab.burst(clients, connections=clients), mode="gunicorn", ping_hz=pings)


def test_more_sockets_than_one_client_process_drives_are_refused_before_anything_starts():
    with pytest.raises(UsageError, match=r"one client process drives 900 sockets and 902 are asked for"):
        lab.compare("inline", WORK, lab.burst(900, connections=900))
