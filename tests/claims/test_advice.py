"""The 14 lines: each says everything about itself, and its verdict follows from those on its claims."""

import pytest

from labkit.claims import (
    CLAIMS,
    DEPENDS,
    DOES_NOT_HOLD,
    HOLDS,
    LINES,
    NOT_TESTABLE,
    STEPS,
    Line,
    handlers,
    modes,
    page,
    paint,
)
from labkit.claims.claim import Verdict
from labkit.claims.line import AGAINST, BESIDE, CONTROL, FOR, Bearing, Source, judge
from labkit.plan.modes import MODES
from tests.support.judged import SLUGS, deciding, verdicts

every_line = pytest.mark.parametrize("line", LINES, ids=lambda line: str(line.number))


def towards(line, side):
    """Every deciding claim speaks for the line, or every one against it."""
    return {b.slug.replace("-", "_"): HOLDS if b.side == side else DOES_NOT_HOLD for b in deciding(line)}


# --- the rule, line by line ---


@every_line
def test_a_line_holds_where_all_speaks_for_it(line):
    found = judge(line, verdicts(**towards(line, FOR)))
    assert (found.status, found.complete) == (HOLDS, True)
    assert found.why.startswith("True for: ")
    assert "Not true" not in found.why


@every_line
def test_a_line_does_not_hold_where_all_speaks_against_it(line):
    found = judge(line, verdicts(**towards(line, AGAINST)))
    assert (found.status, found.complete) == (DOES_NOT_HOLD, True)
    assert found.why.startswith("Not true for: ")


@pytest.mark.parametrize("line", [line for line in LINES if len(deciding(line)) > 1], ids=lambda line: str(line.number))
def test_a_line_depends_where_one_claim_speaks_otherwise(line):
    for other in deciding(line):
        said = towards(line, FOR)
        said[other.slug.replace("-", "_")] = DOES_NOT_HOLD if other.side == FOR else HOLDS
        found = judge(line, verdicts(**said))
        assert found.status == DEPENDS
        assert f"Not true for: {other.when}." in found.why


@every_line
def test_a_line_is_not_testable_where_no_claim_is(line):
    found = judge(line, verdicts(NOT_TESTABLE))
    assert (found.status, found.complete, found.why) == (NOT_TESTABLE, False, "There is no browser.")


@pytest.mark.parametrize("line", [line for line in LINES if len(deciding(line)) > 1], ids=lambda line: str(line.number))
def test_a_line_is_judged_on_what_could_be_tested_and_says_that_this_was_not_all(line):
    first, *rest = deciding(line)
    said = {b.slug.replace("-", "_"): NOT_TESTABLE for b in rest}
    found = judge(line, verdicts(**said))
    assert found.status == (HOLDS if first.side == FOR else DOES_NOT_HOLD)
    assert not found.complete
    assert found.why.endswith("The rest could not be tested here.")


@pytest.mark.parametrize("slug", ["ledger-is-closed", "one-alone"])
def test_nothing_is_concluded_from_a_measure_that_failed(slug):
    line = LINES[1]
    found = judge(line, verdicts(**{slug.replace("-", "_"): DOES_NOT_HOLD}))
    assert (found.status, found.complete) == (NOT_TESTABLE, False)
    assert CLAIMS[slug].sentence in found.why


def test_a_control_that_could_not_be_tested_decides_nothing():
    assert judge(LINES[1], verdicts(ledger_is_closed=NOT_TESTABLE)).status == DEPENDS


def test_what_is_told_beside_decides_nothing():
    line = Line(1, "q", "p", "m", (), (Bearing("to-sid-repairs-it", BESIDE, "x"), Bearing("neighbours-wait", FOR, "y")))
    assert judge(line, verdicts(to_sid_repairs_it=DOES_NOT_HOLD)).status == HOLDS


def test_where_every_claim_holds_most_lines_depend():
    found = {line.number: judge(line, verdicts()).status for line in LINES}
    assert [n for n, status in found.items() if status == HOLDS] == [1, 9]
    assert [n for n, status in found.items() if status == DOES_NOT_HOLD] == [4]
    assert {status for n, status in found.items() if n not in (1, 4, 9)} == {DEPENDS}


# --- the list ---


def test_there_are_the_14_lines_in_order():
    assert [line.number for line in LINES] == list(range(1, 15))


@every_line
def test_a_line_says_everything_about_itself(line):
    assert all((line.quote, line.proposition, line.measured, line.says, line.bearings))
    assert deciding(line)
    assert all(b.side in (FOR, AGAINST, BESIDE, CONTROL) and b.when for b in line.bearings)
    assert all(b.mode in (*MODES, "all") for b in line.bearings)
    assert len({(b.slug, b.side) for b in line.bearings}) == len(line.bearings)


@every_line
def test_a_source_is_an_issue_a_page_or_a_docstring_with_its_version(line):
    for source in line.says:
        assert source.says.endswith(".")
        issue = source.where.startswith("https://github.com/miguelgrinberg/Flask-SocketIO/issues/")
        assert issue or source.where == "" or "5.7.0" in source.where or source.url.startswith("https://web.dev/")


def test_only_an_address_is_one():
    assert Source("x.", "https://example.org").url == "https://example.org"
    assert Source("x.", "docstring of y").url == ""


def test_claims_and_lines_name_each_other():
    named = {slug: tuple(line.number for line in LINES if slug in line.slugs) for slug in SLUGS}
    # A claim of no line is the lab's own.
    ours = {c.slug: c.lines for c in (*handlers.CLAIMS, *page.CLAIMS, *paint.CLAIMS, *modes.CLAIMS) if c.lines}
    assert named == ours


def test_every_claim_of_a_line_has_a_step_that_feeds_it():
    assert {slug for step in STEPS for slug in step.slugs} == set(SLUGS)


@pytest.mark.parametrize(
    ("side", "status", "supports"),
    [
        (FOR, HOLDS, True),
        (FOR, DOES_NOT_HOLD, False),
        (AGAINST, HOLDS, False),
        (AGAINST, DOES_NOT_HOLD, True),
        (FOR, NOT_TESTABLE, None),
        (AGAINST, NOT_TESTABLE, None),
    ],
)
def test_what_a_verdict_on_a_claim_means_for_its_line(side, status, supports):
    assert Bearing("one-alone", side, "a case").supports(Verdict(CLAIMS["one-alone"], status)) is supports
