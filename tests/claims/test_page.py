"""Claims on the page: exact counts compared exactly, and who decides INP."""

import dataclasses

import pytest

from labkit.browser.passes import Exact
from labkit.browser.rendering import Measured, Rendering
from labkit.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, page, paint
from labkit.claims.judging import claim
from tests.support.rendered import SETTINGS, exact, explained, interaction, long_frame, rendering, timed


def counted(**ways):
    """Ways that were counted frame by frame: name -> layouts, forced layouts, mutation records."""
    return Rendering(
        tuple(
            Measured(name.replace("_", "-"), SETTINGS, exact=exact(layouts=layouts, forced=forced, dom_ops=operations))
            for name, (layouts, forced, operations) in ways.items()
        )
    )


def ran(ways, **strategies):
    """Ways that were run in real time: name -> what differs from a run made by hand, and which strategy answered."""
    return Rendering(
        tuple(
            Measured(
                name,
                {**SETTINGS, "strategy": strategies.get(name, "inline"), "click_block_ms": name == page.PAGE_HEAVY},
                runs=(timed(**about),) * 3,
            )
            for name, about in ways.items()
        )
    )


def traced(long_tasks, name=page.PAGE_HEAVY):
    about = dataclasses.replace(explained(), long_tasks=long_tasks)
    return Rendering((Measured(name, SETTINGS, runs=(timed(clicks=3),), explained=about),))


def witnessed(*, task_ms=300.0, frame_ms=300.0, source="page.js", tells=True, processing_ms=300.0, clicks=1):
    """A click whose handler ran for 300 ms from 5 ms on; what the two witnesses say of it."""
    run = timed(
        clicks=clicks,
        interactions=(interaction(5, processing_ms, 3),),
        long_tasks=((5.0, task_ms),),
        long_frames=(long_frame(5.0, frame_ms, source=source),),
        entry_types=("event", "long-animation-frame") if tells else ("event",),
    )
    return Rendering((Measured(page.PAGE_HEAVY, SETTINGS, runs=(run,)),))


def painted(**ways):
    """Ways that were counted frame by frame: name -> what differs from naive's counts."""
    return Rendering(
        tuple(Measured(name.replace("_", "-"), SETTINGS, exact=exact(**about)) for name, about in ways.items())
    )


def one_by_one(naive_ms, batched_ms, rate_hz=29.0):
    """Fewer updates than frames, of which each is shown two steps after the page received it."""
    ways = {"naive": naive_ms / 2, "dom-batch": batched_ms / 2}
    about = {**SETTINGS, "rate_hz": rate_hz}
    return Rendering(tuple(Measured(name, about, runs=(timed(step_ms=step),)) for name, step in ways.items()))


