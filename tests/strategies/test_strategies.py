"""Every strategy keeps the contract, runs without the lab, and leaves nothing behind."""

import ast
import contextlib
import dataclasses
import importlib
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import psutil
import pytest

from labkit.base.errors import ModeError, StrategyError
from labkit.client.firing import Job
from labkit.plan.work import Calculation, io_wait
from labkit.runs.stages import Outcome
from labkit.scale.redis_server import RedisServer
from labkit.server.in_process import Server
from labkit.strategies import (
    DEFAULT,
    MODES,
    NAMES,
    Strategy,
    default_in,
    names_in,
    plain_name,
    runnable,
    show,
    strategy,
)
from tests.support.redis_needed import behind, require_redis

every_strategy = pytest.mark.parametrize("name", NAMES)
every_strategy_of_a_thread = pytest.mark.parametrize("name", names_in("threading"))


def module_of(name):
    return importlib.import_module(f"labkit.strategies.{name.replace('-', '_')}")


def three_events(connection=0):
    """What to fire: three events at once; each is answered with its payload."""
    return Job(
        intended_ns=np.zeros(3, np.int64),
        connection=np.full(3, connection),
        payloads=[10, 11, 12],
        expected=[10, 11, 12],
        ping_ns=np.zeros(0, np.int64),
        ping_event="",
        timeout_ns=10_000_000_000,
    )


def told(fired, *statuses):
    """The events with an answer of one of these kinds, sorted."""
    pairs = zip(fired.delivery_event.tolist(), fired.delivery_status.tolist(), strict=True)
    return sorted(event for event, status in pairs if status in statuses)


def rightly_answered(fired):
    """The events with a right answer, sorted."""
    return told(fired, Outcome.ANSWERED)


# --- the contract ---


@every_strategy
def test_a_strategy_has_modes_options_and_register(name):
    module = module_of(name)
    assert module.MODES
    assert set(MODES) >= module.MODES
    assert isinstance(module.OPTIONS, dict)
    assert list(inspect.signature(module.register).parameters)[:2] == ["socketio", "complex_calculation"]


@every_strategy
def test_a_strategys_parameters_all_have_defaults(name):
    parameters = list(inspect.signature(module_of(name).register).parameters.values())[2:]
    assert all(p.default is not p.empty for p in parameters)


@every_strategy
def test_a_strategy_says_in_a_line_what_it_does(name):
    assert module_of(name).__doc__.strip().endswith((".", ")"))
    assert strategy(name).about == module_of(name).__doc__.strip().partition("\n")[0]
    assert len(strategy(name).about) < 120


@every_strategy
def test_a_strategy_knows_nothing_of_the_lab(name):
    tree = ast.parse(inspect.getsource(module_of(name)))
    imported = [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert imported or name == "asgi-inline"  # which needs nothing but Python
    assert not [module for module in imported if module.startswith(("labkit", "."))]


@every_strategy
def test_a_strategy_is_short_enough_to_paste(name):
    source = inspect.getsource(module_of(name))
    body = inspect.getsource(module_of(name).register).splitlines()
    assert len([line for line in body if line.strip()]) <= 25
    ends = 1 if strategy(name).work is None else 2  # of a queue: two programs in one file
    assert len(source.splitlines()) <= 35 + 5 * ends


@every_strategy
def test_a_strategy_acquires_nothing_before_it_is_registered(name):
    tree = ast.parse(inspect.getsource(module_of(name)))
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef, ast.Expr)
    assert all(isinstance(node, allowed) for node in tree.body)
    assert not [n for a in tree.body if isinstance(a, ast.Assign) for n in ast.walk(a) if isinstance(n, ast.Call)]


def test_every_file_of_the_folder_is_a_strategy_that_the_lab_shows():
    folder = os.path.dirname(inspect.getfile(Strategy))
    files = {name[:-3].replace("_", "-") for name in os.listdir(folder) if name.endswith(".py") and name[0] != "_"}
    assert files == set(NAMES)


