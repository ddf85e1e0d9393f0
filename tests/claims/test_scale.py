"""Claims about workers behind a queue hold above their bound, fail below it, and say where they can't be judged."""

import pytest

from labkit.claims import CLAIMS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, scale
from labkit.claims.judging import claim
from labkit.plan.schedules import constant
from labkit.runs import environment
from tests.support import simulated

HOP, SPARE = (entry.slug for entry in scale.CLAIMS)


def steady(celery_ms=3.1, inline_ms=2.0, service_ms=1.0, rate_hz=50, names=("inline", "celery")):
    plan = constant(rate_hz, seconds=1, connections=10)
    own_ms = dict(zip(("inline", "celery"), (inline_ms, celery_ms), strict=True))
    runs = {name: {"own_ms": own_ms[name], "service_ms": service_ms} for name in names}
    return simulated.comparison(runs, plan=plan)


def at_once(inline_ms=101, celery_ms=10, names=("inline", "celery"), **shared):
    waits = dict(zip(("inline", "celery"), (inline_ms, celery_ms), strict=True))
    return simulated.comparison({name: {"bystander_ms": waits[name]} for name in names}, **shared)


CASES = [
    (HOP, steady, lambda: steady(celery_ms=2.9)),
    (SPARE, at_once, lambda: at_once(inline_ms=99)),
]

UNTESTABLE = [
    (HOP, lambda: steady(service_ms=3.0, inline_ms=5.0, celery_ms=9.0), "next to no time"),
    (HOP, lambda: steady(rate_hz=200), "so far apart"),
    (HOP, at_once, "so far apart"),
    (HOP, lambda: steady(names=["inline"]), "needs runs of celery"),
    (SPARE, lambda: at_once(names=["celery"]), "needs runs of inline"),
    (SPARE, lambda: at_once(events=3), "at least four events at once"),
]


def test_every_claim_is_tried_here_and_known_to_all():
    slugs = {entry.slug for entry in scale.CLAIMS}
    assert {slug for slug, *_ in CASES} == {slug for slug, *_ in UNTESTABLE} == slugs <= set(CLAIMS)


@pytest.mark.parametrize(("slug", "better", "worse"), CASES)
def test_a_claim_holds_above_its_bound_and_not_below(slug, better, worse):
    assert claim(slug, better()).status == HOLDS
    assert claim(slug, worse()).status == DOES_NOT_HOLD


@pytest.mark.parametrize(("slug", "evidence", "why"), UNTESTABLE)
def test_what_cannot_be_judged_says_why(slug, evidence, why):
    verdict = claim(slug, evidence())
    assert verdict.status == NOT_TESTABLE
    assert why in verdict.why


def test_workers_cannot_be_judged_on_one_core(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 1)
    assert "two cores" in claim(SPARE, at_once()).why
