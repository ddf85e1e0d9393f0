"""A verdict as text and as HTML: the sentence is the same, and what was measured is folded beneath it."""

import math

import pytest

from labkit.claims import CLAIMS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Verdict


def html(slug="neighbours-wait", status=HOLDS, headroom=2.1234, why=""):
    return Verdict(CLAIMS[slug], status, headroom, why)._repr_html_()


def test_the_text_is_the_sentence_alone():
    claim = CLAIMS["neighbours-wait"]
    assert repr(Verdict(claim, HOLDS, 2.1)) == f"HOLDS: {claim.sentence}"
    assert repr(Verdict(claim, DOES_NOT_HOLD, 0.51)) == (
        f"DOES NOT HOLD HERE: {claim.sentence} (measured 0.51 of the bound: {claim.margin})"
    )


def test_what_was_measured_of_which_bound_is_folded_beneath_the_sentence():
    sentence, _, folded = html().partition("</p>")
    assert sentence == f"<p>HOLDS: {CLAIMS['neighbours-wait'].sentence.replace(chr(39), '&#x27;')}"
    assert folded.startswith('<details class="labkit-measured"><summary>measured 2.12 times the bound')
    assert "half the work&#x27;s CPU time" in folded
    assert "\n" not in html()  # nbval's rule looks at one line


def test_the_sentence_is_the_same_whatever_was_measured():
    for status in (HOLDS, DOES_NOT_HOLD):
        assert (
            html(status=status, headroom=1.5).partition("<details")[0] == html(status=status).partition("<details")[0]
        )


@pytest.mark.parametrize(("status", "words"), [(HOLDS, "counted as claimed"), (DOES_NOT_HOLD, "counted otherwise")])
def test_an_exact_count_has_no_ratio(status, words):
    said = html("ledger-is-closed", status, float(status == HOLDS))
    assert words in said
    assert "times the bound" not in said


def test_what_is_not_testable_was_not_measured():
    assert html(status=NOT_TESTABLE, headroom=math.nan, why="needs <two> runs") == (
        "<p>NOT TESTABLE HERE: needs &lt;two&gt; runs</p>"
    )


def test_a_ratio_without_a_limit_is_a_number_too():
    assert "measured inf times the bound" in html(headroom=math.inf)
