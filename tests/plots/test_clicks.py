"""Figures of clicks: every interaction is a bar where it is, and titles say what was seen."""

import pytest

from labkit.browser.rendering import Measured, Rendering
from labkit.plots import page
from tests.support.figures import title
from tests.support.rendered import interaction, timed

# --- an interaction in its three parts ---


def in_parts(**ways):
    return Rendering(tuple(Measured(name, {}, runs=(timed(interactions=tuple(each)),)) for name, each in ways.items()))


def test_an_interaction_is_a_bar_of_three_parts_and_the_title_names_the_longest():
    result = in_parts(server=[interaction(1, 2, 3)], page=[interaction(4, 90, 6), interaction(10, 200, 30)])
    figure = page.inp_parts(result)
    assert title(figure) == "The longest interaction, 240 ms under page, is 83% processing"
    axes = figure.axes[0]
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches if bar.get_width()]
    assert bars == [(0, 10), (10, 200), (210, 30), (0, 4), (4, 90), (94, 6)]  # the longest of a way first
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "input delay",
        "processing",
        "presentation delay",
    ]
    assert "2 clicks, each below 16 ms: the browser tells no more of them" in axes.texts[0].get_text()
    assert axes.get_xlabel().endswith("(dotted: 200)")


def test_of_many_interactions_the_longest_are_drawn_and_their_number_is_told():
    figure = page.inp_parts(in_parts(page=[interaction(1, 20 + i, 3) for i in range(9)]), first=2)
    title(figure)
    assert len([bar for bar in figure.axes[0].patches if bar.get_width()]) == 6
    assert figure.axes[0].get_yticklabels()[0].get_text() == "page\n(2 longest of 9)"


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (Measured("no clicks", {}, runs=(timed(clicks=0, inp_ms=None),)), "nobody clicked"),
        (Measured("too short", {}, runs=(timed(inp_ms=None),)), "2 clicks, each below 16 ms"),
        (
            Measured("old file", {}, runs=(timed(interactions=({"start_ms": 1.0, "duration_ms": 64.0},)),)),
            "older labkit",
        ),
        (Measured("broken", {}, runs=(timed(problem="x"),)), "nobody clicked"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_has_no_parts_is_said(measured, said):
    figure = page.inp_parts(Rendering((measured,)))
    assert title(figure) == "No interaction took 16 ms or more"
    assert said in figure.axes[0].texts[0].get_text()


# --- what a person feels ---


def clicked(**ways):
    """Ways by name: INP in ms and the step of a click's stages; the result takes nine steps."""
    return Rendering(
        tuple(
            Measured(name, {}, runs=(timed(events=0, inp_ms=inp_ms, step_ms=step_ms),))
            for name, (inp_ms, step_ms) in ways.items()
        )
    )


def test_what_was_seen_is_told_by_verdict_and_by_the_last_result():
    result = clicked(A=(16.0, 100), B=(None, 110), page=(900.0, 100))
    figure = page.seen(result, guess_ms=300)
    assert title(figure) == "INP is good under A and B, poor under page; the last result comes after 0.9 to 1.0 s"
    axes = figure.axes[0]
    marks = [line for line in axes.lines if line.get_marker() == "D" and len(line.get_xdata())]
    assert [float(line.get_xdata()[0]) for line in marks] == [16, 16, 900]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["A", "B", "page"]
    assert 300 in [float(line.get_xdata()[0]) for line in axes.lines if line.get_linestyle() == "--"]


def test_a_result_that_comes_at_once_is_not_told_as_no_time_at_all():
    assert title(page.seen(clicked(A=(16.0, 4), B=(16.0, 40)))).endswith("the last result comes after 0.04 to 0.4 s")


@pytest.mark.parametrize(
    "measured",
    [
        (Measured("nothing", {}),),
        (Measured("broken", {}, runs=(timed(problem="x"),)),),
        (Measured("no clicks", {}, runs=(timed(clicks=0, inp_ms=None),)),),
    ],
    ids=lambda measured: measured[0].name,
)
def test_odd_data_is_drawn_as_it_is_felt(measured):
    assert title(page.seen(Rendering(measured))).startswith("INP is ")
    assert title(page.frontier(Rendering(measured))) == "INP and staleness, way by way"
