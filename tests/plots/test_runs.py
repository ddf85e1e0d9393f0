"""Every figure fits a README, says its units and a finding that its data support, and leaves matplotlib as it was."""

import dataclasses
import functools
import math
import re
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from labkit import plots
from labkit.base.errors import UsageError
from labkit.experiments.predict import Prediction
from labkit.strategies import DEFAULT
from tests.support import simulated

mpl.use("Agg")

NEVER = math.inf
LONG = "a register function that somebody has given a very long name, workers="
SERIAL = {"conditions": {"options": {"async_handlers": False}}}

CASES = {
    "one strategy": lambda: simulated.comparison({"inline": {}}),
    "two strategies": lambda: simulated.comparison({"inline": {}, "thread": {"own_ms": 1000, "handler_ms": 0.2}}),
    "eight strategies": lambda: simulated.comparison({name: {} for name in DEFAULT}, spread=0.3),
    "some unanswered": lambda: simulated.comparison({"inline": {"own_ms": [100] * 6 + [NEVER] * 4}, "thread": {}}),
    "none answered": lambda: simulated.comparison({"inline": {"own_ms": [NEVER] * 10}}),
    "no ping answered": lambda: simulated.comparison({"inline": {"bystander_ms": NEVER}, "thread": {}}),
    "nothing but answers": lambda: simulated.comparison({"inline": {}}, pings=0, threads=None, instrumented=False),
    "one event": lambda: simulated.comparison({"inline": {"events": 1}, "thread": {"events": 1}}, repeats=1),
    "long names": lambda: simulated.comparison({f"{LONG}{i}": {"own_ms": 1 + 9 * i} for i in range(2)}),
}


def predicted(events):
    """As theory has it for a burst of 100 ms each."""
    return Prediction(100.0 * np.arange(1, events + 1), np.full(events, 100.0 * events), 100.0, 1)


