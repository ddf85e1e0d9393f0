"""The client: fires what it was told when it was told, keeps whatever comes back, and always comes to an end."""

import contextlib
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from flask import request
from flask_socketio import disconnect, emit

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.base.errors import ClientError, ConnectFailed, LabError
from labkit.client.connection import Connection
from labkit.client.process import ClientProcess, ClientThread
from labkit.runs.stages import Outcome
from tests.support.helpers import (
    echo,
    ends_within,
    gone,
    make_job,
    make_server,
    no_thread_dies,
    nothing_left_behind,
    taking_interrupts,
    wait_until,
)

pytestmark = pytest.mark.measured

# Connections are numbered: senders, bystander, listener.
SENDER, BYSTANDER, LISTENER = 0, 1, 2


@pytest.fixture(autouse=True)
def threads_end_well():
    with no_thread_dies():
        yield


@pytest.fixture(scope="module")
def process():
    """One for all tests, as a session has one: starting it costs most of a second."""
    with ClientProcess() as client:
        yield client


@pytest.fixture
def client(process):
    yield process
    process.close()


@pytest.fixture
def server():
    """Starts servers, and stops them after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(make_server(*args, **kwargs))


def answering(answer):
    """A strategy whose handler is given an event's data and emits what it likes."""

    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle_message(data):
            answer(data)

    return register


def fire(client, running, job, *, senders=1, bystander=True, listener=True):
    client.open(running.url, senders, bystander, listener)
    return client.fire(job)


# Firing


def test_every_event_is_sent_and_answered(client, server):
    fired = fire(client, server(), make_job(20))
    assert sorted(fired.delivery_event) == list(range(20))
    assert set(fired.delivery_status) == {Outcome.ANSWERED}
    assert set(fired.delivery_connection) == {SENDER}
    assert fired.messages == {}


def test_no_event_is_sent_before_its_time_nor_answered_before_it_was_sent(client, server):
    job = make_job(20)
    fired = fire(client, server(), job)
    assert np.all(fired.sent_ns >= fired.start_ns + job.intended_ns)
    assert np.all(fired.delivery_ns > fired.sent_ns[fired.delivery_event])
    assert np.all(fired.delivery_ns <= fired.end_ns)


def test_events_are_sent_in_the_order_of_the_plan_and_answered_so_by_a_serial_server(client, server):
    fired = fire(client, server(options={"async_handlers": False}), make_job(30, every_ms=0))
    assert np.all(np.diff(fired.sent_ns) >= 0)
    assert list(fired.delivery_event) == list(range(30))


def test_firing_is_open_loop(client, server):
    """The whole burst has left before the first answer comes."""
    running = server(answering(lambda data: (time.sleep(0.1), emit("response", echo(data)))))
    fired = fire(client, running, make_job(5, every_ms=4))
    assert fired.sent_ns.max() < fired.delivery_ns.min()


def test_events_go_out_on_the_connection_of_the_plan(client, server):
    def register(socketio, complex_calculation):
        seen = {}

        @socketio.on("message")
        def handle_message(data):
            senders = seen.setdefault(request.sid, [])
            senders.append(data["id"])
            emit("response", {"id": data["id"], "result": sorted(senders)[0]})

    job = make_job(6, senders=3, expected=[0, 1, 2, 0, 1, 2])
    fired = fire(client, server(register, options={"async_handlers": False}), job, senders=3)
    assert set(fired.delivery_status) == {Outcome.ANSWERED}
    assert np.array_equal(fired.delivery_connection, job.connection[fired.delivery_event])


def test_every_array_has_its_length(client, server):
    job = make_job(5, senders=2, pings=3)
    fired = fire(client, server(), job, senders=2)
    assert fired.sent_ns.shape == (5,)
    assert fired.ping_sent_ns.shape == fired.ping_acked_ns.shape == (3,)
    assert fired.closed_ns.shape == (2 + 1 + 1,)
    assert fired.samples.shape == (0, 4)
    for name in ("event", "connection", "ns", "status"):
        assert getattr(fired, f"delivery_{name}").shape == (5,)
    for name in ("work_start_ns", "work_end_ns", "work_cpu_ns"):
        assert getattr(fired, name).shape == (5,)
    arrays = [value for value in vars(fired).values() if isinstance(value, np.ndarray)]
    assert {array.dtype for array in arrays} == {np.dtype(np.int64)}


