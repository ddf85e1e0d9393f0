"""The collector is kept off what was there before a block, and a process's own choice outlives it."""

import gc

import pytest

from labkit.base.collector import collector_frozen

pytestmark = pytest.mark.usefixtures("nothing_frozen")


def test_the_collector_is_kept_off_what_was_there_before():
    with collector_frozen():
        assert gc.get_freeze_count() > 1000
        assert gc.isenabled()  # what is made from here on is still collected
    assert gc.get_freeze_count() == 0


def test_what_the_process_had_frozen_itself_stays_frozen():
    gc.freeze()
    before = gc.get_freeze_count()
    with collector_frozen():
        assert gc.get_freeze_count() >= before
    assert gc.get_freeze_count() >= before
