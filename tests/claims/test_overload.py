"""Claims about load that lasts: each holds, does not hold, or says why it cannot be judged, on what a queue does."""

import dataclasses

import numpy as np
import pytest

from labkit.claims import CLAIMS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, overload
from labkit.claims.judging import claim
from tests.claims.test_handlers import assert_is_a_sentence
from tests.support import queued, simulated

GROWS, KEEPS, LIGHT = (entry.slug for entry in overload.CLAIMS)


def slower(factor):
    """As a queue without a limit, with each wait so many times as long."""

    def model(plan):
        own_ms, outcomes = queued.unbounded(plan)
        return own_ms * factor, outcomes

    return model


def level(early_ms, late_ms):
    """Waits that know two lengths only: of the first half and of the second."""

    def model(plan):
        half = len(plan) // 2
        return np.array([early_ms] * half + [late_ms] * (len(plan) - half), float), ["answered"] * len(plan)

    return model


def refusing(share, late_ms=40.0):
    """Of every hundred events in turn, so many are refused and the others answered."""

    def model(plan):
        refused = np.arange(len(plan)) % 100 >= 100 - share
        return np.where(refused, 0.5, late_ms), ["shed" if one else "answered" for one in refused]

    return model


def of(**models):
    return queued.sustained({**queued.USUAL, **{name.replace("_", "-"): model for name, model in models.items()}})


def late_theory_ms():
    """What first in, first out makes of the last quarter at 150%: its median."""
    fifo_ms = queued.sustained().theory[-1].fifo_ms
    return float(np.median(fifo_ms[-(len(fifo_ms) // 4) :]))


#: A little better and a little worse than each bound.
CASES = [
    (GROWS, lambda: of(ack_first=slower(0.51)), lambda: of(ack_first=slower(0.49))),
    (GROWS, lambda: of(ack_first=level(300, 601)), lambda: of(ack_first=level(301, 601))),
    (
        GROWS,
        lambda: of(ack_first=level(9, late_theory_ms() * 0.51)),
        lambda: of(ack_first=level(9, late_theory_ms() * 0.49)),
    ),
    # Half of one over 1.5 is a third of the 375 events.
    (KEEPS, lambda: of(load_shedding=refusing(66)), lambda: of(load_shedding=refusing(70))),
    (KEEPS, lambda: of(ack_first=refusing(75)), lambda: of(ack_first=refusing(65))),
    (LIGHT, lambda: of(conflate=refusing(12)), lambda: of(conflate=refusing(13))),
]

#: Also refuted by these.
REFUTED = [
    (GROWS, lambda: of(ack_first=queued.bounded)),  # a queue that does not grow, with ten clients
    (KEEPS, lambda: of(load_shedding=queued.unbounded)),  # one that calls itself shedding, and refuses nobody
    (KEEPS, lambda: of(ack_first=queued.bounded)),
    (KEEPS, lambda: of(load_shedding=queued.nobody)),
    (LIGHT, lambda: of(inline=queued.nobody)),
    (LIGHT, lambda: of(inline=refusing(0, late_ms=501))),
]

UNTESTABLE = [
    (GROWS, lambda: simulated.comparison({"ack-first": {}}), "needs a Sustained"),
    (GROWS, lambda: queued.sustained(loads=(0.5, 1.1)), "clearly more than can be worked on"),
    (GROWS, lambda: queued.sustained(seconds=0.2), "load that lasts longer"),
    (GROWS, lambda: queued.sustained({"load-shedding": queued.bounded}), "runs of ack-first"),
    (GROWS, lambda: queued.sustained(parameters={"workers": 4}), "as many workers as servers=... says"),
    (GROWS, lambda: queued.sustained(work_cpu=15_000_000), "work that waits"),
    (GROWS, lambda: of(ack_first=queued.nobody), "was not measured"),
    (KEEPS, lambda: queued.sustained(loads=(0.5, 1.1)), "clearly more than can be worked on"),
    (KEEPS, lambda: queued.sustained(seconds=1.2), "load that lasts longer"),
    (KEEPS, lambda: queued.sustained({"ack-first": queued.unbounded}), "runs of load-shedding"),
    (KEEPS, lambda: queued.sustained(parameters={"workers": 2}), "say what waiting was"),
    (KEEPS, lambda: queued.sustained(parameters={"workers": 2, "waiting": 24}), "within half of the bound"),
    (LIGHT, lambda: queued.sustained(loads=(0.7, 1.5)), "needs a light load"),
    (LIGHT, lambda: queued.sustained(loads=(0.5,), seconds=0.3), "needs twenty events"),
    (
        LIGHT,
        lambda: dataclasses.replace(
            found := queued.sustained(),
            results=tuple(dataclasses.replace(result, bounds_ms=(10.0, 19.0)) for result in found.results),
        ),
        "short beside the bound",
    ),
]


def test_every_claim_is_tried():
    assert {case[0] for case in CASES} == {entry.slug for entry in overload.CLAIMS} <= set(CLAIMS)


@pytest.mark.parametrize("slug", [GROWS, KEEPS, LIGHT])
def test_a_claim_holds_with_room_where_a_queue_does_what_theory_says(slug):
    verdict = claim(slug, queued.sustained(repeats=2))
    assert repr(verdict) == f"{HOLDS}: {CLAIMS[slug].sentence}"
    assert verdict.headroom > 1.8
    assert_is_a_sentence(verdict)


@pytest.mark.parametrize(("slug", "result"), [case[:2] for case in CASES])
def test_a_claim_holds_a_little_above_its_bound(slug, result):
    verdict = claim(slug, result())
    assert (verdict.status, verdict.headroom < 1.3) == (HOLDS, True)


@pytest.mark.parametrize(("slug", "result"), [*((case[0], case[2]) for case in CASES), *REFUTED])
def test_a_claim_does_not_hold_where_the_data_deny_it(slug, result):
    verdict = claim(slug, result())
    assert (verdict.status, verdict.headroom < 1) == (DOES_NOT_HOLD, True)
    assert_is_a_sentence(verdict)


@pytest.mark.parametrize(("slug", "result", "reason"), UNTESTABLE)
def test_a_claim_says_why_it_cannot_be_judged(slug, result, reason):
    verdict = claim(slug, result())
    assert verdict.status == NOT_TESTABLE
    assert reason in verdict.why
    assert_is_a_sentence(verdict)
