"""The figure of several servers: a line a stay, a cross for what was never had."""

from labkit import plots
from tests.experiments.test_several_servers import killed, result
from tests.runs.test_deliveries import HERE, books


def test_without_an_end_there_is_one_panel_and_a_line_for_each_side():
    (axes,) = plots.several_servers(result()).axes
    assert [line.get_label() for line in axes.lines] == ["on the sender's server", "on another server"]
    assert axes.lines[0].get_xdata().tolist() == [1, 2]


def test_what_was_lost_keeps_the_line_below_100_percent():
    found = result()
    found.phases["steady"] = books([(0, 0, 10), (1, 1, 20)], [(0, 0, 12), (1, 1, 21), (1, 0, 27)], HERE)
    (axes,) = plots.several_servers(found).axes
    assert axes.lines[1].get_label() == "on another server, 1 lost"
    assert axes.lines[1].get_ydata().tolist() == [50]


def test_each_stay_is_a_line_and_what_never_came_a_cross():
    _, axes = plots.several_servers(result(killed=killed())).axes
    stays = [segment for lines in axes.collections for segment in lines.get_segments()]
    assert len(stays) == 3
    crosses = axes.lines[0]
    assert crosses.get_ydata().tolist() == [1, 1]
    assert axes.get_title(loc="left") == "One server killed: 2 never had (x), 0 of 3 not sent (|)"


def test_the_title_is_the_finding_or_the_readers():
    assert "takes 1.0 ms to the sender's server" in plots.several_servers(result()).get_suptitle()
    assert plots.several_servers(result(), title="mine").get_suptitle() == "mine"