def test_what_is_compared_by_default_comes_first():
    assert NAMES[: len(DEFAULT)] == DEFAULT
    assert len(DEFAULT) == 8


# --- a newer Python ---


def newest(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)


def test_what_needs_a_newer_python_is_refused_in_an_older_one(monkeypatch):
    newest(monkeypatch, (3, 13, 9, "final", 0))
    with pytest.raises(
        ModeError, match=r"^interpreter-pool needs Python 3\.14, and this is .*: install labkit in a newer"
    ):
        strategy("interpreter-pool").require_mode("threading")
    assert "interpreter-pool" not in names_in("threading")
    assert "InterpreterPoolExecutor" in show("interpreter-pool")


def test_what_needs_a_newer_python_runs_in_it(monkeypatch):
    newest(monkeypatch, (3, 14, 0, "final", 0))
    strategy("interpreter-pool").require_mode("threading")
    assert "interpreter-pool" in names_in("threading")
    with pytest.raises(ModeError, match="cannot run in mode 'gevent'"):
        strategy("interpreter-pool").require_mode("gevent")


class Pool:
    """An executor that does what it is given at once, or fails, or drops it."""

    def __init__(self, workers, becomes=None):
        self.becomes = becomes

    def submit(self, function, data):
        future = Future()
        if self.becomes == "cancelled":
            future.cancel()
        elif self.becomes == "failed":
            future.set_exception(ImportError("module does not support loading in subinterpreters"))
        else:
            future.set_result(function(data))
        return future

    def shutdown(self, **kwargs):
        self.closed = kwargs


@pytest.mark.parametrize(
    ("becomes", "answers"),
    [
        ("done", [{"id": 7, "result": 14}]),
        ("failed", [{"id": 7, "error": "no result: module does not support loading in subinterpreters"}]),
        ("cancelled", []),
    ],
)
def test_other_interpreters_answer_their_caller_whatever_becomes_of_the_work(monkeypatch, becomes, answers):
    pool, sent, handlers = Pool(1, becomes), [], {}
    monkeypatch.setattr("concurrent.futures.InterpreterPoolExecutor", lambda workers: pool, raising=False)
    monkeypatch.setattr(module_of("interpreter-pool"), "request", types.SimpleNamespace(sid="caller"))
    socketio = types.SimpleNamespace(
        on=lambda event: lambda function: handlers.update({event: function}),
        emit=lambda event, answer, to: sent.append((event, answer, to)),
    )
    close = module_of("interpreter-pool").register(socketio, lambda data: {"id": data["id"], "result": 2 * data["x"]})
    handlers["message"]({"id": 7, "x": 7})
    assert sent == [("response", answer, "caller") for answer in answers]
    close()
    assert pool.closed == {"wait": False, "cancel_futures": True}


# --- strategy() ---


def register(socketio, complex_calculation, workers=2):
    """One of the reader's own."""


def test_a_strategy_takes_everything_from_its_strategy():
    chosen = strategy("inline-serial")
    assert (chosen.name, chosen.options, chosen.parameters) == ("inline-serial", {"async_handlers": False}, {})
    assert chosen.register is module_of("inline-serial").register
    assert strategy("process-pool").needs_pickle
    assert not strategy("thread-pool").needs_pickle


def test_a_strategy_is_named_after_what_differs():
    assert strategy("thread-pool", workers=8, waiting=0).name == "thread-pool, workers=8, waiting=0"
    assert strategy("inline", options={"async_handlers": False}).name == "inline, async_handlers=False"


def test_the_plain_name_is_what_is_left_without_them():
    assert plain_name("thread-pool, workers=8, waiting=0") == plain_name("thread-pool") == "thread-pool"


def test_a_strategy_tells_all_of_its_parameters():
    assert strategy("thread-pool", workers=8).settled == {"workers": 8, "waiting": 100}
    assert strategy("inline").settled == {}


