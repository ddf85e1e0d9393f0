"""Ways under several loads in one call: what is asked of whom, with stand-ins; and once in a real browser."""

import pytest

from labkit.base.errors import BrowserError, UsageError
from labkit.browser import frontier, measure
from labkit.browser.driver import chromium
from labkit.browser.driver import process as driver
from labkit.browser.rendering import Measured, Rendering
from labkit.browser.variants import few_updates, vary
from tests.support.browsing import needed
from tests.support.helpers import nothing_left_behind
from tests.support.rendered import timed


@pytest.fixture
def asked(monkeypatch):
    """Every load that was asked for, measured by a stand-in; `asked.fails_at` names the one that fails."""

    class Asked(list):
        fails_at = None
        shared = None

    def renderings(ways, setting, **about):
        asked.append((ways, setting, about))
        asked.shared.append(driver._shared)
        if asked.fails_at == len(asked):
            raise BrowserError("the browser ended in the middle of a run")
        yield Rendering(tuple(Measured(way.name, vars(setting), runs=(timed(),)) for way in ways), {"browser": "x"})

    asked = Asked()
    asked.shared = []
    monkeypatch.setattr(measure, "renderings", renderings)
    return asked


@pytest.mark.measured
def test_every_way_is_measured_under_every_load(asked):
    needed()
    result = vary(["naive"], rates_hz=[100, 500], windows_ms=[50], rows=[10, 20], span_s=0.5)
    assert [each.name for each in result.measured] == [
        f"{way}, {rate}/s, {rows} rows"
        for rows in (10, 20)
        for rate in (100, 500)
        for way in ("naive", "server-batch-50")
    ]
    assert [(setting.rate_hz, setting.events, setting.rows) for _, setting, _ in asked] == [
        (100, 50, 10),
        (500, 250, 10),
        (100, 50, 20),
        (500, 250, 20),
    ]
    assert [(way.page, way.window_ms) for way in asked[0][0]] == [("naive", 0), ("dom-batch", 50)]
    assert result.environment == {"browser": "x"}
    # One browser for all.
    assert asked.shared[0] is not None
    assert len(set(map(id, asked.shared))) == 1
    assert {point.way for point in frontier.points(result)} == {"naive", "server-batch-50"}


@pytest.mark.measured
def test_a_file_of_the_readers_is_a_way_too(asked, tmp_path):
    needed()
    mine = tmp_path / "mine.js"
    mine.write_text("export function mine(view) { return (updates) => view.wrote(updates); }")
    result = vary([mine], rates_hz=[100], windows_ms=[], rows=[10])
    assert [each.name for each in result.measured] == ["mine, 100/s, 10 rows"]


@pytest.mark.measured
def test_a_failure_later_leaves_what_was_measured(asked):
    needed()
    asked.fails_at = 2
    result = vary(["naive"], rates_hz=[100, 500], windows_ms=[], rows=[10])
    assert [each.name for each in result.measured] == ["naive, 100/s, 10 rows"]
    assert result.problems == ("Incomplete: the browser ended in the middle of a run.",)


@pytest.mark.measured
@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"rates_hz": []}, "give rates above 0"),
        ({"rates_hz": [0]}, "give rates above 0"),
        ({"rows": []}, "numbers of rows"),
        ({"span_s": 0}, "a span above 0 s"),
        ({"windows_ms": [0]}, "window_ms must be"),
        ({"throttle": 0}, "throttle must be"),
        ({"patterns": ["fast"]}, "unknown pattern"),
        ({"patterns": ["naive", "naive"]}, "named twice"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_anything_starts(about, why):
    needed()
    with nothing_left_behind(), pytest.raises(UsageError, match=why):
        vary(**about)


def test_where_a_browser_is_not_required_its_absence_is_told(monkeypatch):
    monkeypatch.setattr(chromium, "browsers", lambda named=None: ())
    (said,) = vary(required=False).problems
    assert said.startswith("Nothing was measured: ")


@pytest.mark.measured
def test_one_browser_measures_all_loads():
    needed()
    told = []
    with nothing_left_behind(5):
        result = vary(["naive"], rates_hz=[50, 200], windows_ms=[100], rows=[20], span_s=0.3, progress=told.append)
    assert len(told) == 4
    assert result.is_valid
    assert [each.runs[0].painted for each in result.measured] == [15, 15, 60, 60]
    # Half of the window on average, to the frame.
    waits_ms = {each.name: each.pooled("staleness_ms").max_ms for each in result.measured}
    assert waits_ms["server-batch-100, 200/s, 20 rows"] > 60


# --- one update in a frame ---


@pytest.mark.measured
def test_few_updates_are_one_in_a_frame_at_a_rate_that_meets_every_place_between_two(asked):
    needed()
    few_updates(span_s=2)
    ((ways, setting, about),) = asked
    assert [way.page for way in ways] == ["naive", "dom-batch"]
    assert (setting.rate_hz, setting.events, setting.events_per_frame, setting.clicks) == (29, 58, 1, 0)
    assert about["passes"] == ("exact", "timed")


@pytest.mark.parametrize("wrong", [{"rate_hz": 60}, {"rate_hz": 0}, {"rate_hz": float("nan")}, {"span_s": 0}])
def test_more_updates_than_frames_are_not_few(asked, wrong):
    with pytest.raises(UsageError, match="a rate above 0 and below 60 updates per second"):
        few_updates(**wrong)
    assert asked == []


@pytest.mark.measured
def test_one_update_in_a_frame_costs_the_same_either_way():
    needed(exact=True)
    naive, batched = (each.exact for each in few_updates(span_s=0.5, repeats=1).measured)
    assert naive == batched
    assert (naive.dom_ops, naive.layouts, naive.paints, naive.events_per_frame) == (30, 10, 20, 1)
