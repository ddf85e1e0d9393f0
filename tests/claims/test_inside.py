"""Claims about what was seen inside an app: just above the bound, just below it, and where none can be judged."""

import pytest

from labkit.claims import CLAIMS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, inside
from labkit.claims.judging import claim
from labkit.runs import environment
from tests.support.shop_day import seen

HOLD, FREE, ALONE, PILES = (entry.slug for entry in inside.CLAIMS)


@pytest.fixture(autouse=True)
def _with_a_gil(monkeypatch):
    monkeypatch.setattr(environment, "gil", lambda: True)


def pair(before=None, after=None):
    return seen(**(before or {})), seen(**{"report": "elsewhere", "to": True, "unsent": 1, **(after or {})})


#: A little better and a little worse than the bound.
CASES = [
    (HOLD, lambda: seen(own_waits=0.51), lambda: seen(own_waits=0.49)),
    (HOLD, lambda: seen(others_wait=0.49), lambda: seen(others_wait=0.51)),
    # Who has the GIL for 20 ms at once is to blame.
    (FREE, lambda: pair(after={"beside_ms": 19}), lambda: pair(after={"beside_ms": 21})),
    (FREE, pair, lambda: pair(after={"report": "thread"})),
    (FREE, lambda: pair(before={"beside_ms": 100}), lambda: pair(before={"beside_ms": 600})),
    (ALONE, pair, lambda: pair(before={"receivers": 4})),
    (PILES, lambda: pair(after={"unsent": 10}), lambda: pair(after={"unsent": 11})),
]

UNTESTABLE = [
    (HOLD, lambda: seen(async_handlers=True), "needs a server with async_handlers=False"),
    (HOLD, lambda: seen(query_cpu=150), "needs a slow handler that waits for something"),
    (HOLD, lambda: seen(searches=4), "needs five events or more"),
    (HOLD, pair, "needs a Seen, not a tuple"),
    (FREE, lambda: pair(before={"report": "elsewhere"}), "needs a slow handler that computes"),
    (FREE, lambda: (seen(),), "before and after"),
    (FREE, lambda: ("before", "after"), "before and after"),
    (ALONE, lambda: pair(after={"to": False}), "reached fewer clients after than before"),
    (PILES, lambda: pair(before={"unsent": 9}), "needs a client that does not read"),
    (PILES, seen, "needs a tuple, not a Seen"),
]


def test_every_claim_is_tried_here_and_known_to_all():
    slugs = {entry.slug for entry in inside.CLAIMS}
    assert {slug for slug, *_ in CASES} == {slug for slug, *_ in UNTESTABLE} == slugs <= set(CLAIMS)


@pytest.mark.parametrize(("slug", "better", "worse"), CASES)
def test_a_claim_holds_above_its_bound_and_not_below(slug, better, worse):
    assert repr(claim(slug, better())) == f"{HOLDS}: {CLAIMS[slug].sentence}"
    assert claim(slug, worse()).status == DOES_NOT_HOLD


@pytest.mark.parametrize(("slug", "evidence", "why"), UNTESTABLE)
def test_what_cannot_be_judged_says_why(slug, evidence, why):
    verdict = claim(slug, evidence())
    assert verdict.status == NOT_TESTABLE
    assert why in verdict.why
    assert not any(character.isdigit() for character in verdict.why)


def test_without_a_gil_nobody_waits_for_it(monkeypatch):
    monkeypatch.setattr(environment, "gil", lambda: False)
    assert "with a GIL" in claim(FREE, pair()).why


def test_that_reports_wait_for_each_other_is_not_counted():
    """Two of them at once share the GIL: that is no evidence on others."""
    alone, two = seen(), seen(reports=2)
    waited = {cell.waited for cell in two.blame.cells if cell.by == "report"}
    assert "report" in waited
    assert inside._held_s(two) == inside._held_s(alone)