def test_a_name_given_is_kept():
    assert strategy("thread-pool", name="eight", workers=8).name == "eight"


def test_options_and_parameters_add_to_those_of_the_strategy():
    chosen = strategy(strategy("inline-serial", options={"ping_interval": 5}), options={"ping_timeout": 6})
    assert chosen.options == {"async_handlers": False, "ping_interval": 5, "ping_timeout": 6}
    assert strategy(strategy("thread-pool", workers=8), waiting=1).parameters == {"workers": 8, "waiting": 1}


def test_an_option_leaves_the_strategy_as_it_was():
    strategy("inline-serial", options={"async_handlers": True})
    assert strategy("inline-serial").options == {"async_handlers": False}


def test_a_module_and_its_name_are_the_same_strategy():
    assert strategy(module_of("thread-pool")) == strategy("thread-pool")


def test_a_function_of_the_reader_is_a_strategy():
    chosen = strategy(register, workers=3)
    assert (chosen.name, chosen.about) == ("register, workers=3", "One of the reader's own.")
    assert "def register" in chosen.source
    assert chosen.modes == {"threading", "gunicorn", "gevent", "gevent-unpatched"}


def test_a_function_that_is_meant_for_another_mode_says_so():
    def on_an_event_loop(socketio, complex_calculation):
        pass

    on_an_event_loop.MODES = {"asgi"}
    assert strategy(on_an_event_loop).modes == {"asgi"}


def test_a_function_that_takes_any_parameter_takes_any():
    def any_of_them(socketio, complex_calculation, **parameters):
        pass

    assert strategy(any_of_them, colour="blue").parameters == {"colour": "blue"}


@pytest.mark.parametrize("name", ["", "Inline", "no-such-strategy", "__init__", "os"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(StrategyError, match="choose from inline, "):
        strategy(name)


@pytest.mark.parametrize("thing", [json, None, 42, ["inline"]])
def test_what_is_no_strategy_is_refused(thing):
    with pytest.raises(StrategyError):
        strategy(thing)


def test_an_unknown_parameter_is_refused_and_the_known_ones_are_named():
    with pytest.raises(StrategyError, match="workers, waiting"):
        strategy("thread-pool", threads=3)
    with pytest.raises(StrategyError, match="it has none"):
        strategy("inline", workers=3)


def test_what_the_lab_itself_hands_to_register_is_no_parameter():
    with pytest.raises(StrategyError):
        strategy("inline", socketio=None)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ModeError, match="unknown mode"):
        strategy("inline").require_mode("telepathy")


def test_a_mode_of_other_strategies_is_refused():
    with pytest.raises(ModeError, match="cannot run in mode"):
        Strategy("elsewhere", register, modes=frozenset({"gevent"})).require_mode("threading")


def test_a_deprecated_mode_is_refused_with_the_reason():
    with pytest.raises(ModeError, match="eventlet is deprecated upstream, choose from threading, gunicorn"):
        strategy("inline").require_mode("eventlet")


def test_the_strategies_of_a_mode_are_those_that_can_run_there():
    assert set(names_in("asgi")) == {"asgi-inline", "asgi-to-thread", "asgi-process-pool"}
    assert "gevent-hub-pool" in names_in("gevent")
    assert not set(names_in("threading")) & {"gevent-hub-pool", *names_in("asgi")}
    newer = {name for name in NAMES if sys.version_info < strategy(name).needs_python}
    assert {name for mode in MODES for name in names_in(mode)} == set(NAMES) - newer
    assert default_in("threading") == DEFAULT
    assert default_in("asgi") == names_in("asgi")
    assert set(default_in("gevent")) == {*DEFAULT, "gevent-hub-pool"}
    with pytest.raises(ModeError, match="unknown mode"):
        names_in("telepathy")


# --- show() and runnable() ---


@every_strategy
def test_show_is_the_source_and_its_repr_is_too(name):
    assert repr(show(name)) == str(show(name)) == inspect.getsource(module_of(name)).rstrip()


@every_strategy
def test_a_runnable_app_mentions_no_lab_and_starts_with_the_strategy(name):
    assert show(name) in runnable(name)
    assert runnable(name).startswith(show(name)) or runnable(name).startswith("from gevent import monkey\n")
    assert "labkit" not in runnable(name)
    compile(runnable(name), "app.py", "exec")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class App:
    """An app in a process of its own, which listens after a while; its output goes to a file."""

    def __init__(self, command, folder):
        self.port = free_port()
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env={**os.environ, "PORT": str(self.port)},
                stdout=log,
                stderr=log,
            )

    def url(self):
        """Where it listens, once it does."""
        for _ in range(400):
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            time.sleep(0.05)
        return f"http://127.0.0.1:{self.port}"

    def end(self):
        """Afterwards it is gone, and its children too; those that remove what is in shared memory end by themselves."""
        children = [] if self.process.poll() is not None else psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                if "resource_tracker" not in " ".join(child.cmdline()):
                    child.kill()
        psutil.wait_procs(children, timeout=5)