SLOW = "naive, slow script"
CASES = {
    "one-layout-a-frame": (
        counted(naive=(10, 0, 600), dom_batch=(10, 0, 30)),
        counted(naive=(11, 0, 600), dom_batch=(10, 0, 30)),
    ),
    "reading-geometry-forces-layout": (counted(forced=(200, 200, 600)), counted(forced=(199, 199, 600))),
    "batching-cuts-dom-operations": (
        counted(naive=(10, 0, 600), dom_batch=(10, 0, 300)),
        counted(naive=(10, 0, 600), dom_batch=(10, 0, 301)),
    ),
    "server-batching-saves-layouts": (
        ran({"naive": {"layouts": 60}, "server-batch-50": {"layouts": 40}}),
        ran({"naive": {"layouts": 60}, "server-batch-50": {"layouts": 41}}),
    ),
    # Staleness is four steps of a run made by hand.
    "server-batching-costs-staleness": (
        ran({"naive": {"step_ms": 5}, "server-batch-50": {"step_ms": 7.1}}),
        ran({"naive": {"step_ms": 5}, "server-batch-50": {"step_ms": 7.0}}),
    ),
    "page-decides-inp": (
        ran({page.SERVER_HEAVY: {"inp_ms": None}, page.PAGE_HEAVY: {"inp_ms": 64.0}}),
        ran({page.SERVER_HEAVY: {"inp_ms": 0.0}, page.PAGE_HEAVY: {"inp_ms": 63.0}}),
    ),
    "script-in-page-ruins-inp": (
        ran({page.NEITHER: {"inp_ms": None}, page.PAGE_HEAVY: {"inp_ms": 64.0}}),
        ran({page.NEITHER: {"inp_ms": 16.0}, page.PAGE_HEAVY: {"inp_ms": 63.0}}),
    ),
    # Click to result is nine steps.
    "result-waits-for-server": (
        ran({page.SERVER_HEAVY: {"step_ms": 20}, page.NEITHER: {"step_ms": 5}}),
        ran({page.SERVER_HEAVY: {"step_ms": 19}, page.NEITHER: {"step_ms": 5}}),
    ),
    "thread-shows-nobody-sooner": (
        ran({"A": {"step_ms": 10}, "B": {"step_ms": 6.1}}, B="thread"),
        ran({"A": {"step_ms": 10}, "B": {"step_ms": 5.9}}, B="thread"),
    ),
    "script-holds-the-pipeline": (
        ran({"naive": {"step_ms": 5}, SLOW: {"step_ms": 15}}),
        ran({"naive": {"step_ms": 5}, SLOW: {"step_ms": 14}}),
    ),
    "trace-shows-long-tasks": (traced(3), traced(2)),
    "trace-shows-no-server-handler": (traced(1, page.SERVER_HEAVY), traced(2, page.SERVER_HEAVY)),
    "batching-paints-as-often": (
        painted(naive={}, dom_batch={"dom_ops": 30}),
        painted(naive={}, dom_batch={"dom_ops": 30, "paints": 19}),
    ),
    "batching-saves-no-paint": (
        painted(naive={"paint_ms": 1.2}, dom_batch={"paint_ms": 0.6}),
        painted(naive={"paint_ms": 1.2}, dom_batch={"paint_ms": 0.59}),
    ),
    "writing-less-paints-less": (
        painted(naive={"paint_ms": 1.2}, conflate={"paint_ms": 0.79}),
        painted(naive={"paint_ms": 1.2}, conflate={"paint_ms": 0.81}),
    ),
    "raf-saves-nothing-for-one": (
        painted(naive={"per_frame": 1, "dom_ops": 30}, dom_batch={"per_frame": 1, "dom_ops": 30}),
        painted(naive={"per_frame": 1, "dom_ops": 30}, dom_batch={"per_frame": 1, "dom_ops": 29}),
    ),
    "raf-costs-nothing-for-one": (one_by_one(16, 24), one_by_one(16, 25)),
    "frames-and-tasks-agree": (witnessed(task_ms=150, frame_ms=150), witnessed(frame_ms=149)),
}


def test_a_of_the_tour_is_a_heavy_server_handler():
    for inp_ms, status in ((64.0, HOLDS), (63.0, DOES_NOT_HOLD)):
        others = {"B": {"inp_ms": 999.0}, page.NEITHER: {"inp_ms": 999.0}, page.PAGE_HEAVY: {"inp_ms": inp_ms}}
        result = ran({"A": {"inp_ms": None}, **others}, B="thread-broadcast")
        assert claim("page-decides-inp", result).status == status


@pytest.mark.parametrize("b", ["thread", "thread-broadcast"])
def test_a_and_b_are_found_by_their_strategies_not_by_their_letters(b):
    def judged(**strategies):
        return claim("thread-shows-nobody-sooner", ran({"x": {"step_ms": 10}, "A": {"step_ms": 6.1}}, **strategies))

    assert judged(x="inline", A=b).status == HOLDS  # 0.61 of A's; the other way round it were 1.6
    assert judged(x="inline", A=b).headroom < 1.1 < judged(x=b, A="inline").headroom
    assert judged(x="inline", A="process-pool").status == NOT_TESTABLE


def test_of_two_that_could_be_a_neither_is():
    ways = {"A": {}, "also": {}, "B": {}}
    verdict = claim("thread-shows-nobody-sooner", ran(ways, B="thread"))
    assert verdict.status == NOT_TESTABLE
    assert "one way of them" in verdict.why


@pytest.mark.parametrize("wrong", [{"task_ms": 149}, {"source": "other.js"}, {"clicks": 2}])
def test_both_witnesses_must_report_every_click(wrong):
    assert claim("frames-and-tasks-agree", witnessed(**wrong)).status == DOES_NOT_HOLD