def test_the_stamps_of_the_work_come_along(client, server):
    fired = fire(client, server(), make_job(3))
    assert (list(fired.work_start_ns), list(fired.work_end_ns), list(fired.work_cpu_ns)) == ([1] * 3, [2] * 3, [1] * 3)


def test_connections_that_stay_open_have_no_closing_time(client, server):
    assert list(fire(client, server(), make_job(2)).closed_ns) == [0, 0, 0]


def test_a_plan_without_events_is_only_pings(client, server):
    fired = fire(client, server(), make_job(0, pings=5))
    assert np.all(fired.ping_acked_ns > fired.ping_sent_ns)
    assert len(fired.sent_ns) == len(fired.delivery_ns) == 0


def test_a_plan_without_anything_ends(client, server):
    fired = fire(client, server(), make_job(0))
    assert fired.end_ns - fired.start_ns < 2 * NS_PER_S


def test_pings_are_sent_in_time_and_acknowledged_to_the_bystander(client, server):
    job = make_job(3, pings=10)
    fired = fire(client, server(), job)
    assert np.all(fired.ping_sent_ns >= fired.start_ns + job.ping_ns)
    assert np.all(fired.ping_acked_ns > fired.ping_sent_ns)


def test_events_are_acknowledged_where_that_is_asked_for(client, server):
    job = make_job(4)
    asked = fire(client, server(), replace(job, acknowledge=True))
    assert np.all(asked.acked_ns > asked.sent_ns)
    assert len(fire(client, server(), job).acked_ns) == 0


def test_a_client_acknowledges_what_asks_for_it(client, server):
    read = []

    def asks(socketio, complex_calculation):
        @socketio.on("message")
        def handle_message(data):
            emit("response", complex_calculation(data), callback=lambda *_: read.append(data["id"]))

    fired = fire(client, server(asks), make_job(3))
    assert fired.delivery_event.tolist() == sorted(read) == [0, 1, 2]


def test_a_client_that_does_not_read_gets_its_answers_when_it_reads_on(client, server):
    job = replace(make_job(5, pings=5), reads_from_ns=300 * NS_PER_MS)
    fired = fire(client, server(), job)
    assert fired.delivery_event.tolist() == [0, 1, 2, 3, 4]
    assert np.all(fired.delivery_ns >= fired.start_ns + job.reads_from_ns)
    assert np.all(fired.ping_acked_ns < fired.start_ns + job.reads_from_ns)


def test_without_bystander_and_listener_there_are_only_the_senders(client, server):
    fired = fire(client, server(), make_job(3), bystander=False, listener=False)
    assert fired.closed_ns.shape == (1,)
    assert sorted(fired.delivery_event) == [0, 1, 2]


def test_a_second_plan_on_the_same_connections_starts_afresh(client, server):
    running = server()
    client.open(running.url, 1)
    for events in (5, 3):
        assert sorted(client.fire(make_job(events)).delivery_event) == list(range(events))


def test_the_watched_process_is_sampled(client, server):
    job = replace(make_job(10, every_ms=10), watch_pid=os.getpid(), watch_ns=10 * NS_PER_MS)
    samples = fire(client, server(), job).samples
    assert len(samples) >= 3
    assert np.all(samples[:, 1:] > 0)
    assert np.all(np.diff(samples[:, 0]) > 0)


def test_a_watched_process_that_is_gone_gives_no_samples(client, server):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    fired = fire(client, server(), replace(make_job(3), watch_pid=child.pid))
    assert fired.samples.shape == (0, 4)
    assert len(fired.delivery_ns) == 3


