"""A claim that cannot go red says nothing: each strategy is broken on purpose, and a claim notices.

The breakage is a small change of the strategy's own text, of the kind that somebody makes; both are really measured.
"""

import dataclasses
import importlib
import inspect
import time
from concurrent import futures
from types import ModuleType

import pytest

from labkit import burst, call, claim, compare, cpu, io_wait, mix, strategy
from labkit.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from labkit.experiments.slow_reader import slow_reader
from labkit.strategies import MODES, NAMES
from tests.support.redis_needed import require_redis


def _waits(ms):
    time.sleep(ms / 1000)
    return ms


#: Strategy: what is measured beside it, events at once of one client, the work, the claim that notices, what it says
#: then, and what is broken.
BROKEN = {
    "inline": (
        [],
        5,
        io_wait(20),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        # The answer goes to everybody.
        {'emit("response", result)': 'emit("response", result, broadcast=True)'},
    ),
    "inline-serial": (
        ["inline"],
        8,
        io_wait(40),
        "waiting-flips-it",
        NOT_TESTABLE,
        # The option that makes it what it is was lost, and the lab sees that no server was serial.
        {'OPTIONS = {"async_handlers": False}': "OPTIONS = {}"},
    ),
    "thread-broadcast": (
        [],
        5,
        io_wait(20),
        "broadcast-reaches-strangers",
        DOES_NOT_HOLD,
        # It was repaired.
        {
            "import threading\n": "import threading\nfrom flask import request\n",
            'emit("response", result)': 'emit("response", result, to=data["sid"])',
            "args=(data,)": 'args=({**data, "sid": request.sid},)',
        },
    ),
    "thread": (
        [],
        5,
        io_wait(20),
        "to-sid-repairs-it",
        DOES_NOT_HOLD,
        # The repair was lost.
        {", to=sid": ""},
    ),
    "background-task": (
        [],
        5,
        io_wait(20),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        {", to=sid": ""},
    ),
    "thread-pool": (
        [],
        5,
        io_wait(20),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        # The queue's places leak, so that soon everybody is told to come back later.
        {"places.release()": "pass", "waiting=100": "waiting=0"},
    ),
    "process-pool": (
        ["inline"],
        10,
        cpu(60),
        "processes-spare-neighbours",
        DOES_NOT_HOLD,
        # Threads of this process do the work, and hold its GIL.
        {
            "pools[number].submit(complex_calculation, data).result(limit_s)": "complex_calculation(data)",
            "ThreadPoolExecutor(workers)": "ThreadPoolExecutor(10)",
            "list(range(workers))": "list(range(10))",
        },
    ),
    "server-batch": (
        [],
        5,
        io_wait(20),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        # The list is read before the slow work and stored after it: what came in between is lost.
        {
            "result = complex_calculation(data)": "before = list(waiting[request.sid])\n"
            "        result = complex_calculation(data)",
            "waiting[request.sid].append(result)": "waiting[request.sid] = [*before, result]",
        },
    ),
    "load-shedding": (
        [strategy("ack-first", workers=2)],
        32,
        io_wait(20),
        "shedding-bounds-latency",
        DOES_NOT_HOLD,
        # The bound is compared with the wrong thing, and never reached.
        {"len(queue) < waiting": "workers < waiting"},
    ),
    "conflate": (
        [],
        12,
        io_wait(40),
        "conflation-does-less-work",
        DOES_NOT_HOLD,
        # The first that waits stays, and the newer ones are turned away.
        {
            "older, newest[name] = newest.get(name), (request.sid, data)": "event = (request.sid, data)\n"
            "            older = event if newest.get(name) else None\n"
            "            newest[name] = newest.get(name) or event"
        },
    ),
    "ack-first": (
        [],
        8,
        io_wait(40),
        "ack-comes-first",
        DOES_NOT_HOLD,
        # The handler waits for the result before it returns.
        {"pool.submit(answer, request.sid, data)": "pool.submit(answer, request.sid, data).result()"},
    ),
    "ordered-pool": (
        [],
        4,
        call(_waits, payloads=[80, 40, 20, 0]),
        "ordered-pool-keeps-order",
        DOES_NOT_HOLD,
        # Every event goes to the pool at once.
        {
            "if len(events[request.sid]) == 1:\n                pool.submit(work, request.sid)": "pool.submit("
            "lambda sid: socketio.emit('response', complex_calculation(data), to=sid), request.sid)"
        },
    ),
    "drop-for-slow": (
        ["inline"],
        1000,
        None,  # what a client that does not read is sent
        "drop-for-slow-bounds-memory",
        DOES_NOT_HOLD,
        # Whatever was sent counts as read.
        {"sent[sid] += 1": "sent[sid] += 0"},
    ),
    "dear-elsewhere": (
        ["inline"],
        12,
        mix({"line": (0.5, io_wait(1)), "export": (0.5, io_wait(40))}),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        # The repair was lost: whoever exports tells everybody.
        {", to=sid": ""},
    ),
    "interpreter-pool": (
        [],
        5,
        io_wait(20),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        {", to=sid": ""},
    ),
    "celery": (
        [],
        5,
        io_wait(20),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        # A worker knows no request: without to= it tells everybody.
        {", to=sid": ""},
    ),
    "celery-zero-loss": (
        [],
        5,
        io_wait(20),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        # The same.
        {", to=client": ""},
    ),
    "gevent-hub-pool": (
        [],
        5,
        io_wait(20),
        "ledger-is-closed",
        DOES_NOT_HOLD,
        {'emit("response", result)': 'emit("response", result, broadcast=True)'},
    ),
    "asgi-inline": ([], 5, io_wait(20), "ledger-is-closed", DOES_NOT_HOLD, {", to=sid": ""}),
    "asgi-to-thread": ([], 5, io_wait(20), "ledger-is-closed", DOES_NOT_HOLD, {", to=sid": ""}),
    "asgi-process-pool": ([], 5, io_wait(20), "ledger-is-closed", DOES_NOT_HOLD, {", to=sid": ""}),
}


