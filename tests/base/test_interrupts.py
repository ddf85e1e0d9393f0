"""An interrupt that falls into a callback, where Python ignores what is raised, is raised after it."""

import gc
import os
import signal
import sys
import threading
import weakref

import pytest

from labkit.base import interrupts
from labkit.experiments import measure as experiment
from labkit.plan.schedules import burst
from labkit.plan.work import io_wait


class Thing:
    pass


def swallowed(error):
    """Let a weakref's callback raise."""

    def callback(reference):
        raise error

    thing = Thing()
    reference = weakref.ref(thing, callback)
    del thing
    return reference


def test_an_interrupt_in_a_callback_is_raised_at_the_end_of_the_block():
    reached = []

    @interrupts.kept()
    def block():
        swallowed(KeyboardInterrupt())
        reached.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert reached


def test_what_else_is_ignored_goes_to_the_hook_of_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with interrupts.kept():
        swallowed(ValueError("mine"))
    assert [unraisable.exc_type for unraisable in told] == [ValueError]
    assert sys.unraisablehook == told.append


def test_an_error_of_the_block_is_its_own():
    @interrupts.kept()
    def block():
        swallowed(KeyboardInterrupt())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()


@pytest.mark.measured
def test_an_interrupt_during_the_collection_before_a_run_ends_the_measurement(monkeypatch):
    collect = gc.collect

    def interrupted(*generation):
        swallowed(KeyboardInterrupt())
        return collect(*generation)

    monkeypatch.setattr(gc, "collect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        experiment.measure("inline", io_wait(1), burst(1), ping_hz=0)


@pytest.mark.parametrize("where", ["made", "used"])
def test_of_items_neither_the_making_nor_the_use_swallows(where):
    seen = []

    def making():
        for item in range(3):
            if (item, where) == (1, "made"):
                swallowed(KeyboardInterrupt())
            yield item

    def use():
        for item in interrupts.each(making()):
            seen.append(item)
            if (item, where) == (1, "used"):
                swallowed(KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        use()
    assert seen == [0, 1]


def test_without_an_interrupt_all_items_come_and_the_hook_is_put_back():
    before = sys.unraisablehook
    assert list(interrupts.each("abc")) == ["a", "b", "c"]
    for item in interrupts.each("abc"):
        if item == "b":
            break
    gc.collect()
    assert sys.unraisablehook == before


# --- signals to end ---

TERMINATIONS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("number", TERMINATIONS)
def test_a_signal_to_end_is_an_interrupt_with_an_exit_code_and_a_name(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as ended, interrupts.terminations():
        os.kill(os.getpid(), number)
    assert interrupts.exit_code(ended.value) == 128 + number
    assert interrupts.said(ended.value) == f"Ended by {number.name}"
    assert signal.getsignal(number) == before


def test_ctrl_c_has_its_own():
    assert interrupts.exit_code(KeyboardInterrupt()) == 130
    assert interrupts.said(KeyboardInterrupt()) == "Interrupted"


def test_only_the_first_signal_ends_what_then_keeps_what_was_measured():
    kept = False
    with interrupts.terminations():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            for number in TERMINATIONS:
                os.kill(os.getpid(), number)
            kept = True
    assert kept


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_what_is_ignored_stays_ignored():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.terminations():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_beside_the_main_thread_nothing_changes():
    entered = []

    def beside():
        with interrupts.terminations():
            entered.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert entered == [signal.getsignal(signal.SIGTERM)]


def test_a_signal_in_a_callback_keeps_its_number():
    with pytest.raises(interrupts.Terminated) as ended, interrupts.kept():
        swallowed(interrupts.Terminated(signal.SIGTERM))
    assert ended.value.number == signal.SIGTERM


def test_a_signal_that_a_library_swallows_is_raised_at_the_end_of_the_block_once():
    def swallowing():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:  # noqa: BLE001 (as libraries do)
            return "the rest of the block"
        return "not reached"

    with interrupts.terminations():
        reached = []
        with pytest.raises(interrupts.Terminated), interrupts.kept():
            reached.append(swallowing())
        assert reached == ["the rest of the block"]
        with interrupts.kept():
            reached.append("heard")
    assert len(reached) == 2
