"""The tour's page half: the same events by A, by B and by the page, in a real browser."""

import pytest

from labkit import call, claim, cpu
from labkit.base.errors import UsageError
from labkit.browser.driver import chromium
from labkit.browser.variants import PAGE, tour
from labkit.claims import page
from tests.support.browsing import needed
from tests.support.helpers import nothing_left_behind


@pytest.mark.measured
def test_the_page_decides_inp_and_every_way_waits_for_its_results():
    needed()
    told = []
    with nothing_left_behind(5):
        result = tour(cpu(40), clicks=4, progress=told.append)
    assert [each.name for each in result.measured] == ["A", "B", PAGE]
    assert len(told) == 3
    assert result.is_valid
    runs = {each.name: each.runs[0] for each in result.measured}
    assert [len(run.clicks["intended"]) for run in runs.values()] == [4, 4, 4]
    # They share the GIL: four times the work is done before the last is seen. (A calibrated loop may be short.)
    assert all(runs[name].click_to_result_ms.max() >= 2 * 40 for name in "AB")
    # A paint comes after the handler, never within it.
    assert runs[PAGE].inp_ms >= 40
    assert len([i for i in runs[PAGE].interactions if i["duration_ms"] >= 40]) == 4
    assert claim("page-decides-inp", result).headroom > 0


def test_the_claims_know_the_tours_page():
    assert PAGE == page.PAGE_HEAVY


def test_where_a_browser_is_not_required_its_absence_is_told(monkeypatch):
    monkeypatch.setattr(chromium, "browsers", lambda named=None: ())
    result = tour(required=False)
    assert result.measured == ()
    assert "playwright install chromium" in repr(result)


@pytest.mark.parametrize("about", [{"clicks": 0}, {"work": call(len)}])
def test_work_that_the_page_cannot_do_as_long_is_refused(about):
    with pytest.raises(UsageError, match="work as long as the server"):
        tour(**about)
