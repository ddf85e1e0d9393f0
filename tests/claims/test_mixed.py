"""The claims about mixed traffic: each holds just above its bound, fails just below, and says where it cannot judge."""

import dataclasses

import numpy as np
import pytest

from labkit.claims import CLAIMS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, mixed
from labkit.claims.judging import claim
from labkit.plan.schedules import burst
from labkit.runs import environment
from labkit.runs.comparison import Comparison
from labkit.runs.stages import NEVER
from tests.support import simulated

SAME, APART = 0, 1


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 2)
    monkeypatch.setattr(environment, "gil", lambda: True)


def traffic(strategy, waited, *, chats_of=SAME, lines=6, serial=False, own_ms=10, cpu=1.0, **parameters):
    """Client 0's export is worked on from 0 to 200 ms. Chat lines are read at 100 ms, and wait a share of what is left.

    Args:
        strategy: its name.
        waited: of the 100 ms that are left of the export, how much passes before the work on a line begins.
        chats_of: client 0, which sent the export, or client 1.
        lines: how many chat lines.
        serial: async_handlers=False.
        own_ms: of a chat line.
        cpu: of the work, the share that is CPU time.
        parameters: of the strategy.
    """
    began = 100 + 100 * waited
    plan = dataclasses.replace(burst(1 + lines, connections=2), connection=np.array([0] + [chats_of] * lines))
    conditions = {"options": {"async_handlers": not serial}, "parameters": parameters}
    run = simulated.run(
        strategy,
        plan=plan,
        kinds=["export"] + ["chat"] * lines,
        service_ms=[200] + [1] * lines,
        own_ms=[201] + [own_ms] * lines,
        conditions=conditions,
    )
    columns = {
        "read": [0] + [100] * lines,
        "work_start": [0] + [began] * lines,
        "work_end": [200] + [began + 1] * lines,
        "work_cpu": [200 * cpu] + [cpu] * lines,
    }
    stamped = {name: np.rint(np.array(ms, float) * 1e6).astype(np.int64) for name, ms in columns.items()}
    return Comparison((dataclasses.replace(run, events={**run.events, **stamped}),))


def serial(waited, **about):
    return traffic("inline-serial", waited, serial=True, **about)


def both(inline_ms, elsewhere_ms, **about):
    return traffic("inline", 0.1, own_ms=inline_ms, **about) + traffic(mixed.ELSEWHERE, 0, own_ms=elsewhere_ms, **about)


#: A little better and a little worse than the bound.
CASES = {
    "cheap-waits-behind-dear": (lambda: serial(0.51), lambda: serial(0.49)),
    "default-lets-the-cheap-pass": (lambda: traffic("inline", 0.49), lambda: traffic("inline", 0.51)),
    "another-client-is-not-in-the-queue": (
        lambda: serial(0.49, chats_of=APART),
        lambda: serial(0.51, chats_of=APART),
    ),
    "one-pool-is-one-queue": (
        lambda: traffic("process-pool", 0.51, chats_of=APART, workers=1),
        lambda: traffic("process-pool", 0.49, chats_of=APART, workers=1),
    ),
    "another-process-spares-the-cheap": (lambda: both(15.1, 10), lambda: both(14.9, 10)),
}

UNTESTABLE = [
    ("cheap-waits-behind-dear", lambda: serial(1, chats_of=APART), "needs a mix whose clients send every kind"),
    ("cheap-waits-behind-dear", lambda: serial(1, lines=4), "needs five cheap events or more"),
    ("cheap-waits-behind-dear", lambda: traffic("inline", 1), "needs runs of inline with async_handlers=False"),
    ("default-lets-the-cheap-pass", lambda: traffic("inline", 0, chats_of=APART), "clients send every kind"),
    ("default-lets-the-cheap-pass", lambda: serial(0), "needs runs of inline with default settings"),
    ("another-client-is-not-in-the-queue", lambda: serial(0), "needs a mix whose clients send one kind only"),
    ("one-pool-is-one-queue", lambda: traffic("process-pool", 1, workers=2), "with one worker"),
    ("one-pool-is-one-queue", lambda: traffic("process-pool", 1), "with one worker"),
    ("another-process-spares-the-cheap", lambda: both(40, 2, cpu=0.1), "needs a dear kind that computes"),
    ("another-process-spares-the-cheap", lambda: both(40, 2, lines=3), "needs five cheap events or more"),
    ("another-process-spares-the-cheap", lambda: traffic("inline", 0.1), f"needs runs of {mixed.ELSEWHERE}"),
]

every_claim = pytest.mark.parametrize("slug", CASES)


def test_every_claim_is_tried_here_and_known_to_all():
    assert set(CASES) == {c.slug for c in mixed.CLAIMS} == {slug for slug, _, _ in UNTESTABLE}
    assert set(CASES) <= set(CLAIMS)


@every_claim
def test_a_claim_holds_above_its_bound(slug):
    assert repr(claim(slug, CASES[slug][0]())) == f"{HOLDS}: {CLAIMS[slug].sentence}"


@every_claim
def test_a_claim_fails_below_its_bound(slug):
    assert claim(slug, CASES[slug][1]()).status == DOES_NOT_HOLD


@pytest.mark.parametrize(("slug", "result", "why"), UNTESTABLE)
def test_what_cannot_be_judged_says_why(slug, result, why):
    verdict = claim(slug, result())
    assert verdict.status == NOT_TESTABLE
    assert why in verdict.why
    assert not any(character.isdigit() for character in verdict.why)  # nothing that differs from machine to machine


@every_claim
def test_runs_of_no_mix_are_not_testable(slug):
    told = {"options": {"async_handlers": False}, "parameters": {"workers": 1}}
    plain = simulated.comparison(
        {"inline": {}, "process-pool": {}, mixed.ELSEWHERE: {}}, conditions={"parameters": told}
    )
    verdict = claim(slug, plain)
    assert verdict.status == NOT_TESTABLE


@pytest.mark.parametrize("slug", ["neighbours-wait", "thread-answers-nobody-sooner", "connection-reads-on"])
def test_claims_about_one_kind_of_work_are_not_judged_on_a_mix(slug):
    result = traffic("inline", 0.1) + traffic("thread", 0.1)
    assert "needs events of one kind of work" in claim(slug, result).why


@every_claim
def test_lines_that_were_never_worked_on_do_not_count(slug):
    unworked = []
    for run in CASES[slug][0]().runs:
        began = np.where(run.is_kind("chat"), NEVER, run.events["work_start"])
        unworked.append(dataclasses.replace(run, events={**run.events, "work_start": began}))
    assert claim(slug, Comparison(tuple(unworked))).status == NOT_TESTABLE


def test_without_a_gil_or_a_second_core_another_process_is_not_tried(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 1)
    assert "needs two cores" in claim("another-process-spares-the-cheap", both(40, 2)).why
    monkeypatch.setattr(environment, "gil", lambda: False)
    assert "with a GIL" in claim("another-process-spares-the-cheap", both(40, 2)).why


def test_what_is_left_is_weighed_and_not_counted():
    """Five lines that come when nothing is left any more do not outweigh one that waits for all of it."""
    (run,) = serial(1).runs
    late = np.rint(np.array([0, 100, 199.9, 199.9, 199.9, 199.9, 199.9]) * 1e6).astype(np.int64)
    began = np.where(late == late[2], late, run.events["work_start"])
    result = Comparison((dataclasses.replace(run, events={**run.events, "read": late, "work_start": began}),))
    assert claim("cheap-waits-behind-dear", result).headroom == pytest.approx(2 * 100 / 100.5, rel=1e-3)
