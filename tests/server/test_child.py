"""Servers in a child process: each mode measured for real, and whatever happens, nothing is left behind."""

import itertools
import os
import socket
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest

from labkit.base.errors import MissingExtra, NotPicklable, PortInUse, ServerError
from labkit.experiments.measure import measure
from labkit.plan.modes import MODES
from labkit.plan.schedules import burst
from labkit.plan.work import call, io_wait
from labkit.runs.stages import NEVER, SERVER_COLUMNS, STAGES
from labkit.server.child import ChildServer
from labkit.server.contract import PING_EVENT
from labkit.strategies import Strategy, names_in
from tests.support.helpers import RawClient, answer_inline, echo, gone, nothing_left_behind, wait_until

CHILD_MODES = [name for name, mode in MODES.items() if not mode.is_in_process]
PROCESS_POOLS = {"gunicorn": "process-pool", "gevent": "process-pool", "asgi": "asgi-process-pool"}
EVENT = '42["message",{"id":0,"payload":7}]'

every_mode = pytest.mark.parametrize("mode", CHILD_MODES)


def answer_on_a_loop(socketio, complex_calculation):
    @socketio.on("message")
    async def handle_message(sid, data):
        await socketio.emit("response", complex_calculation(data), to=sid)


def make_child(mode, register=None, calculation=echo, **arguments):
    register = register or (answer_on_a_loop if MODES[mode].is_asynchronous else answer_inline)
    return ChildServer(mode, Strategy("tested", register), calculation, **arguments)


def by_value(function):
    """A function that travels by value, as one of a notebook cell does: the child need not import this file."""
    function.__module__ = "__main__"
    return function


for travelling in (answer_inline, answer_on_a_loop, echo):
    by_value(travelling)


# --- measured ---


@pytest.fixture(scope="module")
def runs(client):
    """Four events of 10 ms at once, in each mode."""
    measured = {}
    for mode in CHILD_MODES:
        with nothing_left_behind():
            measured[mode] = measure(names_in(mode)[0], io_wait(10), burst(4), mode=mode, client=client)
    return measured


@pytest.mark.measured
@every_mode
def test_a_run_closes_its_ledger(runs, mode):
    run = runs[mode]
    assert run.mode == mode
    assert (run.outcomes["answered"], run.unaccounted, run.lost, run.strays) == (4, 0, 0, 0)
    assert len(run.deliveries["kind"]) == 4
    assert np.isfinite(run.bystander_ms).all()
    assert (run.conditions.warm_up_asked, run.conditions.warm_up_answered) == (2, 2)
    assert run.conditions.handler_errors == ()


@pytest.mark.measured
@every_mode
def test_every_stage_is_there_but_those_that_the_mode_hides(runs, mode):
    events = runs[mode].events
    missing = {column for column in SERVER_COLUMNS if (events[column] == NEVER).any()}
    assert missing == set(MODES[mode].hidden)
    assert all((events[column] == NEVER).all() for column in missing)


@pytest.mark.measured
@every_mode
def test_the_stages_are_in_order_on_one_clock(runs, mode):
    events = runs[mode].events
    seen = [stage for stage in STAGES if stage not in MODES[mode].hidden]
    assert all((events[b] >= events[a]).all() for a, b in itertools.pairwise(seen))
    assert (events["handler_end"] >= events["handler_start"]).all()
    assert (events["loop_free"] >= events["dispatched"]).all()


@pytest.mark.measured
@every_mode
def test_the_process_that_serves_is_watched(runs, mode):
    samples = runs[mode].samples
    assert len(samples["at"]) >= 2
    assert (samples["resident_bytes"] > 0).all()
    assert runs[mode].conditions.server_cpu_s >= 0


@pytest.mark.measured
def test_an_event_loop_that_waits_holds_its_connection_and_a_greenlet_that_waits_does_not(runs):
    # asgi-inline sleeps on the loop: four events one after the other. gevent's patched sleep lets the others in.
    assert runs["asgi"].own_ms.max() > 4 * 9
    assert runs["gevent"].own_ms.max() < 0.8 * runs["asgi"].own_ms.max()


@pytest.mark.measured
def test_an_unpatched_sleep_holds_everybody(runs):
    assert runs["gevent-unpatched"].own_ms.max() > 4 * 9


@pytest.mark.measured
@pytest.mark.parametrize(("mode", "name"), [(mode, name) for mode in CHILD_MODES for name in names_in(mode)[1:]])
def test_every_strategy_runs_where_it_says(client, mode, name):
    # The answers of real threads wait in an unpatched hub: no warm-up, and a heartbeat that wakes it.
    quiet = mode == "gevent-unpatched" and name == "thread"
    settings = {"warm_up": 0, "ping_interval_s": 0.7} if quiet else {"warm_up": 1}
    with nothing_left_behind():
        run = measure(name, io_wait(5), burst(3), mode=mode, client=client, timeout_s=5, **settings)
    assert (run.outcomes["answered"] + run.outcomes["superseded"], run.unaccounted) == (3, 0)
    assert (run.strays > 0) is (name == "thread-broadcast")


