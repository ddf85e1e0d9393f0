"""What is held still is put back, also after an exception."""

import gc
import sys

import pytest

from labkit.base.collector import full_collections
from labkit.server.steady import held_still, switch_interval


def state():
    return sys.getswitchinterval(), gc.get_freeze_count() > 0, gc.isenabled()


def test_the_switch_interval_is_set_within_the_block_and_put_back():
    before = state()
    with switch_interval(0.002):
        assert sys.getswitchinterval() == pytest.approx(0.002)
    assert state() == before


def test_a_switch_interval_of_none_stays_as_it_is():
    before = state()
    with switch_interval(None):
        assert state() == before
    assert state() == before


def test_one_that_is_set_by_somebody_else_meanwhile_is_put_back_too():
    before = sys.getswitchinterval()
    with switch_interval(None):
        sys.setswitchinterval(0.003)
    assert sys.getswitchinterval() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_exception_all_is_put_back(error, nothing_frozen, monkeypatch):
    monkeypatch.setattr(gc, "collect", int)  # of all that pytest has collected it takes a second

    def block():
        with held_still(0.002, freeze_gc=True):
            held.append((sys.getswitchinterval(), gc.get_freeze_count() > 0))
            raise error

    before, held = state(), []
    with pytest.raises(error):
        block()
    assert held == [(pytest.approx(0.002), True)]
    assert state() == before


def test_a_switch_interval_that_makes_no_sense_leaves_nothing_held(nothing_frozen):
    before = state()
    with pytest.raises(ValueError, match="strictly positive"), held_still(-1.0):
        pass
    assert state() == before


def test_what_is_held_is_told():
    with held_still(0.004) as held:
        assert held.switch_interval_s == pytest.approx(0.004)
        assert held.full_collections() == 0
        gc.collect()
        gc.collect()
        assert held.full_collections() == 2


def test_by_default_only_the_collector_is_held():
    before = sys.getswitchinterval()
    with held_still() as held:
        assert held.switch_interval_s == before
        assert gc.get_freeze_count() > 0


def test_a_collector_that_is_left_alone_is_not_even_asked_to_collect(nothing_frozen):
    before = full_collections()
    with held_still(freeze_gc=False) as held:
        assert gc.get_freeze_count() == 0
        assert held.full_collections() == full_collections() - before == 0
