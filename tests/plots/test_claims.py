"""The advice in one picture: what it counts is what the lines say."""

import matplotlib.pyplot as plt
import pytest

from labkit.claims import DEPENDS, DOES_NOT_HOLD, HOLDS, LINES, NOT_TESTABLE, ClaimsTable
from labkit.claims.line import judge
from labkit.plots import advice_lines
from tests.support.judged import verdicts


def table(*lines, **said):
    return ClaimsTable(tuple(judge(line, verdicts(**said)) for line in lines or LINES))


@pytest.fixture
def drawn():
    """Draw, and close whatever was drawn."""
    yield advice_lines
    plt.close("all")


def bars(figure):
    """By row the cases not so and so, from the bars themselves."""
    found = {}
    for bar in figure.axes[0].patches:
        row, width = round(bar.get_y() + bar.get_height() / 2), round(bar.get_width())
        found.setdefault(row, [0, 0])[width > 0] = abs(width)
    return found


def test_every_line_has_its_cases_as_its_sentence_counts_them(drawn):
    shown = table()
    found = bars(drawn(shown))
    for row, each in enumerate(shown.lines):
        parts = each.why.split("Not so for: ")
        so = parts[0].removeprefix("So for: ").strip()
        told = [len(part.split(";")) if part else 0 for part in (parts[1] if len(parts) > 1 else "", so)]
        assert found[row] == told


def test_every_line_says_its_number_and_its_verdict(drawn):
    shown = table()
    axes = drawn(shown).axes[0]
    (right,) = axes.child_axes
    assert [label.get_text().split()[0] for label in axes.get_yticklabels()] == [str(line.number) for line in LINES]
    words = {HOLDS: "holds", DEPENDS: "depends", DOES_NOT_HOLD: "does not hold", NOT_TESTABLE: "not testable"}
    assert [label.get_text() for label in right.get_yticklabels()] == [words[each.status] for each in shown.lines]


def test_the_title_counts_the_lines_by_verdict(drawn):
    shown = table()
    title = drawn(shown).get_suptitle().replace("\n", " ")
    for status, word in ((HOLDS, "as"), (DEPENDS, "on"), (DOES_NOT_HOLD, "not")):
        assert f"{sum(each.status == status for each in shown.lines)} " in title
        assert word in title.split()
    assert "tested" not in title


def test_what_could_not_be_tested_has_no_bar_and_says_so(drawn):
    shown = ClaimsTable(tuple(judge(line, verdicts(NOT_TESTABLE)) for line in LINES[:3]))
    figure = drawn(shown)
    assert bars(figure) == {}
    assert figure.get_suptitle() == "Of 3 lines of the advice 3 could not be tested"


def test_a_title_of_ones_own(drawn):
    assert drawn(table(LINES[0]), title="Mine").get_suptitle() == "Mine"
