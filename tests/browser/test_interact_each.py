"""Clicks under several settings, in one browser."""

import re

import pytest

from labkit import io_wait
from labkit.base.errors import UsageError
from labkit.browser import interact_each, measure
from labkit.browser.driver import chromium
from labkit.browser.driver.process import Driver
from labkit.plan.interleaving import interleaved
from tests.support.browsing import needed
from tests.support.helpers import nothing_left_behind

QUICK = {"clicks": 1, "every_s": 0.1}


@pytest.mark.measured
def test_each_variant_is_measured_as_often_as_asked_in_one_browser(monkeypatch):
    needed()
    drivers, told = set(), []
    run = Driver.run
    monkeypatch.setattr(Driver, "run", lambda self, *a, **k: (drivers.add(self), run(self, *a, **k))[1])
    ways = {"later": {"work": io_wait(100)}, "sooner": {"work": io_wait(1)}}
    with nothing_left_behind(5):
        found = interact_each(ways, repeats=2, seed=1, progress=told.append, **QUICK)
    assert [each.name for each in found.measured] == ["later", "sooner"]
    assert [len(each.runs) for each in found.measured] == [2, 2]
    assert len(drivers) == 1
    assert {line.split(":")[0] for line in told[:2]} == {"later", "sooner"}  # in turn, not one after the other
    later, sooner = (each.pooled("click_to_result_ms").p50_ms for each in found.measured)
    assert later > sooner


@pytest.mark.measured
def test_over_a_network_the_page_is_a_round_trip_away_and_that_is_told():
    """The shortest of many round trips of the page's, half of it: at least the delay."""
    needed()
    with nothing_left_behind(5):
        found = interact_each({"far": {"network": "8ms"}}, repeats=1, **QUICK)
    (far,) = found.measured
    assert far.runs[0].clock_error_ms >= 8
    assert far.pooled("click_to_result_ms").p50_ms >= 16
    assert repr(found).count("between page and server: 8 ms one way.") == 1


@pytest.mark.measured
def test_what_fails_later_keeps_what_was_measured(monkeypatch):
    needed()
    real = measure.interact
    monkeypatch.setattr(measure, "interact", lambda **k: real(**k) if k["name"] == "first" else refuse())

    def refuse():
        raise UsageError("no")

    ways = {"first": {}, "second": {}}
    seed = next(s for s in range(20) if interleaved(list(ways), 1, s)[0] == "first")
    found = interact_each(ways, seed=seed, **QUICK)
    assert [each.name for each in found.measured] == ["first"]
    assert found.problems == ("Incomplete: no.",)


def test_where_a_browser_is_not_required_its_absence_is_told(monkeypatch):
    monkeypatch.setattr(chromium, "browsers", lambda named=None: ())
    found = interact_each({"A": {}}, required=False)
    assert found.measured == ()
    assert "playwright install chromium" in repr(found)


@pytest.mark.parametrize(
    ("variant", "why"),
    [
        ({"exhibit": "inline"}, "exhibit is called strategy now"),
        ({"click_block": 3}, "no setting 'click_block': click_block_ms?"),
        ({"passes": 3}, "no setting 'passes': strategy, work, clicks, "),
    ],
)
def test_a_setting_that_is_none_is_refused_before_anything_starts(variant, why):
    for variants, shared in (({"A": {}, "B": variant}, {}), ({"A": {}}, variant)):
        with nothing_left_behind(), pytest.raises(UsageError, match=re.escape(why)):
            interact_each(variants, **shared)


@pytest.mark.parametrize("wrong", [{"variants": {}}, {"variants": {"A": {}}, "repeats": 0}])
def test_nothing_to_measure_is_refused(wrong):
    with pytest.raises(UsageError, match="at least one variant"):
        interact_each(**wrong)
