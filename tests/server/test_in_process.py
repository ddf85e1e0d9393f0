"""A real server on real sockets: whatever happens, it starts, serves and leaves nothing behind."""

import contextlib
import os
import socket
import struct
import sys
import threading
import time

import psutil
import pytest
from flask_socketio import emit
from loky import ProcessPoolExecutor

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.errors import LabError, PortInUse, ServerError
from labkit.plan import work
from labkit.plan.work import Calculation
from labkit.server import kept, werkzeug_server
from labkit.server.contract import PING_EVENT
from labkit.server.threads import Threads
from labkit.server.werkzeug_server import TUNED
from labkit.strategies import names_in, strategy
from tests.support.helpers import (
    RawClient,
    answer_inline,
    descriptors,
    echo,
    make_server,
    no_thread_dies,
    nothing_left_behind,
    wait_until,
)
from tests.support.redis_needed import behind

pytestmark = pytest.mark.measured

EVENT = '42["message",{"id":0,"payload":7}]'


@pytest.fixture(autouse=True)
def threads_end_well():
    with no_thread_dies():
        yield


@pytest.fixture
def server():
    """Starts servers, and stops them after the test."""
    servers = []

    def start(register=answer_inline, calculation=echo, **arguments):
        servers.append(make_server(register, calculation, **arguments))
        servers[-1].start()
        return servers[-1]

    yield start
    for each in servers:
        each.stop()


def can_listen(port):
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        return True


def answers_pings(port):
    with RawClient(port) as client:
        return client.ask(f'427["{PING_EVENT}"]') == "437[]"


# Serving


def test_events_are_handled_by_the_strategy(server):
    with RawClient(server().port) as client:
        assert client.ask(EVENT).startswith('42["response",{"id":0,"result":7')


def test_the_url_names_the_port(server):
    running = server()
    assert running.url == f"http://127.0.0.1:{running.port}"
    assert running.port > 0


def test_a_ping_is_acknowledged_without_data(server):
    assert answers_pings(server().port)


def test_it_listens_on_loopback_only(server):
    running = server()
    listening = [
        c.laddr.ip
        for c in psutil.Process().net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port == running.port
    ]
    assert listening == ["127.0.0.1"]


def test_two_servers_do_not_disturb_each_other(server):
    first, second = server(), server()
    first.stop()
    assert answers_pings(second.port)


def test_options_of_the_caller_win_over_the_strategys():
    from labkit.server.in_process import Server

    chosen = strategy("inline-serial")
    assert Server(chosen, echo).options["async_handlers"] is False
    assert Server(chosen, echo, options={"async_handlers": True}).options["async_handlers"] is True


@pytest.fixture(scope="module")
def trackers():
    """A process that has had a pool keeps two small ones, Python's and loky's, which watch over its shared memory."""
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(int).result() == 0


def test_a_ctrl_c_while_a_strategy_is_registered_ends_the_pool_that_it_had_made(trackers):
    def register(socketio, complex_calculation):
        pool = ProcessPoolExecutor(1)
        workers.append(pool.submit(os.getpid).result())
        raise KeyboardInterrupt

    workers = []
    with nothing_left_behind(), pytest.raises(KeyboardInterrupt) as raised:
        make_server(register).start()
    assert wait_until(lambda: not psutil.pid_exists(workers[0]), 5), raised


@pytest.mark.parametrize("name", [name for name in names_in("threading") if name != "process-pool"])
def test_every_strategy_answers_and_leaves_nothing_behind(name, trackers):
    from labkit.server.in_process import Server

    waits = Calculation(work.io_wait(1).function)

    def answers():
        with behind(strategy(name), waits) as served, Server(served, waits) as running:
            with RawClient(running.port) as client:
                assert '"result":7' in client.ask(EVENT)
            assert running.errors == []

    if strategy(name).work is not None:
        answers()  # Celery keeps its last app, with a descriptor of its own, and never two
    with nothing_left_behind():
        answers()


def test_no_gevent_patch_is_in_force(server):
    server()
    patched = getattr(sys.modules.get("gevent.monkey"), "saved", {})
    assert not patched


# Starting


def test_a_second_start_is_refused_and_the_first_goes_on(server):
    running = server()
    with pytest.raises(ServerError, match="runs already: stop it first"):
        running.start()
    assert answers_pings(running.port)


def test_a_port_in_use_says_what_to_do(server):
    port = server().port
    with nothing_left_behind(), pytest.raises(PortInUse, match=rf"port {port} .* in use: stop .* or leave port=0"):
        make_server(port=port).start()