FIGURES = {
    "overview": plots.overview,
    "waterfall": lambda result: plots.waterfall(result.runs[0]),
    "distribution": plots.distribution,
    "distribution of pings": lambda result: plots.distribution(result, of="bystander"),
    "bystander strip": plots.bystander_strip,
    "residual": lambda result: plots.residual(result.runs[0], predicted(len(result.runs[0]))),
}
every_figure = pytest.mark.parametrize("name", FIGURES)
every_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@functools.cache
def drawn(name, case):
    """The figure, laid out; where matplotlib warns, the warning is raised: it would end in a notebook's output."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name](CASES[case]())
        figure.canvas.draw()
    return figure


def titles(figure):
    """All headings of a figure."""
    above = [figure.get_suptitle()] if figure.get_suptitle() else []
    return above + [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def two_by_two(**of_waiting):
    """The first lesson, as theory has it: B helps where work waits on a serial server."""
    names = {"inline": {}, "inline-serial": SERIAL, "thread": {}, "thread, async_handlers=False": SERIAL}
    computes = simulated.comparison(names)
    own = {"inline": 100, "inline-serial": 550, "thread": 100, "thread, async_handlers=False": 100} | of_waiting
    waits = simulated.comparison({name: {**rest, "own_ms": own[name]} for name, rest in names.items()})
    return computes, waits


# --- every figure ---


@every_figure
@every_case
def test_a_figure_is_drawn_without_a_warning_and_fits_a_readme(name, case):
    figure = drawn(name, case)
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches() * figure.dpi
    assert figure.dpi == 100
    assert width <= 880
    assert height <= 1000


@every_figure
@pytest.mark.parametrize("case", ["two strategies", "eight strategies", "some unanswered"])
def test_a_figures_axes_carry_units(name, case):
    bottom = [axes for axes in drawn(name, case).axes if axes.get_subplotspec().is_last_row()]
    if name == "residual":
        assert "ms" in drawn(name, case).axes[0].get_ylabel()
    elif name.startswith("distribution"):
        assert all("percentile" in axes.get_xlabel() for axes in bottom)
        assert all(re.search(r"\bms\b", axes.get_ylabel()) for axes in bottom)
    else:
        assert all(re.search(r"\bms\b", axes.get_xlabel()) for axes in bottom)


def test_every_strips_upright_axis_carries_its_unit():
    assert all(re.search(r"\bms\b", axes.get_ylabel()) for axes in drawn("bystander strip", "two strategies").axes)


@every_figure
@every_case
def test_a_figures_title_is_a_sentence_without_an_undefined_number(name, case):
    found = titles(drawn(name, case))
    assert len(found[0]) > 10
    assert not [title for title in found if re.search(r"\bnanx?\b|\binfx?\b", title)]


@every_figure
@pytest.mark.parametrize("case", ["eight strategies", "two strategies"])
def test_a_title_is_not_cut_off(name, case):
    figure = drawn(name, case)
    assert all(right <= figure.bbox.width for right in right_ends(figure))


@every_figure
def test_a_title_with_the_longest_name_of_the_notebooks_is_not_cut_off(name):
    result = simulated.comparison({"inline-serial": {}, "thread, async_handlers=False": {"own_ms": 1}}, bystander_ms=44)
    result += simulated.comparison({"inline": {"bystander_ms": 444}})
    figure = FIGURES[name](result)
    figure.canvas.draw()
    assert all(right <= figure.bbox.width for right in right_ends(figure))


def right_ends(figure):
    """Where the headings end, in pixels."""
    texts = [axes._left_title for axes in figure.axes] + ([figure._suptitle] if figure._suptitle else [])
    return [text.get_window_extent().x1 for text in texts if text.get_text()]


@every_figure
def test_a_figure_leaves_the_readers_settings_alone(name):
    with mpl.rc_context({"font.size": 7.25, "axes.grid": False}):
        before = dict(mpl.rcParams)
        FIGURES[name](CASES["two strategies"]())
        assert dict(mpl.rcParams) == before


def test_a_refused_figure_leaves_the_readers_settings_alone():
    with mpl.rc_context({"font.size": 7.25, "axes.grid": False}):
        before = dict(mpl.rcParams)
        with pytest.raises(UsageError):
            plots.distribution(CASES["one strategy"](), of="nonsense")
        assert dict(mpl.rcParams) == before


@every_figure
def test_a_closed_figure_leaves_none_open(name):
    open_before = plt.get_fignums()
    plt.close(FIGURES[name](CASES["two strategies"]()))
    assert plt.get_fignums() == open_before


@pytest.mark.parametrize("name", ["overview", "distribution", "bystander strip"])
def test_a_title_of_ones_own_replaces_the_finding(name):
    figure = getattr(plots, name.replace(" ", "_"))(CASES["two strategies"](), title="Mine")
    assert titles(figure)[0] == "Mine"


# --- overview ---


def test_the_overview_names_every_strategy_in_the_labs_order():
    labels = [text.get_text() for text in drawn("overview", "eight strategies").axes[0].get_yticklabels()]
    letter = {"inline": "A  ", "inline-serial": "A  ", "thread": "B  "}
    letter |= {"thread-broadcast": "B  ", "background-task": "B  "}
    assert labels == [f"{letter.get(name, '')}{name}" for name in DEFAULT]


def test_the_overview_explains_a_and_b_where_they_are():
    assert "B: it starts a thread" in drawn("overview", "two strategies")._supxlabel.get_text()
    assert "B:" not in drawn("overview", "one strategy")._supxlabel.get_text()


def test_the_overviews_bar_lies_among_its_rings():
    """Two long runs of slow answers and one short of quick ones: the median of all values is none of the runs'."""
    runs = [simulated.run(own_ms=own, clients=1) for own in ([100] * 3, [120] * 3, [900] * 20)]
    own = plots.overview(type(CASES["one strategy"]())(tuple(runs))).axes[1]
    (bar,) = (line for line in own.lines if line.get_linewidth() > 2)
    assert set(bar.get_xdata()) == {120}


def test_tick_labels_of_neighbouring_panels_do_not_touch():
    result = simulated.comparison({"inline": {"handler_ms": 0.02, "own_ms": 9000, "bystander_ms": 1}})
    figure = plots.overview(result)
    figure.canvas.draw()
    for left, right in zip(figure.axes, figure.axes[1:], strict=False):
        assert tick_labels(left)[-1].x1 + 12 < tick_labels(right)[0].x0


