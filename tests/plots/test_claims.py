"""The advice in one picture: what it counts is what the lines say."""

import matplotlib.pyplot as plt
import pytest

from labkit.base.errors import UsageError
from labkit.claims import DEPENDS, DOES_NOT_HOLD, HOLDS, LINES, NOT_TESTABLE, ClaimsTable
from labkit.claims.line import judge
from labkit.plots import advice_lines
from tests.support.judged import deciding, verdicts


def table(*lines, **said):
    return ClaimsTable(tuple(judge(line, verdicts(**said)) for line in lines or LINES))


@pytest.fixture
def drawn():
    """Draw, and close whatever was drawn."""
    yield advice_lines
    plt.close("all")


#: What a mark says of its line, by what the legend says of the mark.
SAYS = {
    "a claim that says: true": True,
    "a claim that says: not true": False,
    "a claim that could not be tested here": None,
}


def marks(figure):
    """By row what each mark says, from left to right."""
    found = {}
    for line in figure.axes[0].lines:
        for at, row in zip(line.get_xdata(), line.get_ydata(), strict=True):
            found.setdefault(int(row), {})[int(at)] = SAYS[line.get_label()]
    return {row: [said[at] for at in sorted(said)] for row, said in found.items()}


@pytest.mark.parametrize("status", [HOLDS, DOES_NOT_HOLD])
def test_every_line_has_a_mark_for_each_claim_that_decides_it(drawn, status):
    shown = ClaimsTable(tuple(judge(line, verdicts(status)) for line in LINES))
    found = marks(drawn(shown))
    for row, each in enumerate(shown.lines):
        said = [bearing.supports(each.verdicts[bearing.slug]) for bearing in deciding(each.line)]
        assert found[row] == sorted(said, reverse=True)


def test_a_mark_is_explained_where_there_is_one_and_nothing_else_is(drawn):
    def explained(*args, **said):
        figure = drawn(ClaimsTable(tuple(judge(line, verdicts(*args, **said)) for line in LINES)))
        return {text.get_text() for legend in figure.legends for text in legend.get_texts()}

    assert explained() == {"a claim that says: true", "a claim that says: not true"}
    assert explained(NOT_TESTABLE) == {"a claim that could not be tested here"}


def test_nothing_is_to_be_read_from_a_scale(drawn):
    assert drawn(table()).axes[0].get_xticks().tolist() == []


def test_every_line_says_its_number_and_its_verdict(drawn):
    shown = table()
    axes = drawn(shown).axes[0]
    (right,) = axes.child_axes
    assert [label.get_text().split()[0] for label in axes.get_yticklabels()] == [str(line.number) for line in LINES]
    words = {HOLDS: "holds", DEPENDS: "depends", DOES_NOT_HOLD: "does not hold", NOT_TESTABLE: "not testable"}
    assert [label.get_text() for label in right.get_yticklabels()] == [words[each.status] for each in shown.lines]


def test_a_guess_is_written_beneath_the_verdict(drawn):
    (right,) = drawn(table(*LINES[:3]), guess={1: "holds", 2: "does not hold", 3: None}).axes[0].child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == [
        "holds\n(your guess: holds)",
        "depends\n(your guess: does not hold)",
        "depends",
    ]


def test_a_guess_that_is_no_verdict_is_refused(drawn):
    with pytest.raises(UsageError, match="a line holds, depends or does not hold: 'perhaps' is none of these"):
        drawn(table(), guess={2: "perhaps"})


def test_the_title_counts_the_lines_by_verdict(drawn):
    shown = table()
    title = drawn(shown).get_suptitle().replace("\n", " ")
    for status, word in ((HOLDS, "as"), (DEPENDS, "on"), (DOES_NOT_HOLD, "not")):
        assert f"{sum(each.status == status for each in shown.lines)} " in title
        assert word in title.split()
    assert "tested" not in title


def test_what_could_not_be_tested_says_so(drawn):
    shown = ClaimsTable(tuple(judge(line, verdicts(NOT_TESTABLE)) for line in LINES[:3]))
    figure = drawn(shown)
    assert {said for row in marks(figure).values() for said in row} == {None}
    assert figure.get_suptitle() == "Of 3 lines of the advice 3 could not be tested"


def test_a_title_of_ones_own(drawn):
    assert drawn(table(LINES[0]), title="Mine").get_suptitle() == "Mine"
