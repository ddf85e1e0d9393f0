"""Renderings in a real browser: integers that are exact, stamps that agree, and nothing lost or left behind."""

import itertools

import numpy as np
import pytest

from labkit import browser, io_wait
from labkit.base.clock import NS_PER_MS
from labkit.base.errors import BrowserError, MissingExtra, UsageError
from labkit.browser import measure
from labkit.browser.bench import Bench, Setting, joined
from labkit.browser.driver import chromium
from labkit.browser.driver.process import Driver
from labkit.browser.measure import render
from labkit.browser.page.feed import Feed, Order
from labkit.browser.page.patterns import PAGE_PATTERNS, pattern
from labkit.browser.page.server import Page, server_of
from labkit.browser.passes import INTERACTION_PARTS
from labkit.browser.rendering import Rendering
from labkit.browser.trace import reader
from labkit.runs.stages import NEVER
from labkit.server.stamps import Stamps
from tests.support.browsing import needed
from tests.support.helpers import nothing_left_behind

# --- the exact pass: 20 updates in each of 10 frames ---

COUNTS = {
    # pattern: DOM operations, layouts, forced layouts, paints (two layers: the page and its list)
    "naive": (600, 10, 0, 20),
    "forced": (600, 200, 200, 20),
    "thrash": (1000, 1000, 1000, 20),
    "dom-batch": (30, 10, 0, 20),
    "conflate": (120, 10, 0, 20),
    "server-batch-50": (30, 10, 0, 20),
    "budget": (600, 10, 0, 20),  # twenty updates take far less than the 4 ms of its first half
    # Fourteen rows can be seen (300 px of 22.6 px each): a frame writes them, the padding, the counter and the bar.
    "virtual": (170, 10, 0, 20),
    "canvas": (0, 0, 0, 0),
    "worker": (30, 10, 0, 20),
}


@pytest.fixture(scope="module")
def counted():
    """Every pattern, twice."""
    needed(exact=True)
    return [render(COUNTS, passes=["exact"]) for _ in range(2)]


@pytest.mark.measured
@pytest.mark.parametrize("name", COUNTS)
def test_layouts_and_dom_operations_are_exact(counted, name):
    for result in counted:
        exact = result[name].exact
        assert (exact.dom_ops, exact.layouts, exact.forced_layouts, exact.paints) == COUNTS[name]
        assert (exact.frames, exact.events_per_frame) == (10, 20)


@pytest.mark.measured
def test_every_count_is_the_same_again(counted):
    first, second = ([each.exact for each in result.measured] for result in counted)
    assert first == second


@pytest.mark.measured
def test_a_batch_is_rastered_as_the_updates_are_that_it_holds(counted):
    """From the same document the same tiles are drawn; conflated, fewer rows have changed."""
    first = counted[0]
    assert first["dom-batch"].exact.raster_tasks == first["naive"].exact.raster_tasks > 0
    assert first["conflate"].exact.raster_tasks < first["naive"].exact.raster_tasks


# --- the timed and the explained pass ---


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """Four patterns in real time and traced; their traces stay in the folder."""
    needed()
    folder = tmp_path_factory.mktemp("traces")
    told = []
    with nothing_left_behind(5):
        result = render(
            ["naive", "forced", "server-batch-100", "worker"],
            events=100,
            rate_hz=200,
            clicks=3,
            repeats=1,
            passes=["timed", "explained"],
            folder=folder,
            progress=told.append,
        )
    return result, folder, told


@pytest.mark.measured
def test_nothing_is_lost_repeated_or_out_of_order(timed):
    for each in timed[0].measured:
        (run,) = each.runs
        assert run.problem == ""
        assert (run.lost, run.repeated, run.disordered, run.painted) == (0, 0, 0, 100)


@pytest.mark.measured
def test_forced_layouts_are_one_an_update_and_others_at_most_one_a_frame(timed):
    forced, naive = timed[0]["forced"].runs[0], timed[0]["naive"].runs[0]
    assert forced.layouts >= 100
    # 0.5 s are 30 frames; the clicks and the answers change the page too.
    assert naive.layouts < 80
    assert timed[0]["forced"].explained.forced_layouts >= 100
    assert timed[0]["naive"].explained.forced_layouts <= 3