def test_an_address_of_another_machine_is_a_server_error():
    with nothing_left_behind(), pytest.raises(ServerError, match="cannot listen on 192"):
        make_server(host="192.0.2.1").start()


def test_a_chosen_port_is_used():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with make_server(port=port) as running:
        assert running.port == port


def failing_register(socketio, complex_calculation):
    raise LookupError("no such queue")


def test_a_register_that_raises_is_a_server_error_and_frees_the_port():
    server = make_server(failing_register)
    with nothing_left_behind():
        with pytest.raises(ServerError, match=r"tested could not be registered .*no such queue") as caught:
            server.start()
        assert isinstance(caught.value.__cause__, LookupError)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ServerError):
        make_server(failing_register, port=port).start()
    assert can_listen(port)


def test_a_server_that_did_not_start_can_be_stopped():
    server = make_server(failing_register)
    with pytest.raises(ServerError):
        server.start()
    server.stop()


def test_a_loop_begun_by_a_register_that_then_raises_ends():
    def register(socketio, complex_calculation):
        def loop():
            while time.monotonic() < give_up:
                socketio.sleep(0.01)

        socketio.start_background_task(loop)
        raise LookupError("too late")

    give_up = time.monotonic() + 3
    with nothing_left_behind(timeout_s=1), pytest.raises(ServerError):
        make_server(register).start()


@pytest.mark.parametrize("options", [{"async_mode": "gevent"}, {"logger": True}])
def test_options_that_cannot_be_used_are_the_labs_own_error(options):
    with nothing_left_behind():
        running = make_server(options=options)
        with pytest.raises(LabError):
            running.start()


# Stopping


def test_ten_starts_and_stops_leave_nothing_behind():
    """Three clients are connected at each stop; one has never read, and the server has 20 MB for it."""
    parts, size = 20, 1_000_000
    flooded = threading.Event()

    def register(socketio, complex_calculation):
        answer_inline(socketio, complex_calculation)

        @socketio.on("flood")
        def flood():
            for _ in range(parts):
                emit("flood", "x" * size)
            flooded.set()

    with nothing_left_behind():
        for _ in range(10):
            flooded.clear()
            with make_server(register) as running:
                deaf = RawClient(running.port, receive_buffer=4096)
                clients = [deaf, RawClient(running.port), RawClient(running.port)]
                deaf.send('42["flood"]')
                assert flooded.wait(5)
                for client in clients[1:]:
                    assert client.ask(EVENT).startswith('42["response"')
                before_ns = now_ns()
            assert now_ns() - before_ns < 2 * NS_PER_S, running.log
            for client in clients:
                client.close()
            assert running.log == []


def test_a_client_that_stays_although_the_server_has_hung_up_does_not_keep_the_server():
    def register(socketio, complex_calculation):
        @socketio.on("bye")
        def bye():
            for connection in list(socketio.server.eio.sockets.values()):
                connection.close(wait=False)
            time.sleep(0.1)  # until the writer has closed the websocket: its reader then ends by itself

    with nothing_left_behind(), make_server(register, options={"async_handlers": False}) as running:
        client = RawClient(running.port)
        client.send('42["bye"]')
        time.sleep(0.3)
        before_ns = now_ns()
        running.stop()
        assert now_ns() - before_ns < 2 * NS_PER_S, running.log
        client.close()


def test_the_same_server_starts_again():
    server = make_server()
    with nothing_left_behind():
        for _ in range(3):
            with server:
                assert answers_pings(server.port)


def test_a_server_restarts_after_its_stop_although_clients_were_connected():
    server = make_server()
    with server:
        client = RawClient(server.port)
    with server:
        assert answers_pings(server.port)
    client.close()


def test_stop_says_goodbye():
    with make_server() as running:
        client = RawClient(running.port)
    texts = []
    while (text := client.receive()) is not None:
        texts.append(text)
    assert texts == ["1"]  # Engine.IO's close
    client.close()


def test_stopping_twice_does_no_harm(server):
    running = server()
    running.stop()
    running.stop()
    assert can_listen(running.port)


def test_the_port_is_closed_by_the_stop_and_not_by_the_garbage_collector(server):
    running = server()
    listening = running._wsgi.socket
    running.stop()
    assert listening.fileno() == -1


def test_stop_before_start_does_nothing():
    make_server().stop()


