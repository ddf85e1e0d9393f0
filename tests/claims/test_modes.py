"""Each claim on modes: made to hold, made to fail, and untestable where what it needs is absent."""

import numpy as np
import pytest

from labkit import claim
from labkit.claims import CLAIMS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, modes
from labkit.claims.claim import BOTH, MANY, ONE
from labkit.runs.comparison import Comparison
from labkit.runs.heartbeats import Heartbeats
from tests.support import simulated

#: Of each claim what holds and what does not: (mode, strategy, own, bystander, computes).
IN_LINE = tuple(100.0 * n for n in range(1, 11))
TOGETHER = (1000.0,) * 10
CASES = {
    "gevent-sends-at-the-end": (("gevent", "inline", TOGETHER, 500), ("gevent", "inline", IN_LINE, 500), True),
    "gevent-task-spares-nobody": (
        ("gevent", "background-task", TOGETHER, 500),
        ("gevent", "background-task", TOGETHER, 20),
        True,
    ),
    "gevent-waits-well": (("gevent", "inline", (103.0,) * 10, 1), ("gevent", "inline", IN_LINE, 1), False),
    "unpatched-gevent-waits-in-line": (
        ("gevent-unpatched", "inline", TOGETHER, 500),
        ("gevent-unpatched", "inline", IN_LINE, 500),
        False,
    ),
    "loop-waits-for-its-handler": (("asgi", "asgi-inline", IN_LINE, 500), ("asgi", "asgi-inline", IN_LINE, 1), False),
    "to-thread-frees-the-loop": (
        ("asgi", "asgi-to-thread", (103.0,) * 10, 1),
        ("asgi", "asgi-to-thread", (103.0,) * 10, 80),
        False,
    ),
    "to-thread-shares-the-gil": (
        ("asgi", "asgi-to-thread", TOGETHER, 300),
        ("asgi", "asgi-to-thread", TOGETHER, 20),
        True,
    ),
}


def run(mode, strategy, own_ms, bystander_ms, computes=True, clients=None):
    """Of ten clients with one event each, or of as many as are named."""
    made = simulated.run(strategy, mode=mode, own_ms=list(own_ms), bystander_ms=bystander_ms, clients=clients)
    if not computes:
        made.events["work_cpu"] = np.where(made.events["work_cpu"] > 0, 10_000, made.events["work_cpu"])
    return made


def senders(slug):
    """How many clients a claim is tried with: one, ten, or each by itself."""
    return {ONE: (1,), MANY: (10,), BOTH: (1, 10)}[CLAIMS[slug].who]


@pytest.mark.parametrize(("slug", "clients"), [(slug, clients) for slug in CASES for clients in senders(slug)])
def test_it_holds_and_it_can_fail(slug, clients):
    right, wrong, computes = CASES[slug]
    assert claim(slug, Comparison((run(*right, computes, clients),))).status == HOLDS
    assert claim(slug, Comparison((run(*wrong, computes, clients),))).status == DOES_NOT_HOLD


@pytest.mark.parametrize("slug", [slug for slug in CASES if senders(slug) == (1, 10)])
def test_a_room_in_which_it_is_false_is_not_outvoted_by_one_client_of_whom_it_is_true(slug):
    right, wrong, computes = CASES[slug]
    both = run(*right, computes, 1), run(*wrong, computes, 10)
    assert claim(slug, Comparison(both)).status == DOES_NOT_HOLD


@pytest.mark.parametrize("slug", CASES)
def test_the_other_kind_of_work_and_another_mode_do_not_test_it(slug):
    right, _, computes = CASES[slug]
    clients = senders(slug)[0]
    assert claim(slug, Comparison((run(*right, not computes, clients),))).status == NOT_TESTABLE
    assert claim(slug, Comparison((run("threading", *right[1:], computes, clients),))).status == NOT_TESTABLE
    other = run(right[0], "process-pool", *right[2:], computes, clients)
    assert claim(slug, Comparison((other,))).status == NOT_TESTABLE


def everywhere(inline_ms, pool_ms):
    return Comparison(
        tuple(
            run(mode, name, TOGETHER, ms)
            for mode, names in (
                ("threading", ("inline", "process-pool")),
                ("asgi", ("asgi-inline", "asgi-process-pool")),
            )
            for name, ms in zip(names, (inline_ms[mode], pool_ms[mode]), strict=True)
        )
    )


POOLS = {"threading": ("inline", "process-pool"), "asgi": ("asgi-inline", "asgi-process-pool")}
SUFFERS, SPARED = {"threading": 400, "asgi": 500}, {"threading": 2, "asgi": 1}