@pytest.mark.measured
def test_the_stages_of_an_update_are_in_order(timed):
    for each in timed[0].measured:
        run = each.runs[0]
        slack_ns = 2 * run.clock_error_ms * NS_PER_MS + 200_000  # the page's clock tells 0.1 ms
        stages = [run.updates[stage] for stage in ("intended", "sent", "emitted", "received", "written", "painted")]
        for before, after in itertools.pairwise(stages):
            assert (before != NEVER).all()
            assert (after - before >= -slack_ns).all()


@pytest.mark.measured
def test_a_servers_window_makes_updates_stale_and_layouts_few(timed):
    batched, naive = timed[0]["server-batch-100"].runs[0], timed[0]["naive"].runs[0]
    held_ms = (batched.updates["emitted"] - batched.updates["sent"]) / NS_PER_MS
    assert held_ms.max() > 60
    assert batched.layouts < naive.layouts
    assert batched.dom_ops < naive.dom_ops / 5


@pytest.mark.measured
def test_clicks_are_followed_through_the_server_to_their_paint(timed):
    run = timed[0]["naive"].runs[0]
    stages = [run.clicks[stage] for stage in run.clicks]
    assert all(len(stage) == 3 for stage in stages)
    slack_ns = 2 * run.clock_error_ms * NS_PER_MS + 200_000
    for before, after in itertools.pairwise(stages):
        assert (before != NEVER).all()
        assert (after - before >= -slack_ns).all()


@pytest.mark.measured
def test_the_pages_clock_is_the_servers_to_less_than_a_millisecond(timed):
    assert all(run.clock_error_ms < 1 for each in timed[0].measured for run in each.runs)


@pytest.mark.measured
def test_inp_is_web_vitals_and_the_traces(timed):
    for each in timed[0].measured:
        run = each.runs[0]
        if run.inp_ms is not None and run.web_vitals_inp_ms is not None:
            assert abs(run.inp_ms - run.web_vitals_inp_ms) <= 8
    assert any(each.runs[0].inp_ms is not None for each in timed[0].measured)


@pytest.mark.measured
def test_traces_are_kept_and_can_be_read(timed):
    result, folder, _ = timed
    for each in result.measured:
        found = reader.read(folder / each.explained.trace)
        assert found.forced_layouts == each.explained.forced_layouts
        assert found.inp_ms == each.explained.inp_ms
        assert each.explained.paint_ms > 0
        assert len(found.interactions) == 3


@pytest.mark.measured
def test_progress_is_a_line_a_step(timed):
    assert len(timed[2]) == 8
    assert sum("traced" in line for line in timed[2]) == 4


@pytest.mark.measured
def test_a_step_is_told_only_after_it_was_given():
    needed()
    told, given = [], 0
    for given, _ in enumerate(
        measure.renderings(
            ["naive"], Setting(events=10, clicks=0), repeats=2, passes=["timed", "explained"], progress=told.append
        ),
        1,
    ):
        assert len(told) == given - 1
    assert len(told) == given == 3


@pytest.fixture(scope="module")
def flooded():
    """Every pattern of the page but those that force layouts, under more updates than a frame can show."""
    needed()
    names = [name for name in PAGE_PATTERNS if name not in ("forced", "thrash")]
    flood = {"rate_hz": 0, "events": 3000, "throttle": 4, "clicks": 0, "repeats": 1, "passes": ["timed"]}
    with nothing_left_behind(5):
        return render(names, **flood)


@pytest.mark.measured
def test_every_update_is_either_shown_or_said_to_be_superseded(flooded):
    for each in flooded.measured:
        (run,) = each.runs
        assert (run.problem, run.lost, run.repeated, run.disordered) == ("", 0, 0, 0)
        assert run.painted + run.superseded == 3000
        assert bool(run.superseded) == (each.name in ("conflate", "virtual", "canvas"))
        shown = run.updates["painted"] != NEVER
        assert ((run.updates["written"] != NEVER) == shown).all()
        assert shown[-1]  # the newest is always seen
        received, written, painted = (run.updates[stage][shown] for stage in ("received", "written", "painted"))
        # A worker's clock and the page's have one origin, and each shows 0.1 ms.
        assert (written - received >= -200_000).all()
        assert (painted > written).all()