def test_stop_from_two_threads_at_once(server):
    running = server()
    with RawClient(running.port):
        other = threading.Thread(target=running.stop)
        other.start()
        running.stop()
        other.join(5)
    assert not other.is_alive()


def test_clients_that_come_while_the_strategy_closes_do_not_disturb_the_stop():
    def register(socketio, complex_calculation):
        def close():
            for _ in range(3):
                socket.create_connection(("127.0.0.1", running.port), timeout=1).close()
                time.sleep(0.02)

        return close

    with nothing_left_behind():
        running = make_server(register)
        with running:
            pass
        assert running.log == []


def test_stop_on_the_thread_that_accepts_connections_does_not_wait_for_itself():
    """The collector ends a server that is forgotten on whatever thread it happens to run."""
    with nothing_left_behind():
        running = make_server()
        running.start()
        running._wsgi.process_request = lambda request, _: (running.stop(), request.close())
        socket.create_connection(("127.0.0.1", running.port), timeout=1).close()
        assert wait_until(lambda: not running._accepting.is_alive())
        assert can_listen(running.port)


@pytest.mark.parametrize("async_handlers", [True, False])
def test_stop_waits_for_a_handler_in_flight(async_handlers):
    begun, ended = threading.Event(), threading.Event()
    wait = work.io_wait(300).function

    def calculation(data):
        begun.set()
        wait(None)
        ended.set()
        return echo(data)

    with nothing_left_behind():
        with make_server(calculation=calculation, options={"async_handlers": async_handlers}) as running:
            client = RawClient(running.port)
            client.send(EVENT)
            assert begun.wait(5)
        assert ended.is_set()
        assert running.log == []
        client.close()


def test_a_handler_that_goes_on_past_the_time_limit_is_named():
    begun, go_on = threading.Event(), threading.Event()

    def calculation(data):
        begun.set()
        go_on.wait(5)
        return echo(data)

    with nothing_left_behind():
        running = make_server(calculation=calculation)
        running.start()
        client = RawClient(running.port)
        client.send(EVENT)
        assert begun.wait(5)
        running.stop(timeout_s=0.1)
        assert any("still at work 0.1 s after the stop" in line for line in running.log)
        go_on.set()
        client.close()


def test_stop_while_a_client_floods_with_events():
    with nothing_left_behind():
        running = make_server()
        running.start()
        client = RawClient(running.port)
        try:
            for number in range(500):
                client.send(f'42["message",{{"id":{number},"payload":1}}]')
            running.stop()
        finally:
            client.close()


def test_waiting_for_a_thread_that_is_about_to_start(monkeypatch):
    """A handler's thread is listed before it runs, and a stop may come just then."""
    go_on, inside = threading.Event(), threading.Event()
    start = threading.Thread.start

    def slow_start(thread):
        if thread.name == "slow":
            inside.set()
            go_on.wait(5)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slow_start)
    ended = threading.Event()
    threads = Threads([])
    starter = threading.Thread(target=threads.make(target=ended.set, name="slow").start)
    starter.start()
    assert inside.wait(5)
    threading.Timer(0.05, go_on.set).start()
    assert threads.join_all(now_ns() + 5 * NS_PER_S) == []
    assert ended.is_set()
    starter.join()


def test_a_thread_that_another_starts_meanwhile_is_waited_for_too():
    ended = threading.Event()
    threads = Threads([])

    def last():
        time.sleep(0.1)
        ended.set()

    def first():
        time.sleep(0.05)
        threads.make(target=last).start()

    threads.make(target=first).start()
    assert threads.join_all(now_ns() + 5 * NS_PER_S) == []
    assert ended.is_set()


def test_a_loop_that_a_strategy_leaves_behind_ends_with_the_server():
    turns = []

    def register(socketio, complex_calculation):
        def loop():
            while True:
                turns.append(None)
                socketio.sleep(0.01)

        socketio.start_background_task(loop)

    with nothing_left_behind():
        with make_server(register) as running:
            assert wait_until(lambda: len(turns) >= 3)
        count = len(turns)
        assert running.log == []
    assert len(turns) == count


def test_what_register_returns_is_called_at_the_stop():
    closed = []

    def register(socketio, complex_calculation):
        return lambda: closed.append(len(closed))

    server = make_server(register)
    with server:
        assert closed == []
    server.stop()
    assert closed == [0]


def test_a_close_that_raises_is_logged_and_stops_all_the_same():
    def register(socketio, complex_calculation):
        def close():
            raise LookupError("gone already")

        return close

    with nothing_left_behind(), make_server(register) as running:
        pass
    assert running.log == ["tested's close failed: LookupError: gone already"]
    assert can_listen(running.port)