# What becomes of answers


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (lambda data: {"id": data["id"], "result": "other"}, Outcome.WRONG, "answered other, expected 0"),
        (lambda data: {"id": data["id"], "error": "ValueError: no"}, Outcome.FAILED, "ValueError: no"),
        (lambda data: {"id": data["id"], "busy": True}, Outcome.SHED, None),
        (lambda data: {"id": data["id"], "superseded": True}, Outcome.SUPERSEDED, None),
        (lambda data: {"id": data["id"]}, Outcome.GARBLED, "neither a result nor an error"),
        (lambda data: {"id": data["id"], "result": 0, "start_ns": "soon"}, Outcome.GARBLED, "no integers"),
        (lambda data: {"id": data["id"], "result": 0, "start_ns": 2**63}, Outcome.GARBLED, ""),
    ],
)
def test_an_answer_has_the_status_that_it_deserves(client, server, body, status, message):
    fired = fire(client, server(answering(lambda data: emit("response", body(data)))), make_job(1))
    assert (list(fired.delivery_event), list(fired.delivery_status)) == ([0], [status])
    if message is None:
        assert fired.messages == {}
    else:
        assert message in fired.messages[0]


@pytest.mark.parametrize("body", ["text", None, 7, {"result": 1}, {"id": "0", "result": 0}])
def test_garbage_is_kept_as_a_delivery_of_no_event(client, server, body):
    job = make_job(1, timeout_ms=100)
    fired = fire(client, server(answering(lambda data: emit("response", body))), job)
    assert (list(fired.delivery_event), list(fired.delivery_status)) == ([-1], [Outcome.GARBLED])
    assert fired.messages[0]


def test_what_is_not_known_is_not_checked(client, server):
    running = server(answering(lambda data: emit("response", {"id": data["id"], "result": "other"})))
    client.open(running.url, 1)
    assert list(client.fire(make_job(2, expected=None)).delivery_status) == [Outcome.ANSWERED] * 2
    assert sorted(client.fire(make_job(2, expected=[None, "more"])).delivery_status) == [
        Outcome.ANSWERED,
        Outcome.WRONG,
    ]


def test_payloads_arrive_as_they_are(client, server):
    payloads = [None, 1.5, 'żółć \N{SNOWMAN} " \\ \n', {"a": [1, {"b": None}]}, [], "x" * 100_000]
    fired = fire(client, server(), make_job(len(payloads), payloads=payloads))
    assert list(fired.delivery_status) == [Outcome.ANSWERED] * len(payloads)


@pytest.mark.parametrize("answer", [float("nan"), {"deep": [1, {"down": float("-inf")}]}])
def test_an_answer_that_no_page_can_read_is_unreadable_and_says_why(client, server, answer):
    fired = fire(client, server(), make_job(2, payloads=[1, answer]))
    assert list(fired.delivery_status) == [Outcome.ANSWERED, Outcome.UNREADABLE]
    assert re.fullmatch(r"no page can read it: (NaN|-Infinity) is no JSON; socket.io's client .*", fired.messages[1])


def test_numbers_of_which_a_page_loses_digits_are_counted(client, server):
    fired = fire(client, server(), make_job(4, payloads=[2**53 - 1, [{"id": 2**53 + 1}], -(2**60), "9" * 20]))
    assert list(fired.delivery_status) == [Outcome.ANSWERED] * 4
    assert fired.rounded == 2


def test_other_events_are_no_deliveries(client, server):
    running = server(answering(lambda data: (emit("news", {"id": data["id"]}), emit("response", echo(data)))))
    assert list(fire(client, running, make_job(2)).delivery_event) == [0, 1]


def test_duplicates_are_deliveries_too(client, server):
    def twice(data):
        emit("response", echo(data))
        emit("response", echo(data))

    fired = fire(client, server(answering(twice)), make_job(2))
    assert sorted(fired.delivery_event) == [0, 0, 1, 1]
    assert set(fired.delivery_connection) == {SENDER}


def test_a_batch_is_as_many_deliveries(client, server):
    def register(socketio, complex_calculation):
        waiting = []

        @socketio.on("message")
        def handle_message(data):
            waiting.append(echo(data))
            if len(waiting) == 4:
                emit("response", waiting)

    fired = fire(client, server(register), make_job(4))
    assert sorted(fired.delivery_event) == [0, 1, 2, 3]
    assert len(set(fired.delivery_ns)) == 1


