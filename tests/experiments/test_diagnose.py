"""What kind of work it is: real functions of known kind, exact shares by rule, and sentences that follow."""

import hashlib
import json
import math
import threading
import time

import numpy as np
import pytest

import labkit as lab
from labkit.base.errors import WorkloadError
from labkit.experiments.diagnose import Diagnosis, diagnose
from labkit.experiments.kinds import HOLDS, MIXED, RELEASES, WAITS, kind_of
from labkit.runs import environment
from labkit.runs.summary import Distribution
from tests.support.helpers import nothing_left_behind

BYTES = bytes(4_000_000)
SHUFFLED = np.random.default_rng(0).permutation(1_000_000).tolist()


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


def test_a_long_call_is_made_three_times(monkeypatch):
    monkeypatch.setattr(diagnosis, "LONG_MS", 5)
    monkeypatch.setattr(diagnosis, "LONGEST_S", 0)
    calls = []

    def long():
        calls.append(1)
        time.sleep(0.01)

    diagnose(lab.call(long))
    assert len(calls) == (3 if environment.gil() else 1)
