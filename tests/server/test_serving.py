"""`labkit.serve` on real sockets: what it shows, how often it starts and stops, and that nothing of it ever stays."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading

import psutil
import pytest

import labkit as lab
from labkit.base.errors import LabError, ModeError, NotPicklable, PortInUse, ServerError, StrategyError, UsageError
from labkit.server.serving import Serving
from tests.support.helpers import RawClient, answer_inline, gone, no_thread_dies, nothing_left_behind, wait_until

pytestmark = pytest.mark.measured

WORK = lab.io_wait(1)
EVENT = '42["message",{"id":0,"payload":7}]'

#: A server on a thread of this process, and one in a child.
each_place = pytest.mark.parametrize(("mode", "strategy"), [("threading", "inline"), ("asgi", "asgi-inline")])


@pytest.fixture(autouse=True)
def threads_end_well():
    with no_thread_dies():
        yield


def answers(server):
    with RawClient(server.server.port) as client:
        return '"result":7' in client.ask(EVENT)


def is_free(port):
    """Whether a server may listen there: as labkit binds, so that connections that linger do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


# What it serves and shows


@each_place
def test_it_serves_and_shows_its_address_and_what_it_serves(mode, strategy):
    with nothing_left_behind():
        server = lab.serve(strategy, WORK, mode=mode)
        assert server.is_running
        assert server.url == f"http://127.0.0.1:{server.server.port}"
        assert repr(server).startswith(f"<Server at {server.url}: {strategy} serves io_wait:1ms; ")
        assert answers(server)
        server.stop()
        assert repr(server).startswith(f"<Server stopped: {strategy} serves io_wait:1ms; ")
        assert not server.is_running


def test_a_notebook_shows_the_same_as_html():
    with lab.serve("inline", WORK) as server:
        assert server._repr_html_() == f"<p>{repr(server)[1:-1]}</p>"


def test_the_names_of_a_reader_are_escaped():
    def register(socketio, complex_calculation):
        answer_inline(socketio, complex_calculation)

    register.__name__ = "<b>mine</b> & yours"
    with lab.serve(register, lab.call(lambda payload: payload, payloads=[1])) as server:
        assert server.strategy.name == register.__name__
        shown = server._repr_html_()
    assert "&lt;b&gt;mine&lt;/b&gt; &amp; yours" in shown
    assert "<b>" not in shown
    assert "<lambda>" not in shown


def test_the_place_where_it_serves_is_told_by_its_mode():
    with lab.serve("asgi-inline", WORK, mode="asgi") as server:
        assert "uvicorn" in repr(server)
        assert server.server.serving_pid != os.getpid()
    with lab.serve("inline", WORK) as server:
        assert "Werkzeug in this process" in repr(server)
        assert server.server.serving_pid == os.getpid()


def test_heartbeats_and_options_reach_the_library():
    with lab.serve("inline", WORK, ping_interval_s=3, ping_timeout_s=2, options={"async_handlers": False}) as server:
        assert server.server.options == {"async_handlers": False, "ping_interval": 3, "ping_timeout": 2}
        assert server.server.socketio.server.eio.ping_interval == 3


def test_stock_and_hooks_are_the_readers_to_choose():
    with lab.serve("inline", WORK, stock=True, instrumented=False) as server:
        assert (server.server.stock, server.server.instrumented, server.server.hooks) == (True, False, None)
        assert answers(server)


# Starting and stopping


@each_place
def test_stopping_twice_does_no_harm(mode, strategy):
    with nothing_left_behind():
        server = lab.serve(strategy, WORK, mode=mode)
        port = server.server.port
        server.stop()
        server.stop()
        assert is_free(port)


@each_place
def test_starting_one_that_runs_is_a_sentence_and_it_goes_on(mode, strategy):
    with nothing_left_behind(), lab.serve(strategy, WORK, mode=mode) as server:
        with pytest.raises(ServerError, match=rf"runs already, at {server.url}: fire at it, or stop it first"):
            server.start()
        assert answers(server)


@each_place
def test_one_that_was_stopped_serves_again(mode, strategy):
    with nothing_left_behind():
        server = lab.serve(strategy, WORK, mode=mode)
        for _ in range(2):
            server.stop()
            assert server.start() is server
            assert server.url in repr(server)
            assert answers(server)
        server.stop()


def test_one_on_a_chosen_port_serves_there_again():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with lab.serve("inline", WORK, port=port) as server:
        assert answers(server)
        server.stop()
        server.start()
        assert server.url == f"http://127.0.0.1:{port}"
        assert answers(server)


@each_place
def test_leaving_the_block_stops_it_also_by_an_exception(mode, strategy):
    def block():
        with lab.serve(strategy, WORK, mode=mode) as server:
            seen.append(server)
            raise KeyboardInterrupt

    seen = []
    with nothing_left_behind():
        with pytest.raises(KeyboardInterrupt):
            block()
        assert not seen[0].is_running


@each_place
def test_a_port_in_use_says_what_to_do_and_leaves_nothing(mode, strategy):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = rf"port {port} .* is in use: stop what listens there, or leave port=0"
        with nothing_left_behind(), pytest.raises(PortInUse, match=sentence):
            lab.serve(strategy, WORK, mode=mode, port=port)


@each_place
def test_one_that_finds_its_port_taken_when_it_starts_again_can_wait(mode, strategy):
    with nothing_left_behind():
        server = lab.serve(strategy, WORK, mode=mode)
        port = server.server.port
        server.stop()
    with nothing_left_behind():
        server = lab.serve(strategy, WORK, mode=mode, port=port)
        server.stop()
        with socket.create_server(("127.0.0.1", port)), pytest.raises(PortInUse):
            server.start()
        assert not server.is_running
        server.start()
        assert answers(server)
        server.stop()