def test_an_answer_to_another_client_is_a_delivery_on_its_connection(client, server):
    def register(socketio, complex_calculation):
        sids = {}

        @socketio.on("message")
        def handle_message(data):
            sids[data["id"]] = request.sid
            if data["id"] == 1:
                emit("response", echo({"id": 0, "payload": 0}), to=sids[1])
                emit("response", echo({"id": 1, "payload": 1}), to=sids[0])

    running = server(register, options={"async_handlers": False})
    fired = fire(client, running, make_job(2, senders=2, every_ms=50, timeout_ms=150), senders=2)
    assert dict(zip(fired.delivery_event.tolist(), fired.delivery_connection.tolist(), strict=True)) == {0: 1, 1: 0}


def test_an_answer_on_another_connection_does_not_end_the_wait(client, server):
    """The stray comes at once; the real answer, later, must still be seen."""

    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle_message(data):
            emit("response", echo(data), broadcast=True, include_self=False)
            socketio.sleep(0.3)
            emit("response", echo(data))

    fired = fire(client, server(register), make_job(1))
    assert SENDER in fired.delivery_connection


def test_a_broadcast_is_seen_by_everybody(client, server):
    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle_message(data):
            socketio.emit("response", echo(data))

    fired = fire(client, server(register), make_job(1))
    assert sorted(fired.delivery_connection) == [SENDER, BYSTANDER, LISTENER]
    assert set(fired.delivery_event) == {0}


def test_an_answer_of_the_warm_up_is_no_delivery_of_the_plan(client, server):
    """It comes late, during the plan."""

    def register(socketio, complex_calculation):
        held = []

        @socketio.on("message")
        def handle_message(data):
            if data["id"] < 0:
                held.append(echo(data))
                return
            while held:
                emit("response", held.pop())
            emit("response", echo(data))

    client.open(server(register).url, 1)
    assert client.warm([5, 6], 0.05) == 0
    fired = client.fire(make_job(2))
    assert list(fired.delivery_event) == [0, 1]
    assert fired.messages == {}


def test_an_answer_beyond_the_plan_is_no_delivery(client, server):
    running = server(answering(lambda data: (emit("response", {"id": 99, "result": 1}), emit("response", echo(data)))))
    assert list(fire(client, running, make_job(1)).delivery_event) == [0]


def test_a_number_is_told_from_its_text(client, server):
    running = server(answering(lambda data: emit("response", {"id": data["id"], "result": str(data["payload"])})))
    assert list(fire(client, running, make_job(2)).delivery_status) == [Outcome.WRONG, Outcome.WRONG]


# Warm-up


def test_the_senders_warm_up_in_turn_and_the_answers_of_all_are_counted(client, server):
    client.open(server().url, 3)
    assert client.warm([1, 2, 3, 4, 5], 5) == 5


def test_warm_up_stamps_nothing(client, server):
    from labkit.server.stamps import Stamps

    running = server()
    running.hooks.record(stamps := Stamps(4))
    client.open(running.url, 1)
    assert client.warm([1, 2], 5) == 2
    assert not any(any(column) for column in stamps.columns().values())


def test_warm_up_does_not_count_garbage(client, server):
    client.open(server(answering(lambda data: emit("response", "what?"))).url, 1)
    assert client.warm([1, 2], 0.2) == 0


def test_warm_up_without_answers_ends_at_its_time_limit(client, server):
    client.open(server(answering(lambda data: None)).url, 1)
    before = time.monotonic()
    assert client.warm([1], 0.2) == 0
    assert 0.2 <= time.monotonic() - before < 2


def test_warm_up_ends_when_the_server_is_gone(client, server):
    running = server()
    client.open(running.url, 1)
    running.stop()
    before = time.monotonic()
    client.warm([1], 20)
    assert time.monotonic() - before < 5


# Ends


