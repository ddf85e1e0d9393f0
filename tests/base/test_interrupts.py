"""An interrupt that falls into a callback, where Python ignores what is raised, is raised after it."""

import gc
import sys
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
