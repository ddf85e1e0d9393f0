"""The advice's table: what stands in a cell, what is left out, and that nothing in it is markup."""

from labkit.browser import table
from labkit.browser.rendering import Measured, Rendering
from labkit.runs.summary import BOUNDS_MS
from tests.support.rendered import SETTINGS, exact, interaction, long_frame, rendering, timed


def cell(each, header):
    return dict(zip((h.replace("\n", " ") for h in table.HEADERS), table.row(each), strict=True))[header]


def test_counts_are_per_event_and_per_frame():
    forced = Measured("forced", SETTINGS, exact=exact(layouts=200, forced=200))
    assert cell(forced, "DOM ops per event") == "3"
    assert cell(forced, "reflows per frame") == "20"
    assert cell(forced, "of which forced") == "20"


def test_a_range_is_shown_where_runs_differ():
    assert cell(rendering()["naive"], "task ms") == "110 (100-120)"
    assert cell(rendering()["forced"], "task ms") == "100"


def test_verdicts_are_of_inp_and_of_staleness():
    assert cell(rendering()["naive"], "verdict INP/staleness") == "good/good"
    assert cell(rendering()["forced"], "verdict INP/staleness") == "poor/good"
    late = Measured("late", SETTINGS, runs=(timed(step_ms=200),))
    assert cell(late, "verdict INP/staleness") == "good/poor"


def test_an_inp_too_short_to_be_told_is_good_where_somebody_clicked():
    assert cell(Measured("x", SETTINGS, runs=(timed(inp_ms=None),)), "INP ms") == "<16"
    nobody = Measured("x", SETTINGS, runs=(timed(inp_ms=None, clicks=0),))
    assert cell(nobody, "INP ms") == "-"
    assert cell(nobody, "verdict INP/staleness") == "not measured/good"


def test_columns_without_a_value_are_left_out():
    found = table.of_measured([Measured("x", SETTINGS, runs=(timed(),))]).headers
    assert not [header for header in found if header.startswith(("reflows", "paint cost"))]
    assert "staleness\np50" in found


def test_only_pattern_and_verdict_stand_at_the_left():
    for measured in ([Measured("x", SETTINGS, runs=(timed(),))], rendering().measured, ()):
        found = table.of_measured(measured)
        assert [found.headers[i] for i in found.left] == ["pattern", "verdict\nINP/staleness"][: len(found.headers)]


def test_the_legend_has_the_bounds_of_the_one_verdict():
    assert "up to 200 ms good, above 500 ms poor" in repr(rendering())
    assert BOUNDS_MS == (200, 500)


def test_text_html_and_markdown_have_all_rows():
    result = rendering()
    for found in (repr(result), result._repr_html_(), result.github()):
        assert "naive" in found
        assert "forced" in found
        assert "110 (100-120)" in found
    assert "median of the runs" in repr(result)


def test_names_are_text_in_html():
    found = Rendering((Measured("<b>x</b>", SETTINGS, runs=(timed(problem="<i>"),)),))._repr_html_()
    assert "<b>" not in found
    assert "<i>" not in found


def test_nothing_measured_is_an_empty_table():
    assert "staleness" in repr(Rendering(()))


def test_the_longest_interaction_is_told_in_its_three_parts_and_with_the_script_that_held_it():
    runs = (
        timed(interactions=(interaction(1, 20, 3),), long_frames=()),
        timed(interactions=(interaction(4, 300, 8),), long_frames=(long_frame(duration_ms=302.4, forced_ms=12.3),)),
    )
    text = repr(Rendering((Measured("heavy", SETTINGS, runs=runs),)))
    assert (
        "heavy, the longest: click 312 ms = 4 input delay + 300 processing + 8 presentation delay; "
        "long animation frame: BUTTON#ask.onclick (page.js) 302 ms, of which 12 ms forced style and layout." in text
    )
    short = timed(interactions=(interaction(1, 20, 3),), long_frames=())
    assert "the longest: click" not in repr(Rendering((Measured("short", SETTINGS, runs=(short,)),)))


def test_an_interaction_without_its_parts_or_too_short_for_them_is_not_split():
    assert table.in_parts(None) == ""
    assert table.in_parts({"duration_ms": 64.0}) == ""
    assert table.in_parts(interaction(1, 2, 3)) == ""


def test_long_frames_are_counted_where_the_browser_tells_them():
    known = timed(entry_types=("long-animation-frame",), long_frames=(long_frame(), long_frame(100.0)))
    assert cell(Measured("x", SETTINGS, runs=(known,)), "long frames") == "2"
    assert cell(Measured("x", SETTINGS, runs=(timed(),)), "long frames") == "-"


def test_updates_that_were_never_shown_are_counted_where_a_way_has_them():
    hidden = Rendering((Measured("virtual", SETTINGS, runs=(timed(superseded=7),)),))
    assert cell(hidden.measured[0], "never shown") == "7"
    assert "never shown: updates that newer ones replaced" in repr(hidden)
    assert "never shown" not in repr(rendering())


def test_what_a_count_leaves_out_is_said():
    ways = [Measured(name, {**SETTINGS, "page": page}) for name, page in (("a", "canvas"), ("b", "worker"), ("c", "x"))]
    text = repr(Rendering(tuple(ways)))
    assert "no DOM operation, layout or paint to count" in text
    assert "is not in task ms" in text
