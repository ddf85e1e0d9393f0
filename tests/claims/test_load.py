"""Claims about too much of something: each holds, does not hold, or says why it cannot be judged."""

import dataclasses
import math

import numpy as np
import pytest

from labkit.claims import CLAIMS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, load
from labkit.claims.judging import claim
from labkit.experiments.slow_reader import Backlog
from labkit.plan.schedules import burst, constant
from labkit.runs.comparison import Comparison
from tests.claims.test_handlers import assert_is_a_sentence, said_with, waiting
from tests.support import simulated

SHEDDING = {"conditions": {"parameters": {"workers": 2, "waiting": 4}}}  # holds 3 services of 100 ms
QUEUE = {"conditions": {"parameters": {"workers": 2}}}  # 24 events in 12 services
PILE = {"messages": 2000, "size_bytes": 10_000, "waiting_peak": 1000, "piled_mb": 10.0}
LITTLE = {**PILE, "waiting_peak": 100, "piled_mb": 1.0}


def shedding(bounded_ms, last_ms, events=24):
    own = [bounded_ms] * 6 + [math.inf] * (events - 6)
    strategies = {"load-shedding": {"own_ms": own, **SHEDDING}, "ack-first": {"own_ms": last_ms, **QUEUE}}
    return waiting(strategies, events=events)


def conflating(*outcomes, connections=1):
    plan = burst(len(outcomes), connections=connections)
    return simulated.comparison({"conflate": {"outcomes": list(outcomes), "plan": plan, "own_ms": 5}}, repeats=1)


def of_threads(threads):
    return simulated.comparison({"inline": {"threads": threads}}, events=40)


def ordered(*own_ms, connections=1, every_s=None):
    plan = burst(len(own_ms), connections=connections)
    if every_s is not None:
        plan = burst(1, every_s=every_s, times=len(own_ms))
    return simulated.comparison({"ordered-pool": {"own_ms": own_ms, "plan": plan}}, repeats=1)


def acknowledged(acked_ms, own_ms=300):
    return simulated.comparison({"ack-first": {"acked_ms": acked_ms, "own_ms": own_ms}})


def pile(strategy, messages, size_bytes, waiting_peak, piled_mb):
    """What a client that did not read left, as the numbers say."""
    run = simulated.run(strategy, messages, pings=0)
    return Backlog(
        run, np.zeros(1), np.array([waiting_peak]), np.zeros(1, int), 2500.0, np.array([piled_mb * 1e6]), size_bytes
    )


def piles(inline, dropping):
    return pile("inline", **inline), pile("drop-for-slow", **dropping)


OLD = ["answered", *["superseded"] * 6]

#: A little better and a little worse than the bound.
CASES = {
    "unbounded-threads": (lambda: of_threads(20), lambda: of_threads(19)),
    "shedding-bounds-latency": (lambda: shedding(599, 601), lambda: shedding(601, 601)),
    "conflation-does-less-work": (
        lambda: conflating(*OLD, "answered"),
        lambda: conflating(*["answered"] * 4, "superseded", *["answered"] * 3),
    ),
    "everyone-is-told": (
        lambda: simulated.comparison({"mine": {"outcomes": {"shed": 3, "superseded": 2}}}),
        lambda: simulated.comparison({"mine": {"outcomes": {"shed": 3, "timed out": 1}}}),
    ),
    "ordered-pool-keeps-order": (lambda: ordered(1, 2, 3, 4), lambda: ordered(1, 2, 4, 3)),
    "ack-comes-first": (lambda: acknowledged(99), lambda: acknowledged(101)),
    "drop-for-slow-bounds-memory": (lambda: piles(PILE, LITTLE), lambda: piles(PILE, {**LITTLE, "piled_mb": 1.1})),
}

#: Also refuted by these.
REFUTED = [
    ("shedding-bounds-latency", lambda: shedding(599, 599)),
    ("conflation-does-less-work", lambda: conflating(*OLD, "superseded")),
    ("conflation-does-less-work", lambda: conflating("timed out", *OLD[1:], "answered")),
    ("everyone-is-told", lambda: simulated.comparison({"mine": {"strays": 1}})),
    ("everyone-is-told", lambda: simulated.comparison({"mine": {"duplicates": 1}})),
    ("ordered-pool-keeps-order", lambda: ordered(1, 2, 3, math.inf)),
    ("ordered-pool-keeps-order", lambda: ordered(1, 9, 2, 8, 3, 7, 4, 6, connections=2)),
    ("ack-comes-first", lambda: acknowledged(math.inf)),
    ("drop-for-slow-bounds-memory", lambda: piles({**PILE, "waiting_peak": 999}, LITTLE)),
    ("drop-for-slow-bounds-memory", lambda: piles(PILE, {**LITTLE, "waiting_peak": 101})),
]

