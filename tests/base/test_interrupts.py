"""An interrupt that falls into a callback, where Python ignores what is raised, is raised after it."""

import contextlib
import gc
import os
import signal
import sys
import threading

import pytest

from labkit.base import interrupts
from labkit.experiments import measure as experiment
from labkit.plan.schedules import burst
from labkit.plan.work import io_wait
from tests.support.helpers import swallowed


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


def test_what_a_block_that_failed_has_swallowed_is_raised_by_the_one_around_it():
    @interrupts.kept()
    def inner():
        swallowed(KeyboardInterrupt())
        raise ZeroDivisionError

    reached = []

    @interrupts.kept()
    def outer():
        with contextlib.suppress(ZeroDivisionError):
            inner()
        reached.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert reached


def test_of_an_error_that_leaves_the_last_block_nothing_is_raised_later():
    test_an_error_of_the_block_is_its_own()
    with interrupts.kept():
        pass


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
    with pytest.raises(KeyboardInterrupt) as ended, interrupts.remembered():
        os.kill(os.getpid(), number)
    assert interrupts.exit_code(ended.value) == 128 + number
    assert interrupts.said(ended.value) == f"Ended by {number.name}"
    assert signal.getsignal(number) == before


def test_ctrl_c_has_its_own():
    assert interrupts.exit_code(KeyboardInterrupt()) == 130
    assert interrupts.said(KeyboardInterrupt()) == "Interrupted"


def swallowing(number):
    """As libraries do."""
    try:
        os.kill(os.getpid(), number)
    except BaseException:  # noqa: BLE001 (see above)
        return "the rest of the block"
    return "not reached"


@pytest.mark.parametrize("number", [signal.SIGINT, *TERMINATIONS])
def test_a_signal_that_a_library_swallows_is_raised_at_the_end_of_the_block_once(number):
    reached = []
    with interrupts.remembered():
        with pytest.raises(KeyboardInterrupt) as ended, interrupts.kept():
            reached.append(swallowing(number))
        with interrupts.kept():
            reached.append("heard")
    assert reached == ["the rest of the block", "heard"]
    assert interrupts.exit_code(ended.value) == 128 + number


def test_what_tidies_up_after_an_interrupt_is_not_interrupted_by_it():
    tidied = []

    def interrupted():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            with interrupts.kept():
                tidied.append("within the block")
            tidied.append("after it")

    with interrupts.remembered(), pytest.raises(KeyboardInterrupt):
        interrupted()
    assert tidied == ["within the block", "after it"]


def test_what_somebody_has_heard_is_not_raised_again():
    with interrupts.remembered(), interrupts.kept():
        swallowing(signal.SIGINT)
        interrupts.heard()


def test_every_ctrl_c_is_raised():
    """The second ends what keeps what was measured."""
    with interrupts.remembered():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_handles_ctrl_c_itself_is_left_to_it():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("by itself"))
    try:
        with interrupts.remembered(), interrupts.kept():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == ["by itself"]


def test_beside_the_main_thread_nobody_is_interrupted():
    """What the main thread has not heard yet is raised there."""
    ended = []

    def beside():
        with interrupts.kept():
            pass
        ended.append("without an interrupt")

    with interrupts.remembered():
        swallowing(signal.SIGINT)
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()
    assert ended


def test_only_the_first_signal_ends_what_then_keeps_what_was_measured():
    kept = False
    with interrupts.remembered():
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
        with interrupts.remembered():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_beside_the_main_thread_nothing_changes():
    entered = []

    def beside():
        with interrupts.remembered():
            entered.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert entered == [signal.getsignal(signal.SIGTERM)]


def test_a_signal_in_a_callback_keeps_its_number():
    with pytest.raises(interrupts.Terminated) as ended, interrupts.kept():
        swallowed(interrupts.Terminated(signal.SIGTERM))
    assert ended.value.number == signal.SIGTERM
