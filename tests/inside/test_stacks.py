"""Stacks are read while nothing is collected, and collecting is afterwards as it was."""

import gc
import sys
import threading

import pytest

from labkit.inside import stacks


@pytest.fixture(autouse=True)
def _collecting():
    yield
    gc.enable()


@pytest.mark.parametrize("collects", [True, False])
def test_nothing_is_collected_meanwhile(monkeypatch, collects):
    during = []
    monkeypatch.setattr(stacks.sys, "_current_frames", lambda: during.append(gc.isenabled()) or {})
    if not collects:
        gc.disable()
    assert stacks.current_frames() == {}
    assert during == [False]
    assert gc.isenabled() == collects


def test_collecting_comes_back_after_an_error_too(monkeypatch):
    def fails():
        raise MemoryError

    monkeypatch.setattr(stacks.sys, "_current_frames", fails)
    with pytest.raises(MemoryError):
        stacks.current_frames()
    assert gc.isenabled()
    assert not stacks._lock.locked()


def test_it_has_every_thread():
    assert stacks.current_frames().keys() == sys._current_frames().keys()
    assert threading.get_ident() in stacks.current_frames()


def test_a_fork_of_one_that_was_reading_collects_again():
    with stacks._lock:
        gc.disable()
        stacks._after_fork()
    assert gc.isenabled()
    assert not stacks._lock.locked()