UNTESTABLE = [
    ("unbounded-threads", lambda: simulated.comparison({"thread": {}}), "runs of inline with default settings"),
    ("unbounded-threads", lambda: simulated.comparison({"inline": {}}, events=3), "at least four events at once"),
    ("unbounded-threads", lambda: simulated.comparison({"inline": {}}, threads=None), "threads were counted"),
    ("shedding-bounds-latency", lambda: shedding(599, 601, events=20), "a burst of four times"),
    (
        "shedding-bounds-latency",
        lambda: waiting({"load-shedding": {}, "ack-first": {}}, events=24),
        "say what workers was",
    ),
    ("shedding-bounds-latency", lambda: waiting({"load-shedding": SHEDDING}, events=24), "runs of ack-first"),
    ("shedding-bounds-latency", lambda: simulated.comparison({"load-shedding": SHEDDING}), "work that waits"),
    ("conflation-does-less-work", lambda: conflating(*OLD), "eight events on each connection"),
    ("conflation-does-less-work", lambda: simulated.comparison({"inline": {}}), "runs of conflate"),
    ("ordered-pool-keeps-order", lambda: ordered(1, 2, 3), "four events on a connection"),
    ("ordered-pool-keeps-order", lambda: ordered(1, 2, 3, 4, every_s=0.1), "several events of a client under way"),
    ("ack-comes-first", lambda: simulated.comparison({"ack-first": {}}), "asked for acknowledgements"),
    ("drop-for-slow-bounds-memory", lambda: piles(PILE, LITTLE)[:1], "does not read"),
    ("drop-for-slow-bounds-memory", lambda: piles({**PILE, "size_bytes": 7_999}, LITTLE), "more bytes"),
]


def windows(own_ms=25.0, switches=400, together=20, events=200):
    """Inline beside a window of 50 ms at 400/s: `together` answers a message, each `own_ms` after it was due."""
    plan = constant(400, events=events, connections=1)
    inline = simulated.run("inline", plan=plan, own_ms=2.0, service_ms=0.01, conditions={"server_switches": 600})
    batched = simulated.run(
        "server-batch", plan=plan, own_ms=own_ms, service_ms=0.01,
        conditions={"server_switches": switches, "parameters": {"window_ms": 50}},
    )  # fmt: skip
    deliveries = {**batched.deliveries, "at": batched.deliveries["at"][np.arange(events) // together * together]}
    return Comparison((inline, dataclasses.replace(batched, deliveries=deliveries)))


def heavy(own_ms):
    return computing_batch({"inline": {"own_ms": 100}, "server-batch": {"own_ms": own_ms}})


def test_a_core_that_was_slowed_for_one_of_them_is_left_apart_from_heavy_work():
    result = heavy(60)
    judge = CLAIMS["batching-does-not-help-heavy-work"].judge
    assert judge(result) < 1
    slowed = tuple(
        dataclasses.replace(run, events={**run.events, "work_cpu": run.events["work_cpu"] * 2})
        for run in result.of("inline")
    )
    assert judge(Comparison(slowed + result.of("server-batch"))) > 1


def computing_batch(strategies):
    return simulated.comparison(
        {n: {**s, "conditions": {"parameters": {"window_ms": 50}}} for n, s in strategies.items()}
    )


CASES |= {
    "batching-saves-messages": (lambda: windows(together=14), lambda: windows(together=13)),
    "batching-saves-switches": (lambda: windows(switches=479), lambda: windows(switches=481)),
    "batching-costs-half-a-window": (lambda: windows(own_ms=14.6), lambda: windows(own_ms=14.4)),
    "batching-does-not-help-heavy-work": (lambda: heavy(76), lambda: heavy(74)),
}
UNTESTABLE += [
    ("batching-saves-messages", lambda: simulated.comparison({"inline": {}}), "runs of server-batch"),
    ("batching-saves-messages", lambda: heavy(100), "steady rate"),
    ("batching-saves-switches", lambda: simulated.comparison({"inline": {}}), "counts its context switches"),
    ("batching-saves-switches", lambda: windows(switches=None), "counts its context switches"),
]


def test_every_claim_is_tried():
    assert set(CASES) == {entry.slug for entry in load.CLAIMS}
    assert set(CASES) <= set(CLAIMS)


@pytest.mark.parametrize("slug", CASES)
def test_a_claim_holds_where_the_data_say_so(slug):
    verdict = claim(slug, CASES[slug][0]())
    assert repr(verdict) == f"{HOLDS}: {said_with(verdict, CLAIMS[slug].sentence)}"
    assert_is_a_sentence(verdict)


@pytest.mark.parametrize(("slug", "result"), [*((slug, case[1]) for slug, case in CASES.items()), *REFUTED])
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


def test_whoever_was_never_answered_proves_no_bound():
    assert claim("shedding-bounds-latency", shedding(math.inf, 601)).status == NOT_TESTABLE


def test_a_strategy_is_found_under_a_name_with_parameters():
    named = simulated.run("ordered-pool, workers=2", own_ms=[1, 2, 3, 4], clients=1)
    assert claim("ordered-pool-keeps-order", Comparison((named,))).status == HOLDS