@pytest.mark.measured
def test_emits_of_a_real_thread_wait_in_an_unpatched_hub_until_something_wakes_it(client):
    def measured(mode):
        settings = {"mode": mode, "ping_hz": 0, "warm_up": 0, "ping_interval_s": 0.7, "timeout_s": 5, "client": client}
        return measure("thread", io_wait(20), burst(3), **settings)

    late, prompt = measured("gevent-unpatched"), measured("gevent")
    waited, took = late.between_ms("emitted", "delivered"), late.between_ms("intended", "emitted")
    assert (waited > 4 * took).all()
    assert late.own_ms.max() - late.own_ms.min() < took.min()  # and then all at once
    assert (prompt.between_ms("emitted", "delivered") < prompt.between_ms("intended", "emitted")).all()


# --- what is held still, and what is told ---


def held_there(data):
    import gc
    import sys

    return {"id": data["id"], "result": [sys.getswitchinterval(), gc.get_freeze_count() > 0]}


@pytest.mark.measured
@every_mode
def test_what_is_held_still_is_held_in_the_process_that_serves(mode):
    before = sys.getswitchinterval()
    with make_child(mode, calculation=by_value(held_there)) as server, RawClient(server.port) as raw:
        with server.held_still(0.002, True) as held:
            assert held.switch_interval_s == pytest.approx(0.002)
            assert held.full_collections() == 0
            assert '"result":[0.002,true]' in raw.ask(EVENT)
        assert f'"result":[{before},false]' in raw.ask(EVENT)
    assert sys.getswitchinterval() == before


@pytest.mark.measured
@every_mode
def test_a_ping_is_acknowledged_without_data(mode):
    with make_child(mode) as server, RawClient(server.port) as raw:
        assert raw.ask(f'427["{PING_EVENT}"]') == "437[]"


def raising(socketio, complex_calculation):
    @socketio.on("message")
    def handle_message(*_):
        raise LookupError("no such price")


@pytest.mark.measured
@every_mode
def test_errors_of_handlers_come_back(mode):
    with make_child(mode, by_value(raising)) as server, RawClient(server.port) as raw:
        server.record(1)
        raw.send(EVENT)
        raw.ask(f'427["{PING_EVENT}"]')
        assert wait_until(lambda: server.collect() and server.errors)
        assert "no such price" in server.errors[0]


def test_options_and_what_differs_from_a_stock_server_are_told():
    servers = {mode: make_child(mode, options={"ping_timeout": 3}) for mode in CHILD_MODES}
    assert all(server.options == {"ping_timeout": 3} for server in servers.values())
    assert "Nagle's algorithm" in servers["gevent"].tuned
    stock = make_child("gevent", stock=True)
    assert (stock.stock, stock.tuned) == (True, {})


# --- what does not start ---


def failing(socketio, complex_calculation):
    raise LookupError("no such queue")


def dying(socketio, complex_calculation):
    import os
    import sys

    sys.stderr.write("the licence has run out\n")
    sys.stderr.flush()
    os._exit(7)


@pytest.mark.measured
@every_mode
def test_an_app_that_cannot_be_made_says_why_and_leaves_nothing(mode):
    with nothing_left_behind():
        with pytest.raises(ServerError, match=r"tested could not be registered \(LookupError: no such queue\)"):
            make_child(mode, by_value(failing)).start()
        with pytest.raises(ServerError, match=rf"the {mode} server ended \(the licence has run out\)"):
            make_child(mode, by_value(dying)).start()


@pytest.mark.measured
def test_options_that_the_library_does_not_take_are_named():
    for mode in CHILD_MODES:
        with nothing_left_behind(), pytest.raises(ServerError, match="does not take these options"):
            make_child(mode, options={"async_mode": "threading"}).start()
        with nothing_left_behind(), pytest.raises(ServerError, match=r"no option 'ping_intervall': ping_interval\?"):
            make_child(mode, options={"ping_intervall": 5}).start()


@pytest.mark.measured
def test_a_port_in_use_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with nothing_left_behind(), pytest.raises(PortInUse, match=f"port {port} .* is in use"):
            make_child("asgi", port=port).start()


@pytest.mark.measured
def test_work_that_cannot_travel_is_refused_before_anything_starts(client):
    lock = threading.Lock()
    with nothing_left_behind(), pytest.raises(NotPicklable, match="cannot be sent to another process"):
        measure("asgi-inline", call(lambda payload: lock.locked()), burst(1), mode="asgi", client=client)


