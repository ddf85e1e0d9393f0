"""What kind of work it is: real functions of known kind, exact shares by rule, and sentences that follow."""

import hashlib
import json
import math
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import labkit as lab
from labkit.base.errors import UsageError, WorkloadError
from labkit.experiments import apart, sampling
from labkit.experiments import diagnose as diagnosis
from labkit.experiments.at_once import AtOnce
from labkit.experiments.diagnose import diagnose
from labkit.experiments.diagnosis import Diagnosis
from labkit.experiments.kinds import HOLDS, MIXED, RELEASES, WAITS, kind_of
from labkit.plan.calibration import expected_answers
from labkit.plan.calls import Call
from labkit.runs import environment
from labkit.runs.summary import Distribution
from tests.support.helpers import nothing_left_behind

BYTES = bytes(4_000_000)
SHUFFLED = np.random.default_rng(0).permutation(400_000).tolist()


def sleep():
    time.sleep(0.01)


def python():
    x = 1
    for _ in range(100_000):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF


def hashes():
    for _ in range(3):
        hashlib.sha256(BYTES).digest()


def sorts():
    sorted(SHUFFLED)


def half():
    before = time.thread_time()
    while time.thread_time() - before < 0.005:
        pass
    time.sleep(0.005)


@pytest.mark.measured
@pytest.mark.skipif(not environment.gil(), reason="this interpreter has no GIL")
@pytest.mark.parametrize(
    ("function", "kind"), [(sleep, WAITS), (python, HOLDS), (hashes, RELEASES), (sorts, HOLDS), (half, MIXED)]
)
def test_a_function_of_known_kind(function, kind):
    with nothing_left_behind():
        found = diagnose(lab.call(function))
    assert found.kind == kind, repr(found)
    assert found.in_one_go == (function is sorts)
    assert found.can_go
    assert found.waiting + found.computing == pytest.approx(1)


def of(**changed):
    values = {
        "work": "jobs:price",
        "kind": HOLDS,
        "waiting": 0.0,
        "computing": 1.0,
        "gil_held": 1.0,
        "service": Distribution.of(np.full(20, 10.0)),
        "first_ms": 10.0,
        "other_thread_waits": Distribution.of(np.array([5.0])),
        "hold_ms": 5.0,
        "switch_interval_ms": 5.0,
        "payload_us": 3.0,
        "answer_us": 4.0,
        "why_not": "",
        "cores": 2,
        "gil": True,
        "accounted": True,
    }
    return Diagnosis(**{**values, **changed})


@pytest.mark.parametrize(
    ("waiting", "held", "kind"),
    [
        (1.0, 0.0, WAITS),
        (0.8, 0.2, WAITS),
        (0.0, 1.0, HOLDS),
        (0.9, 0.9, HOLDS),  # who waits with the GIL in the hand holds it
        (0.2, 0.2, RELEASES),
        (0.5, 0.5, MIXED),
        (0.5, 0.1, MIXED),
        (0.0, 0.5, MIXED),
    ],
)
def test_the_kind_of_two_shares(waiting, held, kind):
    assert kind_of(waiting, held) == kind


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "computes in Python and holds the GIL: threads can't help, processes can."),
        (
            {"hold_ms": 310.0},
            "computes in C code that keeps the GIL, 310 ms in one go: threads can't help, processes can.",
        ),
        (
            {"why_not": "it holds a lock"},
            "computes in Python and holds the GIL: threads can't help, processes could, but it cannot go to one "
            "(it holds a lock).",
        ),
        (
            {"kind": WAITS, "waiting": 0.99, "computing": 0.01, "gil_held": 0.0},
            "waits (99% of its time) and holds nothing: threads help, as many as wait at once; other processes gain "
            "nothing.",
        ),
        (
            {"kind": RELEASES, "gil_held": 0.0},
            "computes and releases the GIL: threads help, up to 2 at once on 2 cores.",
        ),
        (
            {"kind": MIXED, "waiting": 0.6, "computing": 0.4, "gil_held": 0.4},
            "waits for 60% of its time, computes for 40%, holds the GIL for 40%: threads help until the GIL is busy, "
            "about 2.5 at once; processes help beyond that.",
        ),
        (
            {"kind": RELEASES, "gil": False, "gil_held": 0.0},
            "computes, and this interpreter has no GIL: threads help, up to 2 at once on 2 cores.",
        ),
    ],
)
def test_what_follows(changed, sentence):
    assert of(**changed).sentence == f"jobs:price {sentence}"