@contextlib.contextmanager
def app_running(command, folder):
    app = App(command, folder)
    try:
        yield app.url()
    finally:
        app.end()


WITHOUT_THE_LAB = "import runpy, sys; sys.modules['labkit'] = None; runpy.run_path('app.py', run_name='__main__')"


#: Each of them is a whole app by itself, on this Python.
ALONE = [
    name for name in NAMES if strategy(name).work is None and strategy(name).needs_python <= tuple(sys.version_info)
]


@pytest.fixture(scope="module")
def apps(tmp_path_factory):
    """Every strategy as an app, all started at once: most of a start is one core's work, and there are two."""
    started = {}
    try:
        for name in ALONE:
            folder = tmp_path_factory.mktemp(name)
            (folder / "app.py").write_text(runnable(name))
            started[name] = App(["-c", WITHOUT_THE_LAB], folder)
        yield started
    finally:
        for app in started.values():
            app.end()


@pytest.mark.measured
@pytest.mark.parametrize("name", ALONE)
def test_a_strategy_runs_without_the_lab(name, apps, client):
    app = apps[name]
    client.open(app.url(), senders=1, bystander=False, listener=False)
    fired = client.fire(three_events())
    if name == "conflate":  # which answers the newest, and what a thread had begun before it came
        assert rightly_answered(fired)[-1] == 2
        assert told(fired, Outcome.ANSWERED, Outcome.SUPERSEDED) == [0, 1, 2]
    else:
        assert rightly_answered(fired) == [0, 1, 2]
    client.close()
    assert "Traceback" not in app.log.read_text()
    app.end()


@pytest.mark.measured
@pytest.mark.parametrize("name", [name for name in NAMES if strategy(name).work is not None])
def test_a_strategy_with_a_queue_runs_without_the_lab_server_and_workers_apart(name, tmp_path, client):
    require_redis()
    with RedisServer() as redis:
        (tmp_path / "app.py").write_text(runnable(name).replace('"redis://"', repr(redis.url)))
        with app_running(["-c", WITHOUT_THE_LAB], tmp_path) as url:
            folder = tmp_path / "workers"
            folder.mkdir()
            (folder / "app.py").write_text((tmp_path / "app.py").read_text())
            workers = App(["-c", WITHOUT_THE_LAB, "worker"], folder)
            try:
                client.open(url, senders=1, bystander=False, listener=False)
                assert rightly_answered(client.fire(three_events())) == [0, 1, 2]
            finally:
                client.close()
                workers.end()
            assert "Traceback" not in workers.log.read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.measured