def tick_labels(axes):
    """Where those are that can be seen, from left to right."""
    low, high = axes.get_xlim()
    seen = [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    return sorted((label.get_window_extent() for label in seen), key=lambda box: box.x0)


def test_the_overview_shows_every_repeat():
    result = simulated.comparison({"inline": {}}, repeats=5, spread=0.2)
    panels = plots.overview(result).axes
    rings = [line for line in panels[1].lines if line.get_marker() == "o"]
    assert sorted(rings[0].get_xdata()) == pytest.approx(sorted(np.sort(run.own_ms)[4] for run in result.runs))


def test_the_overview_counts_what_never_came():
    texts = [text.get_text() for axes in drawn("overview", "some unanswered").axes for text in axes.texts]
    assert texts == ["12 never"]


def test_very_long_names_leave_room_for_the_panels():
    assert all(axes.get_position().width > 0.12 for axes in drawn("overview", "long names").axes)


# --- waterfall ---


def labels(figure):
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_a_waterfall_draws_prediction_and_guess_where_they_are():
    theory = Prediction(np.arange(1.0, 11) * 100, np.full(10, 1000.0), 100.0, 1)
    figure = plots.waterfall(simulated.run(), prediction=theory, guess_ms=640)
    lines = {line.get_label(): list(line.get_xdata()) for line in figure.axes[0].lines}
    assert lines["theory: one by one"] == list(theory.fifo_ms)
    assert lines["theory: sharing"] == list(theory.sharing_ms)
    assert lines["your guess"] == [640, 640]
    assert {"theory: one by one", "theory: sharing", "your guess"} <= labels(figure)


def test_a_prediction_counts_from_when_each_event_was_due():
    plan = simulated.burst(1, times=3, every_s=1.0)
    theory = Prediction(np.full(3, 100.0), np.full(3, 100.0), 100.0, 1)
    figure = plots.waterfall(simulated.run(plan=plan, own_ms=100), prediction=theory)
    line = next(line for line in figure.axes[0].lines if line.get_label() == "theory: one by one")
    assert list(line.get_xdata()) == [100, 1100, 2100]


def test_a_waterfall_without_prediction_and_guess_draws_neither():
    assert not {"theory: one by one", "theory: sharing", "your guess"} & labels(plots.waterfall(simulated.run()))


def test_a_waterfall_shows_the_work_for_as_long_as_it_took():
    run = simulated.run(own_ms=1000, service_ms=100)
    work = next(c for c in plots.waterfall(run).axes[0].containers if c.get_label() == "work")
    assert [bar.get_width() for bar in work] == pytest.approx(list(run.service_ms))


def test_a_waterfall_ends_after_the_first_so_many_events():
    figure = plots.waterfall(simulated.run(events=50), first=7)
    assert {len(container) for container in figure.axes[0].containers} == {7}


def test_a_waterfall_marks_what_was_never_answered():
    figure = plots.waterfall(simulated.run(own_ms=[5, 7, NEVER]))
    cross = next(line for line in figure.axes[0].lines if line.get_label() == "never answered")
    assert list(cross.get_ydata()) == [2]


def test_a_waterfall_explains_what_it_draws_and_nothing_else():
    run = simulated.run(own_ms=1000, service_ms=100, late_ms=0)
    explained = labels(plots.waterfall(run))
    assert explained == {
        "client to inbox", "waits in the inbox", "waits for its turn", "work",
        "work done, not yet sent", "answer queued and on its way",
    }  # fmt: skip
    events = {**run.events, "work_end": run.events["emitted"] - 100_000, "read": run.events["intended"] + 100_000}
    explained = labels(plots.waterfall(dataclasses.replace(run, events=events)))
    assert not {"client to inbox", "work done, not yet sent"} & explained  # 0.1 of 1000 ms: nobody sees it
    assert {"work", "waits for its turn"} <= explained


def test_a_waterfall_says_how_many_events_it_leaves_out_and_is_no_higher_than_a_window():
    figure = plots.waterfall(simulated.run(events=120), prediction=predicted(120))
    assert figure.axes[0].get_ylabel() == "event (first 30 of 120)"
    assert figure.get_figheight() * figure.dpi <= 520
    assert plots.waterfall(simulated.run(events=30)).axes[0].get_ylabel() == "event"


def test_a_time_axis_names_its_zero_and_its_unit():
    assert plots.waterfall(simulated.run()).axes[0].get_xlabel() == "time since the burst was due (ms)"
    lasts = simulated.run(plan=simulated.burst(1, times=3, every_s=1.0), own_ms=100)
    assert plots.waterfall(lasts).axes[0].get_xlabel() == "time since the first event was due (ms)"


# --- distribution ---


@pytest.mark.parametrize("of", ["nonsense", "strategy", "connection_blocked"])
def test_a_distribution_of_something_else_is_refused(of):
    with pytest.raises(UsageError, match="own, bystander, handler_blocking"):
        plots.distribution(CASES["one strategy"](), of=of)


def test_a_distribution_that_is_refused_leaves_no_figure_open():
    with pytest.raises(UsageError):
        plots.distribution(CASES["one strategy"](), of="nonsense")
    assert plt.get_fignums() == []


def test_a_distribution_ends_where_three_samples_lie_beyond():
    figure = plots.distribution(simulated.comparison({"inline": {}}, repeats=3))
    assert figure.axes[0].lines[0].get_xdata()[-1] == pytest.approx(10)  # p90 of 30 samples


def test_a_legend_stands_in_the_order_in_which_its_lines_end():
    result = simulated.comparison({"inline": {"own_ms": 10}, "mine": {"own_ms": 400}, "thread": {"own_ms": 100}})
    legend = plots.distribution(result).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["mine", "thread", "inline"]


def test_waits_that_are_spread_evenly_are_a_ramp_on_linear_axes():
    even = simulated.comparison({"server-batch": {"own_ms": list(np.linspace(1, 200, 200))}}, repeats=1)
    axes = plots.distribution(even, linear=True).axes[0]
    percent, waits_ms = axes.lines[0].get_data()
    assert waits_ms == pytest.approx(2 * np.asarray(percent), abs=1.1)
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_ylim()[0]) == ("linear", "linear", 0)
    assert plots.distribution(even).axes[0].get_yscale() == "log"