def test_notes_have_the_figures():
    notes = "\n".join(of().notes)
    assert "alone 10 ms (p50), 10 ms (max), 20 calls: waiting 0%, CPU 100%, GIL held 100%" in notes
    assert "3 us to pickle the payload, 4 us the answer" in notes
    assert "p95" in "\n".join(of(service=Distribution.of(np.full(60, 10.0))).notes)


def test_doubts_are_told():
    assert "its first call took 800 ms: it warms up, or keeps answers" in of(first_ms=800.0).notes
    assert any("repeat on an idle one" in note for note in of(accounted=False).notes)
    assert not any("first call" in note or "idle one" in note for note in of().notes)


def test_json_and_html():
    about = json.loads(json.dumps(of(why_not="<lock>", payload_us=math.nan, answer_us=math.nan).to_dict()))
    assert about["kind"] == HOLDS
    assert about["payload_us"] is None
    assert about["why_not"] == "<lock>"
    assert "&lt;lock&gt;" in of(why_not="<lock>")._repr_html_()
    assert of(gil=False).to_dict()["gil_held"] is None


def test_work_that_cannot_go_to_another_process_says_why():
    lock = threading.Lock()

    def asks():
        return lock.locked()

    found = diagnose(lab.call(asks))
    assert not found.can_go
    assert "lock" in found.why_not
    assert math.isnan(found.payload_us)


@pytest.mark.measured
def test_without_a_gil_nobody_asks_for_it(monkeypatch):
    monkeypatch.setattr(environment, "gil", lambda: False)
    found = diagnose(lab.call(python))
    assert (found.kind, found.gil_held, found.hold_ms) == (RELEASES, 0.0, 0.0)
    assert "no GIL" in found.sentence


def test_a_function_that_raises_is_one_sentence():
    with pytest.raises(WorkloadError, match="failed when it was diagnosed: ZeroDivisionError"):
        diagnose(lab.call(lambda: 1 / 0))


def test_a_mix_is_diagnosed_kind_by_kind():
    mixed = lab.mix({"chat": (0.9, lab.io_wait(1)), "export": (0.1, lab.cpu(5))})
    with pytest.raises(WorkloadError, match=r"kind by kind \(chat, export\): give"):
        diagnose(mixed)


def test_a_function_that_never_returns_is_given_up():
    release = threading.Event()
    try:
        with pytest.raises(WorkloadError, match=r"did not return within 0\.1 s"):
            diagnose(lab.call(lambda: release.wait(10)), limit_s=0.1)
    finally:
        release.set()


@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (lambda: time.sleep(0.01), 1 + 2),  # alone, and two at once
        (sorts, 1 + 1 + 1),  # alone, and twice beside another thread; not at once, since the GIL tells
    ],
)
def test_a_long_call_is_made_three_times(monkeypatch, function, calls):
    monkeypatch.setattr(sampling, "LONG_MS", 5)
    monkeypatch.setattr(diagnosis, "LONG_MS", 5)
    monkeypatch.setattr(sampling, "BY_LENGTH_MS", ((math.inf, 2),))
    monkeypatch.setattr(environment, "cores", lambda: 1)  # no processes

    def diagnosed():
        made = []
        found = diagnose(lab.call(lambda: made.append(1) or function()))
        assert len(made) == found.calls
        return found.calls

    # On a busy machine the first calls can leave the kind open, and there are more of them.
    assert (calls if environment.gil() else 3) in (diagnosed() for _ in range(3))


LINE = threading.Lock()


def one_at_a_time(number):
    with LINE:
        time.sleep(0.03)
    return number


def in_a_child(number):
    code = "import time\nwhile time.process_time() < 0.1: pass"
    return subprocess.run([sys.executable, "-S", "-c", code], check=True).returncode


def device(number):
    return one_at_a_time(number)