# Forgotten by its reader


@each_place
def test_a_server_that_nobody_refers_to_any_more_ends(mode, strategy):
    """As where the cell that started it is run again."""
    with nothing_left_behind():
        server = lab.serve(strategy, WORK, mode=mode)
        first = server.server.port
        server = lab.serve(strategy, WORK, mode=mode)
        assert is_free(first)
        assert answers(server)
        second = server.server.port
        del server
        assert is_free(second)


def test_one_that_is_forgotten_in_a_cycle_ends_when_that_is_collected():
    with nothing_left_behind():
        server = lab.serve("inline", WORK)
        port = server.server.port
        circle = [server]
        circle.append(circle)
        del server, circle
        gc.collect()
        assert is_free(port)


def test_one_that_is_forgotten_while_a_client_is_connected_ends():
    with nothing_left_behind():
        server = lab.serve("inline", WORK)
        with RawClient(server.server.port) as client:
            assert '"result":7' in client.ask(EVENT)
            del server
            while client.receive() is not None:
                pass


def test_one_that_was_stopped_and_started_still_ends_when_it_is_forgotten():
    with nothing_left_behind():
        server = lab.serve("inline", WORK)
        server.stop()
        server.start()
        port = server.server.port
        del server
        assert is_free(port)


# What does not start


@pytest.mark.parametrize("work", [100, "cpu:100ms", None, lambda payload: payload])
def test_a_work_that_is_none_is_told_how_to_make_one(work):
    with nothing_left_behind(), pytest.raises(UsageError, match=r"the work must be a lab\.cpu\(ms=\.\.\.\), .* not "):
        lab.serve("inline", work)


@pytest.mark.parametrize(
    ("strategy", "settings", "error", "sentence"),
    [
        ("inlin", {}, StrategyError, "'inlin'"),
        ("inline", {"mode": "asgi"}, ModeError, "inline cannot run in mode 'asgi'"),
        ("inline", {"mode": "eventlet"}, ModeError, "choose from threading"),
        ("asgi-inline", {}, ModeError, "only in asgi"),
        ("inline", {"options": {"async_mode": "gevent"}}, ServerError, "does not take these options .*: change them"),
        ("inline", {"options": {"ping_intervall": 5}}, ServerError, r"no option 'ping_intervall': ping_interval\?"),
    ],
)
def test_what_cannot_run_is_a_sentence_and_leaves_nothing(strategy, settings, error, sentence):
    with nothing_left_behind(), pytest.raises(error, match=sentence):
        lab.serve(strategy, WORK, **settings)


def test_work_that_cannot_travel_is_refused_for_a_child():
    lock = threading.Lock()
    with nothing_left_behind(), pytest.raises(NotPicklable):
        lab.serve("asgi-inline", lab.call(lambda payload: lock.locked(), payloads=[1]), mode="asgi")


def test_a_register_that_raises_is_a_sentence_and_leaves_nothing():
    def register(socketio, complex_calculation):
        raise LookupError("no such queue")

    with nothing_left_behind(), pytest.raises(ServerError, match=r"could not be registered .*no such queue"):
        lab.serve(register, WORK)


def test_what_failed_to_start_ends_without_a_word(capfd):
    with nothing_left_behind(), socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(PortInUse):
            lab.serve("inline", WORK, port=taken.getsockname()[1])
        gc.collect()
    assert capfd.readouterr() == ("", "")


# Fired at


def test_firing_at_one_that_was_stopped_is_a_sentence(client):
    server = lab.serve("inline", WORK)
    server.stop()
    with nothing_left_behind(), pytest.raises(LabError, match=": start it"):
        lab.fire(server, lab.burst(1), client=client)


def test_what_is_served_can_be_fired_at(client):
    with lab.serve("inline", WORK) as server:
        assert isinstance(server, Serving)
        assert lab.fire(server, lab.burst(3), client=client).outcomes["answered"] == 3


# The kernel

KERNEL = """
import sys, time
import labkit as lab
import psutil
servers = [lab.serve("inline", lab.io_wait(1)), lab.serve("asgi-inline", lab.io_wait(1), mode="asgi")]
print(*[server.server.port for server in servers], flush=True)
print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
{then}
"""


def kernel(then):
    """Another Python that serves in two modes, as a notebook's kernel: itself, its ports, its child processes."""
    process = subprocess.Popen([sys.executable, "-c", KERNEL.format(then=then)], stdout=subprocess.PIPE, text=True)
    try:
        ports = [int(port) for port in process.stdout.readline().split()]
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(ports) == 2
        assert pids
        assert all(psutil.pid_exists(pid) for pid in pids)
        assert not any(is_free(port) for port in ports)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    return process, ports, pids


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_kernel_that_is_killed_leaves_no_process_and_no_port(sent):
    with nothing_left_behind():
        process, ports, pids = kernel("time.sleep(60)")
        process.send_signal(sent)
        process.wait()
        assert wait_until(lambda: all(gone(pid) for pid in pids)), pids
        assert wait_until(lambda: all(is_free(port) for port in ports)), ports


def test_a_kernel_that_ends_by_itself_leaves_no_process_and_no_port():
    with nothing_left_behind():
        process, ports, pids = kernel("")
        assert process.wait(15) == 0
        assert wait_until(lambda: all(gone(pid) for pid in pids)), pids
        assert wait_until(lambda: all(is_free(port) for port in ports)), ports