def test_a_firing_without_answers_ends_at_the_time_limit_and_not_earlier(client, server):
    job = make_job(3, every_ms=10, timeout_ms=300)
    fired = fire(client, server(answering(lambda data: None)), job)
    deadline_ns = fired.start_ns + job.intended_ns[-1] + job.timeout_ns
    assert deadline_ns <= fired.end_ns < deadline_ns + 2 * NS_PER_S
    assert len(fired.delivery_ns) == 0


def test_a_firing_that_is_all_answered_ends_long_before_the_time_limit(client, server):
    fired = fire(client, server(), make_job(3, timeout_ms=20_000))
    assert fired.end_ns - fired.start_ns < 5 * NS_PER_S


def test_garbage_does_not_end_the_wait_early(client, server):
    job = make_job(1, timeout_ms=200)
    fired = fire(client, server(answering(lambda data: emit("response", "what?"))), job)
    assert fired.end_ns >= fired.start_ns + job.timeout_ns


def test_pings_without_acknowledgement_are_waited_for_until_the_time_limit(client, server):
    job = replace(make_job(1, pings=1, timeout_ms=200), ping_event="nobody handles this")
    fired = fire(client, server(), job)
    assert list(fired.ping_acked_ns) == [0]
    assert fired.end_ns >= fired.start_ns + job.timeout_ns


@ends_within(5)
def test_a_send_that_fails_ends_the_firing(server, monkeypatch):
    """Whatever the websocket's library raises: an error in time, never a wait for ever."""

    def fail(connection, frame):
        raise RuntimeError("not today")

    running = server()
    with ClientThread() as client:
        client.open(running.url, 1)
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "send", fail)
            with pytest.raises(ClientError, match="not today"):
                client.fire(make_job(2, timeout_ms=100))


def test_a_server_that_stops_in_the_middle_ends_the_firing(client, server):
    running = server(answering(lambda data: None))
    client.open(running.url, 1)
    stop = threading.Timer(0.3, running.stop)
    stop.start()
    fired = client.fire(make_job(20, every_ms=50, timeout_ms=30_000))
    stop.join()
    assert np.all(fired.closed_ns > fired.start_ns)
    assert 0 < np.count_nonzero(fired.sent_ns) < 20
    assert fired.sent_ns.max() <= fired.closed_ns[SENDER]
    assert fired.end_ns - fired.start_ns < 5 * NS_PER_S


def test_a_client_that_the_server_disconnects_is_not_waited_for(client, server):
    running = server(answering(lambda data: disconnect()))
    job = make_job(1, timeout_ms=2_000)
    fired = fire(client, running, job)
    assert fired.closed_ns[SENDER] > 0
    assert fired.end_ns < fired.start_ns + job.timeout_ns


def test_one_senders_end_is_not_that_of_the_others(client, server):
    """The first event's connection is cut under it; the second one's answer is still waited for."""

    def register(socketio, complex_calculation):
        @socketio.on("message")
        def handle_message(data):
            if data["id"] == 0:
                eio_sid = socketio.server.manager.eio_sid_from_sid(request.sid, "/")
                socketio.server.eio.sockets[eio_sid].close(wait=False)
            else:
                socketio.sleep(0.3)
                emit("response", echo(data))

    fired = fire(client, server(register), make_job(2, senders=2), senders=2)
    assert [bool(closed) for closed in fired.closed_ns] == [True, False, False, False]
    assert list(fired.delivery_event) == [1]


# Connecting


def refusing(socketio, complex_calculation):
    @socketio.on("connect")
    def handle_connect():
        return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def plain_http():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *args):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
        thread.join()


@contextlib.contextmanager
def silent_tcp():
    """The kernel accepts; nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def hangs_up():
    """Accepts, and closes at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    listening.accept()[0].close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextlib.contextmanager
def refuses():
    with make_server(refusing) as running:
        yield running.url


@contextlib.contextmanager
def nobody():
    yield f"http://127.0.0.1:{free_port()}"


ABSENT = [nobody, plain_http, silent_tcp, hangs_up, refuses]