def test_a_lock_is_seen_by_calls_at_once():
    line = threading.Lock()

    def locked(number):
        with line:
            time.sleep(0.03)

    work = lab.call(locked)  # its lock can't go to another process
    with nothing_left_behind():
        found = diagnose(work, expected=expected_answers(work, lab.burst(4)))
    assert "only one call at a time can: threads can't help" in found.sentence
    assert "threads help" not in found.sentence
    assert "other processes were not tried, since it cannot go to one (cannot pickle" in found.sentence
    assert found.on("threads").calls == found.calls == 8


@pytest.mark.skipif(environment.cores() < 2, reason="needs two cores: with one, whoever computes waits for it")
def test_a_lock_around_what_computes_is_no_want_of_a_core():
    line = threading.Lock()

    def locked(number):
        with line:
            hashes()

    work = lab.call(locked)
    found = diagnose(work, expected=expected_answers(work, lab.burst(4)))
    assert "releases the GIL, but only one call at a time can: threads can't help" in found.sentence


def test_what_waits_without_a_lock_gets_on_together():
    made = []
    work = lab.call(lambda number: made.append(number) or time.sleep(0.05))
    expected = expected_answers(work, lab.burst(4))
    found = diagnose(work, expected=expected)
    assert found.kind == WAITS
    assert found.on("threads").width >= 4
    assert "threads help" in found.sentence
    assert sorted(made) == sorted([0, 0, *range(1, 4 + found.calls)])  # none twice but to see whether it answers alike
    assert f"called {found.calls} times to find this out" in repr(found)


@pytest.mark.measured
def test_what_child_processes_compute_is_no_waiting():
    with nothing_left_behind():
        found = diagnose(lab.call(in_a_child))
    assert found.cpu_ms > 50  # where it was its own thread that waited
    assert found.waiting > 0.5
    # On a machine that is busy beyond measure its queue for a core is most of its time.
    assert found.in_children == ("waits for a child process that computes" in found.sentence)


def test_who_waits_for_a_child_computes_as_far_as_cores_go():
    work = lab.call(lambda number: time.sleep(0.01))
    calls = tuple(Call(str(number), 100.0, 1.0, children_ms=95.0) for number in range(4))
    expected = replace(expected_answers(work, lab.burst(4)), calls=calls)
    found = diagnose(work, expected=expected)
    assert found.kind == RELEASES
    assert "waits for a child process that computes (95% of its time): threads help, up to" in found.sentence
    assert found.calls == found.on("threads").calls == max(2, min(8, found.cores))


@pytest.mark.measured
def test_one_lock_for_each_process_is_told_from_one_for_all():
    found = diagnose(lab.call(device))  # a lock of this module, so of each process that imports it
    assert "threads can't help; other processes can, each with a lock of its own" in found.sentence
    assert found.on("processes").width == 2


@pytest.mark.measured
def test_a_process_that_cannot_be_called_leaves_a_sentence(monkeypatch):
    def no(*_, **__):
        raise WorkloadError("it cannot be called there")

    monkeypatch.setattr(apart, "in_processes", no)
    found = diagnose(lab.call(python))
    assert "processes could, but a call in one failed (it cannot be called there)" in found.sentence


def test_state_is_told_with_the_kind():
    numbers = iter(range(1000))
    found = diagnose(lab.call(lambda: time.sleep(0.005) or next(numbers)))
    assert any("it keeps state" in told for told in found.state)
    assert "state: answers the same payload otherwise" in repr(found)
    assert found.to_dict()["state"] == list(found.state)
    assert of().state == ()


def test_a_mode_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="unknown mode 'eventlet': choose from threading"):
        diagnose(lab.call(sleep), mode="eventlet")