@pytest.mark.measured
def test_what_is_out_of_sight_is_not_written(flooded):
    """Of what came within a frame, the newest fourteen rows, or twelve of the canvas, are seen."""
    for name, rows in (("virtual", 14), ("canvas", 12)):
        (run,) = flooded[name].runs
        together = np.unique(run.updates["painted"][run.updates["painted"] != NEVER], return_counts=True)[1]
        assert together.max() == rows


@pytest.mark.measured
def test_a_budget_spreads_over_frames_what_comes_as_one_message():
    needed()
    flood = {"rate_hz": 0, "events": 3000, "throttle": 4, "clicks": 0, "repeats": 1, "passes": ["timed"]}
    result = render([pattern(name, window_ms=1, called=name) for name in ("budget", "dom-batch")], **flood)
    budget, at_once = (result[name].runs[0].updates for name in ("budget", "dom-batch"))
    assert len(np.unique(at_once["written"])) == 1
    # On a processor that is four times slower, three thousand take far more than three halves of 4 ms.
    assert len(np.unique(budget["written"])) > 3
    assert len(np.unique(budget["painted"])) > 1


@pytest.mark.measured
def test_what_cannot_be_counted_is_said(flooded):
    assert "canvas draws: it has no DOM operation" in repr(flooded)
    assert "worker reads the socket on another thread" in repr(flooded)
    assert "never shown: updates that newer ones replaced" in repr(flooded)


# --- heavy handlers ---


@pytest.mark.measured
def test_a_heavy_page_handler_ruins_inp_and_a_heavy_server_handler_does_not():
    needed()
    server = measure.interact("inline", io_wait(ms=300), clicks=2)
    page = measure.interact("inline", click_block_ms=300, clicks=2)
    (on_server,), (on_page,) = server.measured[0].runs, page.measured[0].runs
    assert 0 < on_server.work_cpu_ms < 100  # told, and next to nothing: the work waited
    assert on_page.inp_ms >= 300
    assert on_server.inp_ms is None or on_server.inp_ms < 150
    assert (on_server.click_to_ack_ms >= 300).all()
    assert (on_server.click_to_result_ms >= on_server.click_to_ack_ms).all()
    # Rounded to 8 ms, each on its own.
    assert abs(on_page.inp_ms - on_page.web_vitals_inp_ms) <= 8
    assert len(on_page.long_tasks) >= 2
    for each in on_page.interactions:
        parts = [each[key] for key in INTERACTION_PARTS.values()]
        assert min(parts) >= 0
        assert abs(sum(parts) - each["duration_ms"]) <= 8
        assert each["processing_ms"] >= 300
        assert each["type"] == "click"
    assert on_page.tells_long_frames
    scripts = [script for frame in on_page.long_frames for script in frame["scripts"]]
    assert any(script["source"] == "page.js" and script["duration_ms"] >= 290 for script in scripts)


@pytest.mark.measured
@pytest.mark.parametrize("block_ms", [16, 60])
def test_inp_of_a_traced_run_is_the_traces_to_a_millisecond(block_ms):
    needed()
    clicks = {"clicks": 20, "click_block_ms": block_ms, "click_block_step_ms": 0.4}  # spread over 8 ms
    result = measure.interact(**clicks, every_s=0.05 + block_ms / 1000, trace=True)
    explained = result.measured[0].explained
    low, high = explained.inp_error_ms
    assert low <= 1
    assert high >= -1
    # Durations that are spread leave less open than one alone, which leaves 8: mostly less than 1, at worst some 2.
    assert high - low < 4
    assert explained.page_inp_ms == explained.web_vitals_inp_ms
    assert abs(explained.page_inp_ms - explained.inp_ms) <= 4 + 1
    assert not any("rounding apart" in note for note in result.notes)


