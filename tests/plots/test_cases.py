"""The eight cases as a figure: what the title says is what the rows show."""

import pytest
from matplotlib import pyplot as plt

from labkit import plots
from tests.support import modelled
from tests.support.modelled import World


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_one_case_in_which_b_helps_is_named_and_marked():
    figure = plots.eight_cases(modelled.eight_cases())
    assert figure.get_suptitle().replace("\n", " ").endswith("in 1 of 8 cases: waits, serial, one client")
    assert [text.get_text() for text in figure.axes[0].texts] == ["B answers 5.0x sooner"]


def test_where_it_helps_nowhere_the_title_says_so_and_nothing_is_marked():
    figure = plots.eight_cases(modelled.eight_cases(World(helps=0.2)))
    assert "nobody sooner" in figure.get_suptitle()
    assert not figure.axes[0].texts


def test_a_row_is_a_case_and_shows_its_medians():
    found = modelled.eight_cases()
    own = plots.eight_cases(found).axes[0]
    assert [label.get_text() for label in own.get_yticklabels()][:2] == [
        "computes, default, one client", "computes, default, 10 clients",
    ]  # fmt: skip
    a, b = own.lines
    assert list(a.get_xdata()) == [case.a.own.p50_ms for case in found]
    assert list(b.get_xdata()) == [case.b.own.p50_ms for case in found]