@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        ({"tells": False}, "needs a browser that tells long animation frames"),
        ({"processing_ms": 50.0}, "needs clicks whose handler in the page computes for more than 50 ms"),
    ],
)
def test_without_a_second_witness_or_a_long_handler_nobody_can_agree(lacking, why):
    verdict = claim("frames-and-tasks-agree", witnessed(**lacking))
    assert (verdict.status, verdict.why) == (NOT_TESTABLE, why)


def test_fewer_tiles_are_less_painting_too():
    result = painted(naive={}, dom_batch={"raster_tasks": 79})
    assert claim("batching-paints-as-often", result).status == DOES_NOT_HOLD
    nothing = painted(naive={"paints": 0}, dom_batch={"paints": 0})
    assert claim("batching-paints-as-often", nothing).status == DOES_NOT_HOLD


@pytest.mark.parametrize("slug", ["batching-paints-as-often", "batching-saves-no-paint"])
@pytest.mark.parametrize(
    ("lacking", "why"), [({"paints": None, "paint_ms": None}, "an older labkit"), ({"per_frame": 1}, "several updates")]
)
def test_paint_is_judged_where_it_was_counted_with_several_updates_in_a_frame(slug, lacking, why):
    verdict = claim(slug, painted(naive=lacking, dom_batch=lacking))
    assert verdict.status == NOT_TESTABLE
    assert why in verdict.why


def test_one_update_in_a_frame_is_not_judged_where_there_were_more():
    assert claim("raf-saves-nothing-for-one", painted(naive={}, dom_batch={})).status == NOT_TESTABLE


@pytest.mark.parametrize("rate_hz", [30.0, 20.0, 60.0, 200.0, 0.0])
def test_a_rate_that_divides_the_frame_rate_tells_of_one_place_between_two_frames(rate_hz):
    verdict = claim("raf-costs-nothing-for-one", one_by_one(16, 16, rate_hz))
    assert verdict.status == NOT_TESTABLE
    assert "does not divide the frame rate" in verdict.why


def test_every_claim_has_a_case():
    assert set(CASES) == {c.slug for c in (*page.CLAIMS, *paint.CLAIMS)}


def test_a_core_that_was_slowed_for_b_does_not_make_a_the_quicker():
    def judged(a_ms, b_ms, **cpu_ms):
        ways = {
            "A": {"step_ms": a_ms, "work_cpu_ms": cpu_ms.get("a")},
            "B": {"step_ms": b_ms, "work_cpu_ms": cpu_ms.get("b")},
        }
        return claim("thread-shows-nobody-sooner", ran(ways, B="thread")).headroom

    usual = judged(10, 6.1)
    assert judged(10, 6.1, a=200.0, b=200.0) == usual
    assert judged(10, 12.2, a=200.0, b=400.0) == pytest.approx(usual, rel=0.01)
    assert judged(10, 6.1, a=0.1, b=0.2) == usual  # work that waits takes none to speak of


@pytest.mark.parametrize("slug", CASES)
def test_it_holds_at_its_bound_and_not_beyond(slug):
    holds, fails = CASES[slug]
    assert repr(claim(slug, holds)).startswith(f"{HOLDS}: ")
    assert claim(slug, fails).status == DOES_NOT_HOLD


@pytest.mark.parametrize("slug", CASES)
def test_without_a_browser_it_says_what_is_missing(slug):
    verdict = claim(slug, Rendering((), problems=("Nothing was measured: there is no browser.",)))
    assert (verdict.status, verdict.why) == (NOT_TESTABLE, "Nothing was measured: there is no browser.")


@pytest.mark.parametrize("slug", CASES)
def test_what_lacks_the_way_or_the_pass_is_not_testable(slug):
    assert claim(slug, Rendering(())).status == NOT_TESTABLE
    bare = Rendering(tuple(Measured(each.name, each.settings) for each in CASES[slug][0].measured))
    assert claim(slug, bare).status == NOT_TESTABLE


def test_one_update_a_frame_proves_nothing_about_many():
    one = Exact(10, 1, 30, 10, 0, 10)
    result = Rendering(tuple(Measured(name, SETTINGS, exact=one) for name in ("naive", "dom-batch")))
    assert claim("one-layout-a-frame", result).status == DOES_NOT_HOLD


def test_a_rendering_made_by_hand_says_so_too():
    assert claim("reading-geometry-forces-layout", rendering()).status == HOLDS