def test_a_close_that_never_returns_is_logged_and_stops_all_the_same(server):
    waits = threading.Event()

    def register(socketio, complex_calculation):
        answer_inline(socketio, complex_calculation)
        return waits.wait

    running = server(register)
    port = running.port
    running.stop(timeout_s=0.3)
    assert "did not return within 0.3 s" in " ".join(running.log)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)
    waits.set()


def test_a_strategy_without_close_is_not_given_that_of_an_earlier_start():
    closed = []

    def register(socketio, complex_calculation):
        return (lambda: closed.append(1)) if not closed else None

    server = make_server(register)
    for _ in range(2):
        with server:
            pass
    assert closed == [1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exception_inside_the_block_passes_and_leaves_nothing(error):
    def block():
        with running, RawClient(running.port) as client:
            client.ask(EVENT)
            raise error

    running = make_server()
    with nothing_left_behind(), pytest.raises(error):
        block()
    assert can_listen(running.port)


# Quiet


def test_nothing_is_printed_when_a_client_vanishes(server, capfd):
    running = server()
    client = RawClient(running.port)
    client.ask(EVENT)
    client.abort()
    assert wait_until(lambda: not running._wsgi._open)
    running.stop()
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed_when_a_client_vanishes_in_the_middle_of_an_answer(server, capfd):
    def calculation(data):
        client.abort()
        return echo(data) | {"result": "x" * 5_000_000}

    running = server(calculation=calculation)
    client = RawClient(running.port)
    client.send(EVENT)
    assert wait_until(lambda: not running._wsgi._open)
    running.stop()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("async_handlers", [True, False])
def test_nothing_is_printed_when_a_handler_raises(server, capfd, async_handlers):
    def calculation(data):
        raise LookupError("on purpose")

    running = server(calculation=calculation, options={"async_handlers": async_handlers})
    with RawClient(running.port) as client:
        client.send(EVENT)
        assert wait_until(lambda: running.errors)
    running.stop()
    assert capfd.readouterr() == ("", "")
    assert "on purpose" in running.errors[0]
    assert any("on purpose" in line for line in running.log)


def test_nothing_is_printed_at_a_stop_with_clients_and_a_handler_in_flight(server, capfd):
    begun = threading.Event()

    def calculation(data):
        begun.set()
        time.sleep(0.1)
        return echo(data)

    running = server(calculation=calculation)
    with RawClient(running.port) as client, RawClient(running.port):
        client.send(EVENT)
        assert begun.wait(5)
        running.stop()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"", b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01"]
)
def test_nothing_is_printed_for_a_request_that_makes_no_sense(server, capfd, sent):
    running = server()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    assert answers_pings(running.port)
    running.stop()
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed_when_the_handler_of_a_connection_fails(server, capfd, monkeypatch):
    def fail(handler):
        raise LookupError("in Werkzeug itself")

    running = server()
    monkeypatch.setattr(running._wsgi.RequestHandlerClass, "handle", fail)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as client:
        assert client.recv(1) == b""
    assert wait_until(lambda: any("in Werkzeug itself" in line for line in running.log))
    running.stop()
    assert capfd.readouterr() == ("", "")


# Clients that leave


def test_a_client_that_leaves_takes_its_threads_and_descriptor_along(server):
    running = server()
    with RawClient(running.port):
        pass
    assert wait_until(lambda: not running._wsgi._open)
    settled = wait_until(lambda: all("_service_task" in t.name for t in running._threads.started))
    assert settled, [thread.name for thread in running._threads.started]


def test_a_connection_ends_at_once_after_its_websocket(server):
    """Left alone, Werkzeug reads on for a request that never comes."""
    running = server()
    with RawClient(running.port) as client:
        assert client.leave() < 1
    assert running.log == []


# Stock and tuned


def nagle(running):
    with RawClient(running.port):
        (accepted,) = running._wsgi._open
        return not accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_stock_leaves_nagles_algorithm_on(server):
    assert nagle(server(stock=True))


def test_tuned_switches_nagles_algorithm_off(server):
    assert not nagle(server())


def test_what_differs_from_stock_is_disclosed():
    assert make_server().tuned == TUNED


def test_stock_discloses_nothing_but_its_options():
    stock = make_server(stock=True, options={"async_handlers": False})
    assert (stock.stock, stock.tuned) == (True, {})
    assert stock.options == {"async_handlers": False}