@pytest.mark.parametrize("absent", ABSENT)
def test_where_no_server_answers_the_connection_fails_in_time(client, absent):
    with absent() as url:
        before = time.monotonic()
        with pytest.raises(ConnectFailed) as caught:
            client.open(url, 1, timeout_s=0.5)
        assert time.monotonic() - before < 3
    assert "refused" in str(caught.value) if absent is refuses else url in str(caught.value)


@pytest.mark.parametrize("absent", ABSENT)
def test_a_failed_connection_leaves_nothing_behind(absent, capfd):
    with nothing_left_behind(), absent() as url, ClientThread() as client, pytest.raises(ConnectFailed):
        client.open(url, 3, timeout_s=0.3)
    assert capfd.readouterr() == ("", "")


def test_an_address_that_makes_no_sense_is_the_labs_own_error(client):
    with pytest.raises(LabError):
        client.open("no such thing", 1, timeout_s=0.5)


def test_a_client_works_again_after_a_failed_connection(client, server):
    with pytest.raises(ConnectFailed):
        client.open(f"http://127.0.0.1:{free_port()}", 1, timeout_s=0.5)
    assert len(fire(client, server(), make_job(3)).delivery_ns) == 3


def test_a_slash_at_the_end_of_the_address_does_not_matter(client, server):
    client.open(server().url + "/", 1)
    assert len(client.fire(make_job(1)).delivery_ns) == 1


def test_opening_again_leaves_the_first_server(client, server):
    first, second = server(), server()
    client.open(first.url, 3)
    client.open(second.url, 1)
    assert wait_until(lambda: not first._wsgi._open)
    assert len(client.fire(make_job(2)).delivery_ns) == 2


def test_close_disconnects_everybody_and_can_be_repeated(client, server):
    running = server()
    client.open(running.url, 3)
    client.close()
    client.close()
    assert wait_until(lambda: not running._wsgi._open)


def test_firing_without_connections_is_the_labs_own_error(client):
    with pytest.raises(LabError):
        client.fire(make_job(1))


def test_heartbeats_are_answered(client, server):
    """A client that does not is dropped after two seconds."""
    running = server(options={"ping_interval": 1, "ping_timeout": 1})
    fired = fire(client, running, make_job(7, every_ms=500))
    assert list(fired.closed_ns) == [0, 0, 0]
    assert sorted(fired.delivery_event) == list(range(7))


# The process


def test_an_order_starts_the_process():
    client = ClientProcess()
    assert client.pid is None
    with nothing_left_behind():
        assert client.order("spin", 10) >= 0
        assert client.pid is not None
        client.kill()
    assert client.pid is None


def test_killing_twice_and_closing_after_it_do_no_harm():
    client = ClientProcess()
    client.kill()
    client.start()
    client.kill()
    client.kill()
    client.close()


def test_leaving_the_block_ends_the_process():
    with ClientProcess() as client:
        pid = client.pid
        assert not gone(pid)
    assert gone(pid)


def test_a_process_that_dies_in_the_middle_is_told_and_the_next_order_works():
    with nothing_left_behind(), make_server(answering(lambda data: None)) as running, ClientProcess() as client:
        client.open(running.url, 1)
        client.send("fire", make_job(1, timeout_ms=30_000))
        time.sleep(0.1)
        os.kill(client.pid, signal.SIGKILL)
        with pytest.raises(ClientError, match=r"the client process ended .*: run it again"):
            client.receive()
        client.open(running.url, 1)
        assert len(client.fire(make_job(1, timeout_ms=50)).sent_ns) == 1


def test_a_process_that_died_between_two_orders_is_started_again():
    with nothing_left_behind(), make_server() as running, ClientProcess() as client:
        client.open(running.url, 1)
        first = client.pid
        os.kill(first, signal.SIGKILL)
        assert wait_until(lambda: client.pid is None)
        client.open(running.url, 1)
        assert client.pid not in (None, first)
        assert len(client.fire(make_job(2)).delivery_ns) == 2


