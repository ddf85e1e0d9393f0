"""Claims about an app that was fired at: just above the bound, just below it, and where none can be judged."""

from dataclasses import replace

import numpy as np
import pytest

from labkit.claims import CLAIMS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, outside
from labkit.claims.judging import claim
from labkit.runs.comparison import Comparison
from labkit.runs.diff import diff
from tests.support import simulated

CLOSED, MENDED = (entry.slug for entry in outside.CLAIMS)


def loops(opened_ms=20.0, closed_ms=1.0, *, pings=100, answers=100, every=1, events=3, **about):
    """A bystander that searches every 20 ms, or more rarely, and what a client waited that waits for each answer.

    Beside them somebody asks for three reports, a tenth of a second each.
    """
    run = simulated.run("127.0.0.1:5000", events, bystander_ms=opened_ms, pings=pings, **about)
    rare = {**run.pings, "intended": run.pings["intended"] * every, "acked": run.pings["acked"] * every}
    return replace(run, pings=rare) if every > 1 else run, np.full(answers, closed_ms)


def versions(before_ms=20.0, after_ms=1.0, runs=5, **about):
    """Two versions of an app, each measured several times."""
    sides = (
        Comparison(tuple(simulated.run("shop", bystander_ms=ms * (1 + i / 100), **about) for i in range(runs)))
        for ms in (before_ms, after_ms)
    )
    return diff(*sides)


#: A little better and a little worse than the bound.
CASES = [
    (CLOSED, lambda: loops(opened_ms=10.1), lambda: loops(opened_ms=9.9)),
    (CLOSED, lambda: loops(closed_ms=9.9), lambda: loops(closed_ms=10.1)),
    (CLOSED, lambda: loops(events=9), lambda: loops(closed_ms=10.1, events=9)),
    (MENDED, lambda: versions(20, 9.9), lambda: versions(20, 10.1)),
    (MENDED, versions, lambda: versions(20, 20)),
    (MENDED, versions, lambda: versions(1, 20)),
]

UNTESTABLE = [
    (CLOSED, lambda: loops(pings=49), "needs 50 answers or more"),
    (CLOSED, lambda: loops(answers=49), "needs 50 answers or more"),
    (CLOSED, lambda: loops(every=2), "more often than every 40 ms"),
    (CLOSED, lambda: loops(events=11), "others waited during 55% of it"),
    (CLOSED, lambda: loops(own_ms=[np.inf]), "others waited during 100% of it"),
    (CLOSED, lambda: loops()[:1], "needs a run, and the latencies"),
    (CLOSED, versions, "needs a tuple, not a Diff"),
    (MENDED, lambda: versions(runs=3), "too few runs to tell"),
    (MENDED, lambda: versions(pings=0), "needs a bystander on both sides"),
    (MENDED, loops, "needs a Diff, not a tuple"),
]


def test_every_claim_is_tried_here_and_known_to_all():
    slugs = {entry.slug for entry in outside.CLAIMS}
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


def test_answers_that_never_came_are_no_better():
    assert claim(CLOSED, loops(closed_ms=np.inf)).status == DOES_NOT_HOLD