def test_a_distribution_names_the_longest_and_the_shortest_median():
    result = simulated.comparison({"inline": {"own_ms": 900}, "thread": {"own_ms": 100}, "mine": {"own_ms": 400}})
    title = plots.distribution(result).get_suptitle().replace("\n", " ")
    assert title == "Own answers: 100 ms under thread, 900 ms under inline (median)"


def test_where_nothing_was_measured_no_median_is_told():
    result = simulated.comparison({"inline": {}, "thread": {}}, instrumented=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        title = plots.distribution(result, of="handler_blocking").get_suptitle()
    assert title == "Handlers by percentile"


# --- bystander strip ---


def test_a_strip_has_a_point_a_ping_and_a_line_for_each_that_never_came_back():
    run = simulated.run(bystander_ms=[1, 2, NEVER, 4])
    strip = plots.bystander_strip(run).axes[0]
    points = next(line for line in strip.lines if line.get_marker() == "o")
    assert list(points.get_ydata()) == [1, 2, 4]
    assert [line.get_xdata()[0] for line in strip.lines if line.get_marker() != "o"] == [run.pings["intended"][2] / 1e6]


def test_a_strips_upright_axis_is_linear_and_begins_at_0():
    for axes in drawn("bystander strip", "two strategies").axes:
        assert axes.get_yscale() == "linear"
        assert axes.get_ylim()[0] == 0


def test_noise_does_not_fill_a_strip():
    assert plots.bystander_strip(simulated.run(bystander_ms=0.4)).axes[0].get_ylim()[1] > 10


def waiting_until(end_ms, **about):
    """A run whose last answer goes out at `end_ms`, and all of its pings with it."""
    return simulated.run(own_ms=end_ms, bystander_ms=[max(1.0, end_ms - 20 * (i + 0.5)) for i in range(40)], **about)


def dashed(axes):
    return [line for line in axes.lines if line.get_linestyle() == "--"]


def test_pings_that_wait_for_the_last_answer_lie_on_the_dashed_line():
    axes = plots.bystander_strip(waiting_until(800)).axes[0]
    (line,) = dashed(axes)
    points = next(each for each in axes.lines if each.get_marker() == "o")
    on_line = np.interp(points.get_xdata(), line.get_xdata(), line.get_ydata())
    assert points.get_ydata()[:-1] == pytest.approx(on_line[:-1])


def test_where_no_ping_waits_there_is_no_dashed_line():
    figure = plots.bystander_strip(simulated.run(own_ms=800, bystander_ms=2))
    assert dashed(figure.axes[0]) == []
    assert "pings that wait for it lie here" not in labels(figure)
    assert "pings that wait for it lie here" in labels(plots.bystander_strip(waiting_until(800)))


# --- two by two ---

FINDING = "Only where work waits on a server that is serial"


def test_two_by_two_says_the_finding_where_the_data_say_so():
    assert FINDING in plots.two_by_two(*two_by_two()).get_suptitle()


@pytest.mark.parametrize(
    ("name", "own_ms"),
    [
        ("inline-serial", 100),  # B does not help where it should
        ("inline", 550),  # B helps with default settings too
    ],
)
def test_two_by_two_does_not_say_it_where_the_data_of_waiting_work_deny_it(name, own_ms):
    assert FINDING not in plots.two_by_two(*two_by_two(**{name: own_ms})).get_suptitle()


@pytest.mark.parametrize("name", ["inline", "inline-serial"])
def test_two_by_two_does_not_say_it_where_the_data_of_computing_work_deny_it(name):
    computes, waits = two_by_two()
    slow = simulated.comparison({name: {"own_ms": 5000, **(SERIAL if name != "inline" else {})}})
    computes = type(computes)(tuple(run for run in computes.runs if run.strategy != name)) + slow
    assert FINDING not in plots.two_by_two(computes, waits).get_suptitle()


def test_two_by_two_sees_that_b_helps_where_a_answers_nobody():
    computes, waits = two_by_two(**{"inline-serial": [NEVER] * 10})
    figure = plots.two_by_two(computes, waits)
    assert "nobody sooner" not in figure.axes[3].get_title(loc="left")


def test_two_by_two_says_where_neighbours_wait_for_ever():
    computes, waits = two_by_two()
    dead = simulated.comparison({"thread": {"bystander_ms": NEVER}})
    computes = type(computes)(tuple(run for run in computes.runs if run.strategy != "thread")) + dead
    panels = [axes.get_title(loc="left") for axes in plots.two_by_two(computes, waits).axes]
    assert ["pings wait for ever" in title for title in panels] == [True, False, False, False]


def test_two_by_twos_longest_heading_is_not_cut_off():
    waiting = {"inline-serial": 15, "thread, async_handlers=False": 300}
    names = {"inline": {}, "inline-serial": SERIAL, "thread": {}, "thread, async_handlers=False": SERIAL}
    computes = simulated.comparison({n: {**rest, "bystander_ms": waiting.get(n, 1)} for n, rest in names.items()})
    figure = plots.two_by_two(computes, two_by_two()[1])
    figure.canvas.draw()
    assert figure.axes[1].get_title(loc="left").endswith("B answers nobody sooner, pings take 20x as long")
    assert max(right_ends(figure)) <= figure.bbox.width


def test_two_by_two_says_in_each_panel_whether_b_helps():
    panels = [axes.get_title(loc="left") for axes in plots.two_by_two(*two_by_two()).axes]
    assert ["nobody sooner" in title for title in panels] == [True, True, True, False]
    assert "5.5x sooner" in panels[3]


def test_two_by_two_fits_and_carries_units():
    figure = plots.two_by_two(*two_by_two())
    assert figure.get_size_inches()[0] * figure.dpi <= 880
    assert [re.search(r"\bms\b", axes.get_xlabel()) is not None for axes in figure.axes[2:]] == [True, True]
    assert [text.get_text()[0] for text in figure.axes[0].get_yticklabels()] == ["A", "B", "A", "B"]


def test_two_by_two_says_which_runs_it_lacks_and_leaves_no_figure_open():
    computes, waits = two_by_two()
    with pytest.raises(UsageError, match="needs runs of thread, async_handlers=False"):
        plots.two_by_two(computes + waits, simulated.comparison({"inline": {}, "inline-serial": SERIAL, "thread": {}}))
    assert plt.get_fignums() == []


# --- what the models leave out ---


def test_a_residual_is_what_was_measured_beyond_the_prediction():
    figure = plots.residual(simulated.run(own_ms=100.0 * np.arange(1, 11) + 7), predicted(10))
    one_by_one, sharing = figure.axes
    assert one_by_one.lines[1].get_ydata().tolist() == pytest.approx([7.0] * 10)
    assert sharing.lines[1].get_ydata().tolist() == pytest.approx([7.0 - 100 * i for i in range(9, -1, -1)])
    assert "median +7.0 ms, +7% of the work" in one_by_one.get_title(loc="left")
    said = " ".join(figure.get_suptitle().split())
    assert said == 'inline: "one by one" is the nearer model, off by 7.0 ms (7% of the work) at the median'


def test_a_residual_needs_the_plan_that_was_predicted():
    with pytest.raises(UsageError, match="same plan"):
        plots.residual(simulated.run(), predicted(9))


# --- what must not be used ---


def marks(figure):
    return [text.get_text() for text in figure.texts if "INVALID" in text.get_text()]


@every_figure
def test_an_invalid_run_is_marked_in_every_figure(name):
    invalid = simulated.comparison({"inline": {"outcomes": {"unaccounted": 1}}, "thread": {}}, repeats=1, seed=3)
    figure = FIGURES[name](type(invalid)(tuple(sorted(invalid.runs, key=lambda run: run.is_valid))))
    assert [mark[:11] for mark in marks(figure)] == ["INVALID: 1 "]
    assert "1 events have no outcome" in marks(figure)[0].replace("\n", " ")
    assert marks(FIGURES[name](simulated.comparison({"inline": {}}))) == []