def test_a_strategy_that_cannot_travel_is_refused_too():
    lock = threading.Lock()

    def register(socketio, complex_calculation):
        lock.acquire()

    with nothing_left_behind(), pytest.raises(NotPicklable, match="mode gevent runs in another process, and tested"):
        make_child("gevent", by_value(register)).start()


def test_a_mode_without_its_package_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with nothing_left_behind(), pytest.raises(MissingExtra, match="needs gunicorn: pip install"):
        make_child("gunicorn").start()


# --- how it ends ---


def never_ending(socketio, complex_calculation):
    def loop_for_ever(*_):
        while True:
            pass

    async def loop_on_a_loop(*_):
        loop_for_ever()

    socketio.on("message")(loop_on_a_loop if type(socketio).__name__ == "AsyncServer" else loop_for_ever)


@pytest.mark.measured
@every_mode
def test_a_handler_that_never_ends_does_not_hold_the_stop(mode):
    with nothing_left_behind():
        server = make_child(mode, by_value(never_ending))
        server.start()
        with RawClient(server.port) as raw:
            raw.send(EVENT)
            assert wait_until(lambda: psutil.Process(server.serving_pid).cpu_percent(0.05) > 20)
            server.stop(timeout_s=0.5)
    assert mode == "gunicorn" or "killed: it had not stopped after 0.5 s" in server.log


@pytest.mark.measured
def test_stopping_twice_and_starting_again_do_no_harm():
    server = make_child("asgi")
    with nothing_left_behind():
        for _ in range(2):
            with server:
                with pytest.raises(ServerError, match="runs already"):
                    server.start()
                with RawClient(server.port) as raw:
                    assert '"result":7' in raw.ask(EVENT)
            server.stop()
    with pytest.raises(ServerError, match="does not run: start it"):
        server.record(1)


@pytest.mark.measured
@every_mode
def test_a_server_that_dies_is_an_error_and_leaves_nothing(mode):
    with nothing_left_behind():
        server = make_child(mode)
        server.start()
        serving = psutil.Process(server.serving_pid)
        serving.kill()
        psutil.wait_procs([serving], 2)
        with pytest.raises(ServerError, match=f"the {mode} server ended"):
            server.record(1)
        with pytest.raises(ServerError, match="does not run: start it"):
            server.record(1)
        assert not server.is_running
        server.stop()


@pytest.mark.measured
def test_a_server_that_died_starts_again():
    with nothing_left_behind():
        server = make_child("asgi")
        server.start()
        psutil.Process(server.serving_pid).kill()
        assert wait_until(lambda: not server.is_running)
        with server, RawClient(server.port) as raw:
            assert '"result":7' in raw.ask(EVENT)


@pytest.mark.measured
def test_an_order_that_takes_too_long_ends_the_server(monkeypatch):
    monkeypatch.setattr(ChildServer._order, "__kwdefaults__", {"limit_s": 0.3})
    with nothing_left_behind():
        server = make_child("asgi")
        server.start()
        psutil.Process(server.serving_pid).suspend()
        with pytest.raises(ServerError, match="the asgi server ended"):
            server.record(1)
        assert not server.is_running


@pytest.mark.measured
@every_mode
def test_two_servers_of_a_mode_serve_at_once(mode):
    with make_child(mode) as one, make_child(mode) as two, RawClient(one.port) as first, RawClient(two.port) as second:
        assert one.serving_pid != two.serving_pid
        for _ in range(3):
            assert '"result":7' in first.ask(EVENT)
            assert '"result":7' in second.ask(EVENT)


PARENT = """
import sys, time
sys.path.insert(0, {folder!r})
from tests.server.test_child import *
from labkit.strategies import strategy
from labkit.plan.work import Calculation
server = {server}
server.start()
raw = RawClient(server.port)
raw.send(EVENT)
{then}
print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
time.sleep(60)
"""


def killed_parent(server, then):
    """Another Python that owns a server, killed without mercy: the processes that it had started."""
    code = PARENT.format(folder=os.getcwd(), server=server, then=then)
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert pids
        assert all(psutil.pid_exists(pid) for pid in pids)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    return pids


@pytest.mark.measured
@every_mode
def test_nothing_outlives_a_parent_that_is_killed_while_a_handler_holds_the_hub(mode):
    pids = killed_parent(f"make_child({mode!r}, by_value(never_ending))", "time.sleep(0.3)")
    assert wait_until(lambda: all(gone(pid) for pid in pids)), pids


@pytest.mark.measured
@pytest.mark.parametrize("mode", PROCESS_POOLS)
def test_no_worker_of_a_pool_outlives_a_parent_that_is_killed(mode):
    server = f"ChildServer({mode!r}, strategy({PROCESS_POOLS[mode]!r}, workers=2), Calculation(io_wait(5).function))"
    pids = killed_parent(server, "assert raw.receive()")
    assert len(pids) >= 3
    assert wait_until(lambda: all(gone(pid) for pid in pids)), pids