def test_the_last_words_of_a_process_are_told():
    with ClientProcess() as client:
        client.order("spin", 1)
        client._process.stdin.write(b"this is no order\n")
        client._process.stdin.flush()
        with pytest.raises(ClientError, match=r"the client process ended \(.+Error: .+\): run it again"):
            client.receive()


def test_an_order_that_fails_is_told_and_the_process_goes_on(process):
    pid = process.pid
    with pytest.raises(ClientError, match=r"the client failed \(TypeError: "):
        process.order("spin", "fast")
    assert process.order("spin", 1) >= 0
    assert process.pid == pid


def test_spinning_beside_takes_as_long_as_the_slower_of_the_two(monkeypatch):
    from labkit.client import process as module

    with ClientProcess() as client:
        alone_ms = client.order("spin", 1000)
        assert client.spin_beside(1000) > 0
        monkeypatch.setattr(module, "spin", lambda turns: 1e6)
        assert client.spin_beside(1000) == 1e6
        monkeypatch.setattr(module, "spin", lambda turns: 0.0)
        assert client.spin_beside(100_000) > alone_ms


def test_an_interrupt_while_spinning_beside_leaves_no_answer_for_the_next_order(monkeypatch):
    from labkit.client import process as module

    def interrupted(turns):
        raise KeyboardInterrupt

    with ClientProcess() as client:
        monkeypatch.setattr(module, "spin", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.spin_beside(10)
        assert client.pid is None
        assert client.order("warm", [], 0.1) == 0


def test_ctrl_c_does_not_end_the_process(process):
    process.order("spin", 1)
    pid = process.pid
    os.kill(pid, signal.SIGINT)
    assert process.order("spin", 1) >= 0
    assert process.pid == pid


def test_ctrl_c_while_waiting_ends_the_process_and_the_next_order_gets_its_own_answer(server, monkeypatch):
    import pickle

    running = server()
    with ClientProcess() as client:
        client.open(running.url, 1)
        client.send("spin", 1)
        with monkeypatch.context() as patch:
            patch.setattr(pickle, "load", lambda stream: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                client.receive()
        client.open(running.url, 1)
        assert len(client.fire(make_job(1)).delivery_ns) == 1


def test_the_process_ends_when_its_input_closes():
    with ClientProcess() as client:
        client.order("spin", 1)
        client._process.stdin.close()
        client._process.wait(2)
        assert client._process.returncode == 0


@contextlib.contextmanager
def parent(code):
    """Another Python that owns a client process, whose pid it prints once the client is at it; killed without mercy."""
    lines = [
        "import time",
        "from labkit.client.process import ClientProcess",
        "client = ClientProcess()",
        "client.order('spin', 1)",
    ]
    lines += [code, "print(client.pid, flush=True)", "time.sleep(60)"]
    owner = subprocess.Popen([sys.executable, "-c", "\n".join(lines)], stdout=subprocess.PIPE, text=True)
    try:
        pid = int(owner.stdout.readline())
        assert not gone(pid)
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        yield pid
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()


def ended_in_time(pid):
    try:
        return wait_until(lambda: gone(pid), timeout_s=2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_process_does_not_outlive_its_parent():
    with parent("pass") as pid:
        assert ended_in_time(pid)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_process_does_not_outlive_its_parent_when_it_is_at_work(server):
    running = server(answering(lambda data: None))
    fire_for_long = f"""
import numpy as np
from labkit.client.firing import Job
one = np.zeros(1, np.int64)
client.open({running.url!r}, 1)
client.send("fire", Job(one, one, [0], None, one, "nobody answers", 15 * 10**9))
time.sleep(0.2)
"""
    with parent(fire_for_long) as pid:
        assert ended_in_time(pid)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_what_the_process_prints_cannot_get_between_its_answers(process):
    process.order("spin", 1)
    here = f"/proc/{process.pid}/fd"
    assert os.readlink(f"{here}/1") == os.readlink(f"{here}/2")


# The same on a thread


@ends_within(5)
def test_the_thread_does_the_same_and_leaves_nothing_behind(capfd):
    with nothing_left_behind(), make_server() as running:
        with ClientThread() as client:
            client.open(running.url, 2)
            assert client.warm([1, 2], 5) == 2
            fired = client.fire(make_job(6, senders=2, pings=3))
            assert client.order("spin", 10) >= 0
            assert client.spin_beside(10) is None  # two loops in one process would share a GIL
        assert wait_until(lambda: not running._wsgi._open)
    assert sorted(fired.delivery_event) == list(range(6))
    assert set(fired.delivery_status) == {Outcome.ANSWERED}
    assert np.all(fired.ping_acked_ns > 0)
    assert fired.closed_ns.shape == (4,)
    assert capfd.readouterr() == ("", "")


@ends_within(5)
def test_the_thread_raises_in_its_caller():
    with ClientThread() as client, pytest.raises(ConnectFailed):
        client.open(f"http://127.0.0.1:{free_port()}", 1, timeout_s=0.5)


@pytest.mark.parametrize("order", [("fire", make_job(1)), ("spin", "fast")], ids=["fire", "spin"])
def test_the_thread_raises_the_same_kind_of_error_as_the_process(process, order):
    name, argument = order
    with ClientThread() as thread:
        for client in (process, thread):
            with pytest.raises(ClientError):
                client.order(name, argument)


@ends_within(5)
def test_the_thread_works_within_a_running_event_loop(server):
    """As in a notebook."""
    import asyncio

    running = server()

    async def cell():
        with ClientThread() as client:
            client.open(running.url, 1)
            return client.fire(make_job(2))

    assert len(asyncio.run(cell()).delivery_ns) == 2


@ends_within(5)
def test_a_closed_thread_can_be_opened_again(server):
    running = server()
    client = ClientThread()
    for _ in range(2):
        client.open(running.url, 1)
        assert len(client.fire(make_job(1)).delivery_ns) == 1
        client.close()
        client.close()


def test_ctrl_c_is_the_parents_to_handle():
    """The terminal sends it to both: the client must still be there to be asked for what was fired."""
    with taking_interrupts(), ClientProcess() as process:
        assert process.order("spin", 1000) > 0
        os.kill(process.pid, signal.SIGINT)
        assert process.order("spin", 1000) > 0


# Connections that close, and those that are never let in


@pytest.mark.parametrize(
    ("answer", "closing"),
    [
        (lambda data: disconnect(), "Socket.IO's disconnect"),
        (lambda data: emit("response", "x" * 3_000), "by labkit's client, websocket code 1009 (Received frame"),
    ],
)
def test_a_connection_that_closes_tells_with_what(server, monkeypatch, caplog, answer, closing):
    monkeypatch.setattr("labkit.client.connection.MAX_FRAME_BYTES", 2_000)
    with ClientThread() as client:
        fired = fire(client, server(answering(answer)), make_job(1, timeout_ms=1_000))
        assert fired.closings[SENDER].startswith(closing)
        assert fired.closings[1:] == ("", "")
    assert caplog.records == []  # or it would stand on stderr, in a notebook's cell


@ends_within(30)
def test_an_event_that_the_server_finds_too_large_closes_its_connection_with_the_code_that_says_why(client, server):
    running = server(options={"max_http_buffer_size": 2_000})
    client.open(running.url, 2)
    assert client.warm(["x" * 3_000], 60.0) == 0
    fired = client.fire(make_job(4, senders=2, timeout_ms=2_000))
    assert fired.closings == ("websocket code 1009 (Message is too big)", "", "", "")
    assert (fired.sent_ns > 0).tolist() == [False, True, False, True]


@ends_within(10)
def test_who_is_kept_waiting_at_the_door_is_told_how_many_were_let_in(client, server):
    let_in, rest = threading.Semaphore(2), threading.Event()

    def register(socketio, complex_calculation):
        @socketio.on("connect")
        def connect(auth=None):
            if not let_in.acquire(blocking=False):
                rest.wait(5)

        return rest.set

    with pytest.raises(ConnectFailed, match=r"2 of 4 connections were let in at http.* within 0\.5 s, and the rest"):
        client.open(server(register).url, 2, timeout_s=0.5)
    rest.set()
