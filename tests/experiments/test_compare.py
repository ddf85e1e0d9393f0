"""What a comparison holds still from its first run to its last."""

import gc

import pytest

from labkit.experiments import compare
from labkit.plan.schedules import burst
from labkit.plan.work import io_wait
from tests.support import simulated


@pytest.fixture
def frozen(monkeypatch):
    """Of each run, whether what is old is kept from the collector; the runs are simulated."""
    seen = []

    def measured(strategy, work, plan, **settings):
        seen.append(gc.get_freeze_count() > 0)
        return simulated.run(strategy.name, plan=plan)

    monkeypatch.setattr(compare, "measure", measured)
    return seen


@pytest.mark.usefixtures("nothing_frozen")
def test_what_is_old_is_collected_once_and_kept_from_the_collector_until_the_last_run(frozen):
    compare.compare(["inline", "thread"], io_wait(1), burst(4), repeats=2)
    assert frozen == [True] * 4
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("nothing_frozen")
def test_whoever_leaves_after_a_run_leaves_nothing_frozen(frozen):
    coming = compare.ordered(["inline", "thread"], io_wait(1), burst(4)).runs()
    next(coming)
    coming.close()
    assert frozen == [True]
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("nothing_frozen")
def test_where_one_run_is_about_the_collector_it_is_left_alone_between_all(frozen):
    ways = {"frozen": {}, "not frozen": {"freeze_gc": False}}
    compare.vary("inline", io_wait(1), burst(4), ways, repeats=2)
    assert frozen == [False] * 4
