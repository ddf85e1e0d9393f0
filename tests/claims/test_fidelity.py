"""Claims on the instrument: each holds where theory says, fails just beyond its bound, and says what it lacks."""

import numpy as np
import pytest

from labkit.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, fidelity
from labkit.claims.judging import claim
from labkit.experiments.selftest import Reading
from labkit.experiments.stall import Stall
from labkit.runs.comparison import Comparison
from labkit.runs.conditions import INSIDE, OUTSIDE
from labkit.runs.summary import Distribution
from tests.support import simulated


def reading(measured, *, lost=0):
    measured = np.asarray(measured, float)
    true = np.full(len(measured), 100.0)
    return Reading("case", true, measured, true, measured, lost, each_event=False)


def stall(from_send, from_intended):
    """A closed loop's p99 from the send and from the intended start, beside a true one of 100 ms."""
    told = (Distribution.of(np.full(100, float(value))) for value in (from_send, from_intended))
    return Stall(reading([100.0] * 100), *told)


def two(without, with_, condition, *, clients=10, **values):
    """A comparison of two kinds of runs, each with one value of what `values` names; called as a reader likes."""
    ((key, (a, b)),) = values.items()
    name, off, on = condition
    first = {key: a, "conditions": {name: off}, "clients": clients}
    second = {key: b, "conditions": {name: on}, "clients": clients}
    return simulated.comparison({without: first, with_: second}, repeats=2)


PLACE, FROZEN = ("client", OUTSIDE, INSIDE), ("gc_frozen", True, False)
STOCK, STAMPED = ("stock", False, True), ("instrumented", True, False)


CASES = {
    "reads-what-is-true": ((reading([104.9] * 9), reading([98.1] * 9)), (reading([104.9] * 9), reading([105.1] * 9))),
    "closed-loop-hides-a-stall": (stall(19.9, 0), stall(20.1, 0)),
    "intended-start-shows-it": (stall(0, 50.1), stall(0, 49.9)),
    "client-inside-is-late": (
        two("here", "there", PLACE, pings_late_ms=(0.05, 0.51)),
        two("here", "there", PLACE, pings_late_ms=(0.05, 0.49)),
    ),
    "collection-holds-everybody": (
        two("held", "free", FROZEN, handler_ms=(10, 31)),
        two("held", "free", FROZEN, handler_ms=(10, 29)),
    ),
    "nagle-holds-small-answers": (
        two("ours", "theirs", STOCK, own_ms=(2, 6.1), clients=1),
        two("ours", "theirs", STOCK, own_ms=(2, 5.9), clients=1),
    ),
    "stamps-cost-little": (
        two("watched", "alone", STAMPED, own_ms=(4, 3.1)),
        two("watched", "alone", STAMPED, own_ms=(4, 2.9)),
    ),
}
every_claim = pytest.mark.parametrize("slug", [c.slug for c in fidelity.CLAIMS])


def test_every_claim_has_a_case():
    assert set(CASES) == {c.slug for c in fidelity.CLAIMS}


@every_claim
def test_it_holds_within_its_bound_and_not_beyond(slug):
    holds, fails = CASES[slug]
    assert claim(slug, holds).status == HOLDS
    assert claim(slug, fails).status == DOES_NOT_HOLD


@every_claim
def test_other_evidence_is_not_testable(slug):
    for other in (simulated.comparison({"inline": {}}), simulated.run(), (), stall(1, 1), None):
        verdict = claim(slug, other)
        assert verdict.status == NOT_TESTABLE or isinstance(other, Stall)
        assert verdict.why or isinstance(other, Stall)


def pinging(name, late_ms, *, work_ms=500, pings=50):
    """A burst that is worked on for so long altogether, beside pings at 50/s."""
    own_ms = (float(work_ms),) * 5
    place = {"client": name.removeprefix("client ")}
    return simulated.run(
        name, own_ms=own_ms, service_ms=work_ms / 5, pings=pings, pings_late_ms=late_ms, conditions=place
    )


def test_pings_that_are_due_when_the_work_is_over_are_sent_in_time_wherever_the_client_is():
    inside = pinging("client inside", [10.0] * 25 + [0.05] * 25)
    judged = claim("client-inside-is-late", Comparison((pinging("client outside", 0.05), inside)))
    assert judged.headroom == pytest.approx(20)
    silent = Comparison((pinging("client outside", 0.05), pinging("client inside", 1.0, pings=0)))
    assert claim("client-inside-is-late", silent).status == NOT_TESTABLE


def test_one_run_in_three_in_which_the_client_was_kept_waiting_does_not_decide():
    outside, inside = [0.05, 30.0, 0.05], [10.0, 0.05, 10.0]
    runs = [pinging("client outside", late) for late in outside] + [pinging("client inside", late) for late in inside]
    assert claim("client-inside-is-late", Comparison(tuple(runs))).headroom == pytest.approx(20)


def test_a_lost_event_is_never_right():
    assert claim("reads-what-is-true", (reading([100] * 9, lost=1),)).status == DOES_NOT_HOLD