@pytest.mark.measured
def test_under_gevent_a_c_driver_blocks_the_hub_and_a_patched_wait_does_not():
    code = """
        from gevent import monkey; monkey.patch_all()
        import ctypes, time
        import labkit as lab
        from labkit.experiments.diagnose import diagnose
        libc = ctypes.CDLL(None)
        driver = diagnose(lab.call(lambda n: libc.usleep(50_000)), mode="gevent")
        assert "threads are greenlets here, which can't help; real threads (gevent-hub-pool) help" in driver.sentence
        assert driver.on("greenlets").blocked and driver.on("threads").width >= 3, driver
        nap = diagnose(lab.call(lambda n: time.sleep(0.05)), mode="gevent")
        assert "greenlets (and threads, which are greenlets here) help" in nap.sentence, nap
        assert nap.on("threads") is None, nap
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


WAITING = {"kind": WAITS, "waiting": 1.0, "computing": 0.0, "gil_held": 0.0}
COMPUTING = {"kind": RELEASES, "gil_held": 0.0}
LOCKED, FREE = AtOnce("threads", 8, 1, 1.0), AtOnce("threads", 8, 8, 7.9)
BLOCKED = AtOnce("greenlets", 2, 1, 1.0, blocked=True)


@pytest.mark.parametrize(
    ("changed", "follows"),
    [
        (WAITING | {"at_once": (FREE,)}, "threads help, as many as wait at once (8 at once took no longer than one)"),
        (WAITING | {"at_once": (AtOnce("threads", 8, 3, 2.7),)}, "threads help, up to 3 at once (8 were tried)"),
        (WAITING | {"at_once": (LOCKED,)}, "threads can't help; other processes were not tried"),
        (
            WAITING | {"at_once": (LOCKED, AtOnce("processes", 2, 1, 1.0))},
            "only one call at a time can: threads can't help; nor can other processes, which wait for the same thing",
        ),
        (
            WAITING | {"at_once": (LOCKED, AtOnce("processes", 2, 2, 1.9))},
            "threads can't help; other processes can, each with a lock of its own",
        ),
        (COMPUTING | {"at_once": (AtOnce("threads", 2, 1, 1.0, idle=1.0),)}, "only one call at a time can"),
        # No core was free: whether it was that or a lock, nobody can tell.
        (COMPUTING | {"at_once": (AtOnce("threads", 2, 1, 1.0, idle=0.1),)}, "releases the GIL: threads help, up to 2"),
        (COMPUTING | {"others": 0.95}, "computes on 1.9 cores at once by itself: threads gain little"),
        (
            COMPUTING | {"waiting": 1.0, "computing": 0.0, "children": 0.97},
            "waits for a child process that computes (97% of its time): threads help, up to 2 at once on 2 cores",
        ),
        (
            {"at_once": (AtOnce("processes", 2, 1, 1.0, idle=1.0),)},
            "threads can't help, nor can processes: in 2 of them only one call at a time got on",
        ),
        (WAITING | {"mode": "gevent", "at_once": (BLOCKED, FREE)}, "blocks gevent's hub"),
        (WAITING | {"mode": "gevent", "at_once": (AtOnce("greenlets", 8, 8, 7.9),)}, "greenlets here) help, as many"),
        (WAITING | {"mode": "gevent", "at_once": (AtOnce("greenlets", 2, 1, 1.0),)}, "greenlets can't help;"),
        (
            WAITING | {"mode": "gevent", "at_once": (BLOCKED, LOCKED)},
            "real threads (gevent-hub-pool) can't help its callers either, but keep the hub free",
        ),
        ({"mode": "gevent"}, "neither greenlets nor real threads can help, processes can"),
        (COMPUTING | {"mode": "gevent-unpatched"}, "real threads (gevent-hub-pool) help, up to 2 at once on 2 cores"),
        (WAITING | {"mode": "asgi", "at_once": (FREE,)}, "calls it directly blocks the event loop"),
    ],
)
def test_what_follows_from_calls_at_once(changed, follows):
    found = of(**changed)
    assert follows in found.sentence
    assert found.sentence.endswith(".")
    assert json.loads(json.dumps(found.to_dict()))["at_once"][: len(found.at_once)] == found.to_dict()["at_once"]


@pytest.mark.parametrize(
    ("waiting", "elsewhere", "kind"),
    [(1.0, 0.97, RELEASES), (1.0, 0.3, RELEASES), (1.0, 0.1, WAITS), (0.0, 1.0, RELEASES)],
)
def test_who_waits_for_those_who_compute_for_it_does_not_merely_wait(waiting, elsewhere, kind):
    assert kind_of(waiting, 0.0, elsewhere) == kind