def test_the_process_pool_runs_from_a_plain_script(tmp_path, client):
    (tmp_path / "app.py").write_text(runnable("process-pool"))
    # In front of the installed one, for the script and for the processes that it starts.
    (tmp_path / "labkit.py").write_text("raise ImportError('there is no lab here')")
    with app_running(["app.py"], tmp_path) as url:
        client.open(url, senders=1, bystander=False, listener=False)
        assert rightly_answered(client.fire(three_events())) == [0, 1, 2]
    assert "Traceback" not in (tmp_path / "log").read_text()


# --- in the lab's server ---


def answers_of(chosen, calculation, client, job=None):
    with behind(chosen, calculation) as served, Server(served, calculation) as server:
        client.open(server.url, senders=2)
        fired = client.fire(job or three_events())
        client.close()
    assert server.errors == []
    return fired


def alive():
    """Threads and child processes."""
    children = psutil.Process().children(recursive=True)
    return set(threading.enumerate()), {child.pid for child in children}


def waits_for(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture(scope="module")
def resource_trackers(client):
    """Those of loky and multiprocessing, one an interpreter: from here on they are there, and may stay."""
    answers_of(strategy("process-pool"), Calculation(io_wait(5).function), client)


@pytest.mark.measured
@every_strategy_of_a_thread
@pytest.mark.usefixtures("resource_trackers")
def test_what_a_strategy_owns_is_gone_after_it_is_closed(name, client):
    threads, children = alive()
    fired = answers_of(strategy(name), Calculation(io_wait(5).function), client)
    assert rightly_answered(fired)[-1:] == [2]
    assert waits_for(lambda: alive()[0] <= threads), alive()[0] - threads
    assert waits_for(lambda: alive()[1] <= children), alive()[1] - children


@pytest.mark.measured
@every_strategy_of_a_thread
def test_an_answer_goes_to_its_caller_alone_except_by_broadcast(name, client):
    fired = answers_of(strategy(name), Calculation(io_wait(5).function), client, three_events(connection=1))
    reached = {1} if name != "thread-broadcast" else {0, 1, 2, 3}  # two senders, the bystander, the listener
    assert set(fired.delivery_connection.tolist()) == reached
    assert len(fired.delivery_event) == 3 * len(reached)


@pytest.mark.measured
@every_strategy_of_a_thread
def test_an_error_of_the_work_reaches_its_caller(name, client):
    def job(payload):
        raise ValueError("so it goes")

    fired = answers_of(strategy(name), Calculation(job), client)
    assert set(fired.messages.values()) == {"ValueError: so it goes"}
    assert set(told(fired, Outcome.FAILED, *([Outcome.SUPERSEDED] if name == "conflate" else []))) == {0, 1, 2}


@pytest.mark.measured
def test_the_process_pool_takes_a_function_of_a_notebook_cell(client):
    cell = {"__name__": "__main__"}
    exec("offset = 10\ndef job(payload):\n    return payload - offset + offset", cell)
    assert rightly_answered(answers_of(strategy("process-pool"), Calculation(cell["job"]), client)) == [0, 1, 2]


@pytest.mark.measured
def test_the_process_pool_takes_a_lambda_and_works_elsewhere(client):
    own = os.getpid()
    work = Calculation(lambda payload: payload if os.getpid() != own else "the same process")
    assert rightly_answered(answers_of(strategy("process-pool", workers=1), work, client)) == [0, 1, 2]


@pytest.mark.measured
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fault", ["dies", "does not return"])
@pytest.mark.usefixtures("resource_trackers")
def test_a_worker_process_that_is_lost_costs_one_event_and_is_replaced(workers, fault, client):
    own = os.getpid()
    threads, children = alive()

    def job(payload):
        if payload == 10 and os.getpid() != own:  # the first of three
            os._exit(1) if fault == "dies" else time.sleep(1000)
        return payload

    # Long enough for a process to start on a busy machine; only the one that hangs takes as long.
    chosen = strategy("process-pool", workers=workers, limit_s=60 if fault == "dies" else 4)
    fired = answers_of(chosen, Calculation(job), client)
    assert told(fired, Outcome.FAILED) == [0]
    assert "no result from the worker process" in next(iter(fired.messages.values()))
    assert rightly_answered(fired) == [1, 2]
    assert waits_for(lambda: alive()[0] <= threads), alive()[0] - threads
    assert waits_for(lambda: alive()[1] <= children), alive()[1] - children


@pytest.mark.measured
def test_the_thread_pool_says_busy_when_it_is_full(client):
    full = strategy("thread-pool", workers=1, waiting=0)
    fired = answers_of(full, Calculation(io_wait(200).function), client)
    assert sorted(fired.delivery_event.tolist()) == [0, 1, 2]
    assert len(rightly_answered(fired)) == 1


# --- too much of something ---


@dataclass(frozen=True)
class Waits:
    """Waits as many ms as its payload says."""

    def __call__(self, payload):
        time.sleep(payload / 1000)
        return payload


def events_at_once(payloads, connections=None, ahead=0, **more):
    """A plan of one event a payload, of which so many come 100 ms `ahead` of the others."""
    count = len(payloads)
    return Job(
        intended_ns=np.where(np.arange(count) < ahead, 0, 100_000_000).astype(np.int64),
        connection=np.array(connections or [0] * count),
        payloads=payloads,
        expected=payloads,
        ping_ns=np.zeros(0, np.int64),
        ping_event="",
        timeout_ns=10_000_000_000,
        **more,
    )


def in_order(fired, status):
    """Events with such an answer, in the order in which they came."""
    return fired.delivery_event[fired.delivery_status == status].tolist()


@pytest.mark.measured
@pytest.mark.parametrize(
    ("drop", "answered", "shed"), [("oldest", [0, 8, 9], "1 to 7"), ("newest", [0, 1, 2], "3 to 9")]
)
def test_load_shedding_drops_from_the_end_that_it_is_told(drop, answered, shed, client):
    chosen = strategy("load-shedding", workers=1, waiting=2, drop=drop)
    # The first occupies the only thread until all others have come.
    fired = answers_of(chosen, Calculation(Waits()), client, events_at_once([400] + [0] * 9, ahead=1))
    first, last = (int(number) for number in shed.split(" to "))
    assert in_order(fired, Outcome.ANSWERED) == answered
    assert in_order(fired, Outcome.SHED) == list(range(first, last + 1))


@pytest.mark.measured
def test_load_shedding_tells_the_client_whose_event_it_drops(client):
    # The last takes 100 ms, so that its answer comes after the first's: two sockets keep no order between them.
    job = events_at_once([400, 0, 100], connections=[0, 0, 1])
    job = dataclasses.replace(job, intended_ns=np.arange(3) * 50_000_000)
    fired = answers_of(strategy("load-shedding", workers=1, waiting=1), Calculation(Waits()), client, job)
    assert (in_order(fired, Outcome.ANSWERED), in_order(fired, Outcome.SHED)) == ([0, 2], [1])
    assert fired.delivery_connection[fired.delivery_event == 1].tolist() == [0]


@pytest.mark.measured
def test_conflation_works_on_the_first_and_on_the_newest(client):
    fired = answers_of(strategy("conflate"), Calculation(Waits()), client, events_at_once([400] + [0] * 9, ahead=1))
    assert in_order(fired, Outcome.ANSWERED) == [0, 9]
    assert in_order(fired, Outcome.SUPERSEDED) == list(range(1, 9))


@pytest.mark.measured
def test_conflation_leaves_other_clients_events_alone(client):
    turns = [0, 1] * 5
    job = events_at_once([400, 400] + [0] * 8, connections=turns, ahead=2)
    fired = answers_of(strategy("conflate"), Calculation(Waits()), client, job)
    assert sorted(in_order(fired, Outcome.ANSWERED)) == [0, 1, 8, 9]
    assert all(fired.delivery_connection == np.array(turns)[fired.delivery_event])


@pytest.mark.measured
def test_conflation_by_a_key_of_the_payload(client):
    def wait(payload):
        time.sleep(payload["ms"] / 1000)
        return payload

    payloads = [{"ms": 400, "sensor": s} for s in "ab"] + [{"ms": 0, "sensor": s} for s in "abab"]
    fired = answers_of(strategy("conflate", key="sensor"), Calculation(wait), client, events_at_once(payloads, ahead=2))
    assert sorted(in_order(fired, Outcome.ANSWERED)) == [0, 1, 4, 5]
    assert in_order(fired, Outcome.SUPERSEDED) == [2, 3]


@pytest.mark.measured
def test_conflation_goes_on_after_a_calculation_that_raised(client):
    def raises_first(data):
        if data["id"] == 0:
            time.sleep(0.4)
            raise ValueError("in an app the work may raise")
        return {"id": data["id"], "result": data["payload"]}

    job = events_at_once([0, 0, 0], ahead=1)
    fired = answers_of(strategy("conflate"), raises_first, client, dataclasses.replace(job, timeout_ns=10**9))
    assert (in_order(fired, Outcome.ANSWERED), in_order(fired, Outcome.SUPERSEDED)) == ([2], [1])


@pytest.mark.measured
def test_the_ordered_pool_keeps_each_clients_order(client):
    payloads = [200, 200, 50, 50, 0, 0]  # the longest first: a plain pool would turn them round
    job = events_at_once(payloads, connections=[0, 1] * 3)
    fired = answers_of(strategy("ordered-pool"), Calculation(Waits()), client, job)
    for connection, events in ((0, [0, 2, 4]), (1, [1, 3, 5])):
        assert fired.delivery_event[fired.delivery_connection == connection].tolist() == events
    plain = answers_of(strategy("thread-pool", workers=6), Calculation(Waits()), client, job)
    assert plain.delivery_event[plain.delivery_connection == 0].tolist() == [4, 2, 0]


@pytest.mark.measured
def test_ack_first_acknowledges_before_the_work_is_done(client):
    job = events_at_once([200, 200], acknowledge=True)
    fired = answers_of(strategy("ack-first"), Calculation(Waits()), client, job)
    assert (fired.acked_ns > 0).all()
    assert fired.acked_ns.max() < fired.work_end_ns.min()


@pytest.mark.measured
def test_a_client_that_reads_gets_every_answer_from_drop_for_slow(client):
    chosen = strategy("drop-for-slow", unread=2)
    job = dataclasses.replace(events_at_once([0] * 20), intended_ns=np.arange(20) * 20_000_000)
    assert rightly_answered(answers_of(chosen, Calculation(Waits()), client, job)) == list(range(20))


@pytest.mark.measured
def test_a_client_that_does_not_read_gets_the_first_and_the_newest_from_drop_for_slow(client):
    job = events_at_once(list(range(20)), reads_from_ns=500_000_000)
    job = dataclasses.replace(job, intended_ns=np.arange(20) * 10_000_000, timeout_ns=1_500_000_000)
    fired = answers_of(strategy("drop-for-slow", unread=3), Calculation(lambda payload: payload), client, job)
    assert in_order(fired, Outcome.ANSWERED) == [0, 1, 2, 19]


@pytest.mark.measured
def test_strategies_are_listed_where_the_extras_are_absent():
    """The main job is installed without the modes: whoever lists strategies must not need what one of them needs."""
    absent = "import sys; sys.modules.update(dict.fromkeys(('gevent', 'gunicorn', 'uvicorn'))); "
    code = f"{absent}from labkit.strategies import NAMES, default_in, strategy; [strategy(n) for n in NAMES]"
    command = [sys.executable, "-c", f"{code}; print(len(default_in('threading')))"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.stdout.strip() == b"8", done.stderr.decode()