#: The server ends its sleeping threads by SystemExit, which Python ignores and pytest reports.
pytestmark = [pytest.mark.measured, pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")]


#: What else a strategy is measured with.
SETTINGS = {"ack-first": {"acknowledge": True}}
PARAMETERS = {"load-shedding": {"workers": 2, "waiting": 4}}


def to_a_slow_client(strategies, messages, client):
    return tuple(
        slow_reader(each, messages=messages, size_bytes=20_000, rate_hz=2000, timeout_s=2, client=client)
        for each in strategies
    )


def broken(name, changes):
    """The strategy with its text changed, under its own name."""
    source = inspect.getsource(importlib.import_module(f"labkit.strategies.{name.replace('-', '_')}"))
    for old, new in changes.items():
        assert source.count(old) == 1, f"{name} has {old!r} not exactly once"
        source = source.replace(old, new)
    module = ModuleType(f"broken_{name.replace('-', '_')}")
    exec(compile(source, f"<broken {name}>", "exec"), module.__dict__)
    return strategy(module, name=name, **PARAMETERS.get(name, {}))


@pytest.fixture
def in_any_python(monkeypatch):
    """Makes a strategy that needs a newer Python run in this one: its pool is one of threads."""
    if not hasattr(futures, "InterpreterPoolExecutor"):
        monkeypatch.setattr(futures, "InterpreterPoolExecutor", futures.ThreadPoolExecutor, raising=False)
    return lambda chosen: dataclasses.replace(chosen, needs_python=())


def test_every_strategy_is_broken_once():
    assert tuple(BROKEN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_notices_that_a_strategy_is_broken(name, client, in_any_python):
    if strategy(name).work is not None:
        require_redis()
    beside, events, work, slug, says, changes = BROKEN[name]
    mode = next(mode for mode in MODES if mode in strategy(name).modes)
    measured = {"plan": burst(events, connections=1), "repeats": 1, "timeout_s": 2, "client": client, "mode": mode}
    measured |= SETTINGS.get(name, {})

    def runs_of(strategies):
        return to_a_slow_client(strategies, events, client) if work is None else compare(strategies, work, **measured)

    others = runs_of(beside) if beside else None

    def verdict(chosen):
        found = runs_of([in_any_python(chosen)])
        return claim(slug, found if others is None else others + found)

    assert verdict(strategy(name, name=name, **PARAMETERS.get(name, {}))).status == HOLDS
    assert verdict(broken(name, changes)).status == says