@pytest.mark.measured
def test_an_interactions_three_parts_are_the_traces(tmp_path):
    """Of one traced run: what the page tells, and what the trace's own events say."""
    needed()
    server = server_of("inline")
    with server, Driver() as driver:
        setting = Setting(events=0, clicks=4, click_block_ms=60)
        bench = Bench(driver, server, server.extension, setting, 0.15, io_wait(ms=1))
        run = bench.timed(pattern("naive"), chromium.full(), tmp_path / "trace.json.gz")
    traced = {each.id: each for each in reader.read(tmp_path / "trace.json.gz").interactions}
    assert len(run.interactions) == 4
    for each in run.interactions:
        exact = traced[each["id"]]
        # The page's clock shows 0.1 ms; presentation ends with the duration, which is rounded to 8 ms.
        assert abs(each["input_delay_ms"] - exact.input_delay_ms) <= 1
        assert abs(each["processing_ms"] - exact.processing_ms) <= 1
        assert abs(each["presentation_delay_ms"] - exact.presentation_delay_ms) <= 4 + 1


# --- what goes wrong ---


@pytest.mark.measured
def test_a_page_that_throws_is_one_sentence_and_the_rest_is_measured(monkeypatch):
    needed()
    sent = iter([False, True])

    def send(self, socketio, feed, sid, reader):
        if next(sent):
            whole(self, socketio, feed, sid, reader)
        else:
            socketio.emit("update", None, to=sid)

    whole = Page._send
    monkeypatch.setattr(Page, "_send", send)
    result = render(["naive", "forced"], events=20, clicks=0, repeats=1, passes=["timed"])
    problems = [each.runs[0].problem for each in result.measured]
    assert sorted(bool(problem) for problem in problems) == [False, True]
    assert any("the page threw" in note and "left out" in note for note in result.notes)
    assert not result.is_valid


@pytest.mark.measured
def test_a_connection_that_is_lost_in_the_middle_is_one_sentence(monkeypatch):
    needed()

    def send(self, socketio, feed, sid, reader):
        feed.run(lambda data: socketio.emit("update", data, to=sid), socketio.sleep)
        socketio.server.disconnect(sid)

    monkeypatch.setattr(Page, "_send", send)
    result = render(["naive"], events=20, clicks=0, repeats=1, passes=["timed"])
    run = result.measured[0].runs[0]
    assert run.problem.startswith("the page lost its connection, after ")
    assert not result.is_valid


def test_a_browser_that_fails_later_leaves_what_was_measured(monkeypatch):
    monkeypatch.setattr(chromium, "full", lambda named=None: None)

    def steps():
        yield Rendering(())
        raise BrowserError("the browser ended in the middle of a run")

    result = measure._last(steps())
    assert result.problems == ("Incomplete: the browser ended in the middle of a run.",)


def test_without_a_browser_nothing_is_started(monkeypatch):
    monkeypatch.setattr(chromium, "browsers", lambda named=None: ())
    with nothing_left_behind(), pytest.raises(MissingExtra, match="playwright install chromium"):
        render(["naive"])


