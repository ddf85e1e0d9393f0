"""The crossover map as a figure: each mark says what was measured, each line what the model says."""

import pytest
from matplotlib import pyplot as plt

from labkit import plots
from labkit.experiments import crossover_runs
from labkit.experiments.crossover_runs import survey
from labkit.plan.calibration import Expected
from tests.support.crossed import World

ASKED = {"service_ms": (20,), "load": (0.6, 1.5), "workers": (1, 2)}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def measured(monkeypatch):
    def alone(work, seed=0):
        return Expected((0,), (0,), True, (work.ms,), (work.ms,))

    def measure(world=None, **asked):
        found = survey(["inline", "process-pool"], **{**ASKED, **asked})
        return found.measure(measured=(world or World()).measured)

    monkeypatch.setattr(crossover_runs, "calibrated", alone)
    return measure


def marks(axes, row):
    """What stands in a row of cells: the mark, and whether it is full."""
    lines = [line for line in axes.lines if len(line.get_xdata()) == 1 and line.get_ydata()[0] == row]
    return [(line.get_marker(), line.get_markerfacecolor() not in ("white", "none")) for line in lines]


def test_a_panel_for_each_number_of_workers_and_a_mark_for_each_strategy(measured):
    figure = plots.crossover(measured())
    one, two = figure.axes
    assert [axes.get_title(loc="left") for axes in (one, two)] == ["1 worker", "2 workers"]
    assert [mark for mark, _ in marks(one, 1)] == ["x", "x"]
    assert marks(two, 1) == [("x", True), ("s", True)]


def test_a_mark_is_open_where_the_bystander_waits(measured):
    two = plots.crossover(measured(World(bystander_ms=(300.0, 300.0)))).axes[1]
    assert marks(two, 1) == [("x", True), ("s", False)]


def test_what_cannot_be_told_is_a_question_mark_and_what_was_not_measured_nothing(measured):
    found = measured(events=20, least_s=0.5, load=(0.3,))
    axes = plots.crossover(found).axes[0]
    assert [text.get_text() for text in axes.texts] == ["?", "?"]
    assert marks(axes, 0) == []


def test_where_the_model_says_otherwise_there_is_a_ring_and_the_title_says_it(measured):
    found = measured(World(slower=1.6))
    assert found.differing
    figure = plots.crossover(found)
    rings = [line for axes in figure.axes for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert len(rings) >= len(found.differing)
    assert "the model says otherwise" in figure.get_suptitle().replace("\n", " ")
    assert "the model says otherwise" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_models_border_lies_above_the_last_load_that_it_lets_hold(measured):
    found = measured()
    one = plots.crossover(found).axes[0]
    borders = [patch.get_data().values[0] for patch in one.patches]
    for name, height in zip(found.grid.strategies, borders, strict=True):
        holds = [found.predicted(found.grid.cell(name, 20, load, 1)) == "holds" for load in (0.6, 1.5)]
        assert abs(height - (sum(holds) - 0.5)) < 0.1