def test_a_stock_server_leaves_nothing_behind_either(capfd):
    with nothing_left_behind():
        for _ in range(3):
            with make_server(stock=True) as running:
                left = RawClient(running.port)
                left.ask(EVENT)
                left.close()
                client = RawClient(running.port)
                assert client.ask(EVENT).startswith('42["response"')
            client.close()
    assert capfd.readouterr() == ("", "")


def test_the_leak_check_itself_sees_a_leak():
    with pytest.raises(AssertionError), nothing_left_behind(timeout_s=0.05):
        leak = socket.socket()
    leak.close()
    go_on = threading.Event()
    with pytest.raises(AssertionError), nothing_left_behind(timeout_s=0.05):
        threading.Thread(target=go_on.wait).start()
    go_on.set()
    assert descriptors() > 0


# Clients that hold on


def is_ended(sock):
    """Whether the server closes it, within 5 s."""
    sock.settimeout(5)
    with contextlib.suppress(ConnectionError):
        while sock.recv(65536):
            pass
    return True


@pytest.mark.parametrize(
    "text", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"]
)
def test_half_a_request_does_not_keep_its_thread(server, monkeypatch, text):
    assert werkzeug_server._StockHandler.timeout == werkzeug_server.IDLE_S
    monkeypatch.setattr(werkzeug_server._StockHandler, "timeout", 0.2)
    running = server()
    with socket.create_connection(("127.0.0.1", running.port)) as half:
        half.sendall(text)
        assert is_ended(half)
    assert wait_until(lambda: not running._threads.started)


def test_a_websocket_that_falls_silent_within_a_frame_ends(server):
    running = server(options={"ping_interval": 0.2, "ping_timeout": 0.2})
    with RawClient(running.port) as client:
        client.sock.sendall(b"\x81\xff" + struct.pack(">Q", 10_000) + b"mask")
        assert is_ended(client.sock)
    assert wait_until(lambda: len(running._threads.started) == 1)  # the service task


def test_a_websocket_that_does_not_read_ends(server):
    def register(socketio, complex_calculation):
        socketio.on_event("flood", lambda: [emit("flood", "x" * 1_000_000) for _ in range(20)] and None)

    running = server(register, options={"ping_interval": 0.2, "ping_timeout": 0.2})
    with RawClient(running.port, receive_buffer=4096) as client:
        client.send('42["flood"]')
        assert wait_until(lambda: len(running._threads.started) > 4)
        assert wait_until(lambda: len(running._threads.started) == 1), [t.name for t in running._threads.started]


def test_a_websocket_goes_on_past_the_time_that_a_request_has(server, monkeypatch):
    monkeypatch.setattr(werkzeug_server._StockHandler, "timeout", 0.1)
    with RawClient(server().port) as client:
        time.sleep(0.3)
        assert client.ask(EVENT).startswith('42["response"')


@pytest.mark.parametrize("instrumented", [True, False])
def test_a_message_that_is_too_large_ends_its_connection_before_all_of_it_is_there(server, instrumented):
    running = server(options={"max_http_buffer_size": 1000}, instrumented=instrumented)
    with RawClient(running.port) as client:
        client.sock.sendall(b"\x01\xff" + struct.pack(">Q", 10**9) + b"\0\0\0\0" + b"4" * 10_000)  # of a billion bytes
        assert is_ended(client.sock)
    assert wait_until(lambda: len(running._threads.started) == 1)


def test_the_heartbeats_thread_ends_with_its_connection(server):
    running = server()
    with RawClient(running.port):
        assert any("_send_ping" in thread.name for thread in running._threads.started)
    assert wait_until(lambda: len(running._threads.started) == 1)


def test_what_strangers_cause_does_not_fill_the_log(server, monkeypatch):
    monkeypatch.setattr(kept, "MAX_LINES", 3)
    running = server()
    for _ in range(5):
        with RawClient(running.port) as client:
            client.send("x")
            assert client.receive() is None
    assert len(running.log) == 3
    assert "closed for what its client sent" in running.log[0]


def test_a_request_whose_answer_fails_is_in_the_log_and_not_on_the_screen(server, capfd):
    def failing(environ, start_response):
        raise LookupError("no such thing")

    running = server()
    running._wsgi.app = failing
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert is_ended(client)
    assert wait_until(lambda: any("no such thing" in line for line in running.log))
    assert capfd.readouterr() == ("", "")
