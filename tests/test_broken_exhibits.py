"""A claim that cannot go red says nothing: each exhibit is broken on purpose, and a claim notices.

The breakage is a small change of the exhibit's own text, of the kind that somebody makes; both are really measured.
"""

import importlib
import inspect
from types import ModuleType

import pytest

from labkit import burst, claim, compare, cpu, io_wait, strategy
from labkit.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from labkit.client import ClientProcess
from labkit.strategies import NAMES

#: Exhibit: what is measured beside it, events at once, the work, the claim that notices, what it says then, and what
#: is broken.
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
        # The pool gets the result instead of the work, which holds this process's GIL.
        {"pool.submit(complex_calculation, data)": "pool.submit(dict, complex_calculation(data))"},
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
}


#: The server ends its sleeping threads by SystemExit, which Python ignores and pytest reports.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture(scope="module")
def client():
    with ClientProcess() as process:
        yield process


def broken(name, changes):
    """The exhibit with its text changed, under its own name."""
    source = inspect.getsource(importlib.import_module(f"labkit.strategies.{name.replace('-', '_')}"))
    for old, new in changes.items():
        assert source.count(old) == 1, f"{name} has {old!r} not exactly once"
        source = source.replace(old, new)
    module = ModuleType(f"broken_{name.replace('-', '_')}")
    exec(compile(source, f"<broken {name}>", "exec"), module.__dict__)
    return strategy(module, name=name)


def test_every_exhibit_is_broken_once():
    assert tuple(BROKEN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_notices_that_an_exhibit_is_broken(name, client):
    beside, events, work, slug, says, changes = BROKEN[name]
    measured = {"plan": burst(events), "repeats": 1, "timeout_s": 2, "client": client}
    others = compare(beside, work, **measured) if beside else None

    def verdict(exhibit):
        found = compare([exhibit], work, **measured)
        return claim(slug, found if others is None else others + found)

    assert verdict(name).status == HOLDS
    assert verdict(broken(name, changes)).status == says