@pytest.mark.parametrize(
    ("patterns", "settings", "why"),
    [
        ([], {}, "no pattern"),
        (["naive", "naive"], {}, "named twice"),
        (["fast"], {}, "unknown pattern"),
        (["naive"], {"repeats": 0}, "repeats must be 1"),
        (["naive"], {"passes": ["quick"]}, "unknown pass 'quick'"),
        (["naive"], {"rate_hz": -1}, "rate_hz must be"),
        (["naive"], {"rate_hz": float("nan")}, "rate_hz must be"),
        (["naive"], {"throttle": 0}, "throttle must be"),
        (["naive"], {"clicks": -1}, "clicks must be"),
        (["naive"], {"events": 0}, "nothing to paint"),
        (["naive"], {"network": "fast"}, "40ms,10ms,2%"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_anything_starts(patterns, settings, why):
    with nothing_left_behind(), pytest.raises(UsageError, match=why):
        render(patterns, **settings)


@pytest.mark.parametrize("old", [measure.interact, browser.frame, browser.serve])
def test_who_writes_exhibit_is_told_the_new_word(old):
    with nothing_left_behind(), pytest.raises(UsageError, match="exhibit is called strategy now: write that"):
        old(exhibit="inline")


@pytest.mark.measured
def test_it_says_which_strategy_answered(monkeypatch):
    """By its name, among all that decides what may be pooled."""
    needed()
    (measured,) = measure.interact("thread", clicks=1, every_s=0.1).measured
    assert (measured.settings["strategy"], measured.settings["work"]) == ("thread", io_wait(ms=1).name)


# --- joining the two clocks, by hand ---


def told(**changes):
    """What a page says whose clock shows 0 when the server's shows one second."""
    return {
        "clock": [{"rtt_ms": 0.8, "origin_ns": 1_000_000_500}, {"rtt_ms": 0.4, "origin_ns": 1_000_000_000}],
        "updates": {"received": [101.0, None], "written": [102.0, None], "painted": [110.0, None]},
        "asked": [{"id": 2, "at": 120.0, "handled": 121.0, "sent": 122.0, "received": 130.0}],
        "received": 1,
        "metrics": dict.fromkeys(
            (
                "LayoutCount",
                "RecalcStyleCount",
                "TaskDuration",
                "ScriptDuration",
                "LayoutDuration",
                "RecalcStyleDuration",
            ),
            1.0,
        ),
        **dict.fromkeys(("dom_ops", "superseded", "repeated", "disordered"), 0),
        **dict.fromkeys(("long_tasks", "long_frames", "interactions", "error_messages"), ()),
        **{"inp_ms": None, "web_vitals_inp_ms": None, "error": "", "entry_types": ["event"]},
        **changes,
    }


def joined_by_hand(**changes):
    stamps = Stamps(3)
    stamps.emitted[0], stamps.read[2] = 1_100_500_000, 1_123_000_000
    feed = Feed(Order(2, rate_hz=200), start_ns=1_100_000_000, sent_ns=[1_100_100_000, 1_105_000_000])
    return joined(told(**changes), stamps, feed, 2)


def test_the_pages_stamps_are_put_on_the_servers_clock_by_the_shortest_round_trip():
    run = joined_by_hand()
    assert run.clock_error_ms == 0.2
    assert run.updates["sent"].tolist() == [100_000, 5_000_000]
    assert run.updates["emitted"].tolist() == [500_000, NEVER]
    assert run.updates["painted"].tolist() == [10_000_000, NEVER]
    assert run.clicks["intended"].tolist() == [20_000_000]
    assert run.clicks["read"].tolist() == [23_000_000]
    assert run.clicks["painted"].tolist() == [NEVER]
    assert run.staleness_ms[0] == pytest.approx(9.9)


def test_what_the_server_sent_and_the_page_never_had_is_lost():
    assert joined_by_hand().lost == 1
    assert joined_by_hand(received=2).lost == 0


def test_what_was_thrown_is_the_reason():
    assert joined_by_hand(error_messages=["boom"]).problem == "the page threw 'boom', after 1 updates"


def test_without_a_feed_time_begins_with_the_first_click():
    run = joined(told(updates={"received": [], "written": [], "painted": []}), Stamps(1), None, 0)
    assert run.clicks["intended"].tolist() == [0]
    assert np.isnan(run.staleness_ms).all()


def test_a_settings_span_is_that_of_its_feed():
    assert Setting(rate_hz=200, events=300).span_s == 1.5
    assert Setting(rate_hz=0).span_s == 0


def test_where_a_browser_is_not_required_its_absence_is_told(monkeypatch):
    monkeypatch.setattr(chromium, "browsers", lambda named=None: ())
    for result in (render(["naive"], required=False), measure.interact(required=False)):
        assert result.measured == ()
        (said,) = result.problems
        assert said.startswith("Nothing was measured: ")
        assert "playwright install chromium" in said
        assert said in repr(result)