@pytest.mark.parametrize("slug", ["neighbours-wait-everywhere", "processes-spare-everywhere"])
def test_everywhere_is_in_every_mode_that_was_measured(slug):
    assert claim(slug, everywhere(SUFFERS, SPARED)).status == HOLDS
    assert claim(slug, everywhere({**SUFFERS, "asgi": 4}, SPARED)).status == DOES_NOT_HOLD
    assert claim(slug, everywhere(SUFFERS, SPARED).within("asgi")).status == NOT_TESTABLE


def test_processes_that_spare_in_one_mode_only_do_not_spare_everywhere():
    assert claim("processes-spare-everywhere", everywhere(SUFFERS, {**SPARED, "asgi": 300})).status == DOES_NOT_HOLD


def test_an_event_that_was_read_before_the_others_does_not_decide():
    early = run("gevent-unpatched", "inline", (100.0, 200.0, *TOGETHER[2:]), 500, computes=False, clients=1)
    assert claim("unpatched-gevent-waits-in-line", Comparison((early,))).status == HOLDS


def hub(work_ms, bystander_ms):
    """A burst under gevent that is worked on for so long altogether, and what pings at 50/s waited meanwhile."""
    own_ms = (float(work_ms),) * 10
    told = {"own_ms": own_ms, "service_ms": work_ms / 10, "bystander_ms": bystander_ms}
    return simulated.run("background-task", mode="gevent", **told)


def test_pings_that_come_when_the_work_is_over_say_nothing_of_how_long_it_held_them_up():
    held = [500.0 - (n + 0.5) * 20 for n in range(25)]  # until 500 ms, when all is done
    for afterwards in (0, 25, 100):
        verdict = claim("gevent-task-spares-nobody", Comparison((hub(500, held + [1.0] * afterwards),)))
        assert verdict.headroom == pytest.approx(2.5, rel=0.1)
    spared = claim("gevent-task-spares-nobody", Comparison((hub(500, [1.0] * 25 + [400.0] * 100),)))
    assert spared.status == DOES_NOT_HOLD
    nobody = claim("gevent-task-spares-nobody", Comparison((hub(500, []),)))
    assert nobody.status != HOLDS


def test_one_run_in_three_does_not_decide_what_gevent_does():
    long, short = [500.0 - (n + 0.5) * 20 for n in range(25)], [1.0] * 25
    runs = tuple(hub(500, waited) for waited in (long, short, long))
    assert claim("gevent-task-spares-nobody", Comparison(runs)).status == HOLDS


def beating(mode, strategy, closed, *, interval_s=0.5, events=8, computes=True):
    senders, others = closed
    beats = Heartbeats(round(interval_s * 1e9), 200_000_000, 0, 0)
    about = {"heartbeats": beats, "closed_senders": senders, "closed_others": others}
    made = simulated.run(
        strategy, events, mode=mode, clients=1, service_ms=800 if events == 1 else 100, conditions=about
    )
    if not computes:
        made.events["work_cpu"] = np.where(made.events["work_cpu"] > 0, 10_000, made.events["work_cpu"])
    return Comparison((made,))


def test_who_is_dropped_for_want_of_a_heartbeat():
    slug, case = "serial-drops-its-own-client", {"events": 1, "computes": False}
    assert claim(slug, beating("threading", "inline-serial", (1, 0), **case)).status == HOLDS
    assert claim(slug, beating("threading", "inline-serial", (1, 1), **case)).status == DOES_NOT_HOLD
    assert claim(slug, beating("threading", "inline-serial", (0, 0), **case)).status == DOES_NOT_HOLD
    assert claim(slug, beating("threading", "inline-serial", (1, 0), interval_s=1, **case)).status == NOT_TESTABLE
    slug = "gevent-drops-innocents"
    assert claim(slug, beating("gevent", "inline", (1, 1))).status == HOLDS
    assert claim(slug, beating("gevent", "inline", (1, 0))).status == DOES_NOT_HOLD
    assert claim(slug, beating("gevent", "inline", (1, 1), interval_s=25)).status == NOT_TESTABLE
    assert claim(slug, Comparison((run("gevent", "inline", TOGETHER, 500),))).status == NOT_TESTABLE


def test_each_claim_has_a_case():
    told = {
        "serial-drops-its-own-client",
        "gevent-drops-innocents",
        "neighbours-wait-everywhere",
        "processes-spare-everywhere",
    }
    assert {c.slug for c in modes.CLAIMS} == set(CASES) | told
