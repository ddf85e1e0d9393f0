"""Every claim can hold, can fail to hold, and says so where it cannot be judged; none punishes."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.base.errors import UsageError
from labkit.claims import CLAIMS as ALL
from labkit.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, check
from labkit.claims import handlers as advice
from labkit.claims.claim import BOTH, MANY, ONE
from labkit.claims.judging import claim
from labkit.experiments.eight_cases import EightCases
from labkit.runs import environment
from labkit.runs.comparison import Comparison
from tests.support import simulated

NEVER = math.inf
SERIAL = {"conditions": {"options": {"async_handlers": False}}}
B_SERIAL = "thread, async_handlers=False"

#: Those of the advice; the others have tests of their own.
CLAIMS = {c.slug: c for c in advice.CLAIMS}
every_claim = pytest.mark.parametrize("slug", CLAIMS)


def computing(strategies, **shared):
    """Simulated runs of work that computes; those that handle one at a time say so in their settings."""
    settled = {n: {**about, **(SERIAL if "serial" in n or n == B_SERIAL else {})} for n, about in strategies.items()}
    return simulated.comparison(settled, repeats=2, **shared)


def with_column(result, column, value):
    runs = [dataclasses.replace(r, events={**r.events, column: np.full(len(r), value)}) for r in result.runs]
    return Comparison(tuple(runs))


def waiting(strategies, **shared):
    """The same of work that waits: it takes its time, and no CPU."""
    return with_column(computing(strategies, **shared), "work_cpu", 50_000)


def broadcasting(strays):
    """Ten events, whose answers came to `strays` others."""
    run = simulated.run("thread-broadcast")
    more = {"event": np.arange(strays) % 10, "connection": np.ones(strays), "at": np.ones(strays)}
    more["kind"] = np.full(strays, simulated.Delivery.STRAY)
    found = {name: np.concatenate([old, more[name].astype(np.int64)]) for name, old in run.deliveries.items()}
    return Comparison((dataclasses.replace(run, deliveries=found),))


def own(first, second):
    return {first[0]: {"own_ms": first[1]}, second[0]: {"own_ms": second[1]}}


def neighbours(first, second):
    return {first[0]: {"bystander_ms": first[1]}, second[0]: {"bystander_ms": second[1]}}


def handlers(first, second):
    return {first[0]: {"handler_ms": first[1]}, second[0]: {"handler_ms": second[1]}}


#: A little better and a little worse than the bound; an event takes 100 ms alone, and ten come at once.
CASES = {
    "one-alone": (
        lambda: computing({"inline": {"own_ms": 124}}, events=1),
        lambda: computing({"inline": {"own_ms": 126}}, events=1),
    ),
    "connection-reads-on": (
        lambda: computing({"inline": {"handler_ms": 31, "blocked_ms": 10}}),
        lambda: computing({"inline": {"handler_ms": 29, "blocked_ms": 10}}),
    ),
    "neighbours-wait": (
        lambda: computing({"inline": {"bystander_ms": 51}}),
        lambda: computing({"inline": {"bystander_ms": 49}}),
    ),
    "serial-spares-neighbours": (
        lambda: computing(neighbours(("inline", 251), ("inline-serial", 100)), clients=1),
        lambda: computing(neighbours(("inline", 249), ("inline-serial", 100)), clients=1),
    ),
    "serial-spares-no-room": (
        lambda: computing({"inline-serial": {"bystander_ms": 51}}),
        lambda: computing({"inline-serial": {"bystander_ms": 49}}),
    ),
    "serial-answers-a-room": (
        lambda: waiting(own(("inline", 100), ("inline-serial", 274))),
        lambda: waiting(own(("inline", 100), ("inline-serial", 276))),
    ),
    "thread-helps-in-one-case": (
        lambda: four_cases(waiting, (100, 61), (100, 61), (276, 100), (100, 61)),
        lambda: four_cases(waiting, (100, 61), (100, 61), (274, 100), (100, 61)),
    ),
    "waiting-flips-it": (
        lambda: waiting(own(("inline", 100), ("inline-serial", 276)), bystander_ms=49, clients=1),
        lambda: waiting(own(("inline", 100), ("inline-serial", 274)), bystander_ms=49, clients=1),
    ),
    "thread-returns-sooner": (
        lambda: computing(handlers(("inline", 31), ("thread", 10))),
        lambda: computing(handlers(("inline", 29), ("thread", 10))),
    ),
    "thread-answers-nobody-sooner": (
        lambda: computing(own(("inline", 100), ("thread", 61))),
        lambda: computing(own(("inline", 100), ("thread", 59))),
    ),
    "thread-spares-no-neighbour": (
        lambda: computing({"thread": {"bystander_ms": 51}}),
        lambda: computing({"thread": {"bystander_ms": 49}}),
    ),
    "thread-harms-a-serial-server": (
        lambda: computing(neighbours(("inline-serial", 100), (B_SERIAL, 201)), clients=1),
        lambda: computing(neighbours(("inline-serial", 100), (B_SERIAL, 199)), clients=1),
    ),
    "thread-is-right-for-waiting": (
        lambda: waiting(own(("inline-serial", 276), (B_SERIAL, 100)), clients=1),
        lambda: waiting(own(("inline-serial", 274), (B_SERIAL, 100)), clients=1),
    ),
    "broadcast-reaches-strangers": (lambda: broadcasting(110), lambda: broadcasting(109)),
    "to-sid-repairs-it": (lambda: computing({"thread": {}}), lambda: computing({"thread": {"strays": 1}})),
    "processes-spare-neighbours": (
        lambda: computing(neighbours(("inline", 101), ("process-pool", 10))),
        lambda: computing(neighbours(("inline", 99), ("process-pool", 10))),
    ),
    "ledger-is-closed": (lambda: computing({"mine": {}}), lambda: computing({"mine": {"duplicates": 1}})),
}

BURST = "at least four events at once"
#: On what a claim cannot be judged, and words of the reason.
UNTESTABLE = [
    ("one-alone", lambda: computing({"inline": {}}, clients=1), "a plan of one event"),
    ("one-alone", lambda: computing({"inline": {}}), "is about one client that sends everything"),
    ("serial-spares-neighbours", lambda: computing({"inline": {}, "inline-serial": {}}), "is about one client"),
    ("serial-spares-no-room", lambda: computing({"inline-serial": {}}, clients=1), "is about many clients"),
    ("serial-spares-no-room", lambda: waiting({"inline-serial": {}}), "work that computes"),
    ("serial-answers-a-room", lambda: computing({"inline": {}, "inline-serial": {}}), "work that waits"),
    ("thread-helps-in-one-case", lambda: waiting({"inline": {}, "thread": {}}), "of one client and of many"),
    *((slug, lambda slug=slug: few(slug), BURST) for slug in CASES if slug not in ("one-alone", "ledger-is-closed")
      and slug not in ("broadcast-reaches-strangers", "to-sid-repairs-it")),
    ("connection-reads-on", lambda: computing({"thread": {}}), "runs of inline with default settings"),
    ("neighbours-wait", lambda: waiting({"inline": {}}), "work that computes"),
    ("neighbours-wait", lambda: computing({"inline-serial": {}}), "runs of inline with default settings"),
    ("serial-spares-neighbours", lambda: computing({"inline": {}}, clients=1), "inline with async_handlers=False"),
    ("serial-spares-neighbours", lambda: waiting({"inline": {}, "inline-serial": {}}, clients=1), "work that computes"),
    ("waiting-flips-it", lambda: computing({"inline": {}, "inline-serial": {}}, clients=1), "work that waits"),
    ("thread-returns-sooner", lambda: computing({"inline": {}, B_SERIAL: {}}), "runs of thread with default settings"),
    ("thread-returns-sooner", lambda: computing({"inline": {}, "thread": {}}, instrumented=False), "was not measured"),
    ("thread-answers-nobody-sooner", lambda: computing({"thread": {}}), "runs of inline with default settings"),
    ("thread-answers-nobody-sooner", lambda: computing({"inline": {}, "thread-pool": {}}), "runs of thread"),
    ("thread-spares-no-neighbour", lambda: waiting({"thread": {}}), "work that computes"),
    ("thread-harms-a-serial-server", lambda: computing({"inline-serial": {}, "thread": {}}, clients=1), "thread with"),
    ("thread-is-right-for-waiting", lambda: computing({"inline-serial": {}, B_SERIAL: {}}, clients=1), "that waits"),
    ("broadcast-reaches-strangers", lambda: computing({"thread": {}}), "runs of thread-broadcast"),
    ("to-sid-repairs-it", lambda: computing({"thread-broadcast": {}}), "runs of thread with default settings"),
    ("processes-spare-neighbours", lambda: computing({"inline": {}}), "runs of process-pool"),
]  # fmt: skip


def few(slug):
    """The same strategies, of which the claim would hold, with three events at once."""
    result = CASES[slug][0]()
    runs = {name: {} for name in result.sent_by(result.clients[-1]).strategies}
    kind = waiting if result.runs[0].events["work_cpu"][0] == 50_000 else computing
    if CLAIMS[slug].contrasts:
        return kind(runs, events=3, clients=1) + kind(runs, events=3)
    return kind(runs, events=3, clients=1 if CLAIMS[slug].who == ONE else None)


def four_cases(kind, one, many, serial_one, serial_many):
    """A and B, each with default settings and serial, of one client and of ten: how long A's and B's callers wait."""
    found = Comparison(())
    for clients, default, serial in ((1, one, serial_one), (10, many, serial_many)):
        a_and_b = own(("inline", default[0]), ("thread", default[1]))
        a_and_b |= own(("inline-serial", serial[0]), (B_SERIAL, serial[1]))
        found += kind(a_and_b, clients=clients)
    return found


def said_with(verdict, sentence):
    """The sentence, and who sent the events, where the claim is about one client and about many."""
    told = verdict.claim.who == BOTH and not verdict.claim.contrasts
    return f"{sentence} ({verdict.senders})" if told else sentence


def assert_is_a_sentence(verdict):
    """One line, with nothing in it that differs from machine to machine; unless it is refuted, by how much."""
    said = repr(verdict)
    assert said.startswith((f"{HOLDS}: ", f"{DOES_NOT_HOLD}: ", f"{NOT_TESTABLE}: "))
    assert "\n" not in said
    assert verdict.status == DOES_NOT_HOLD or not any(c.isdigit() for c in said)


# --- each claim ---


def test_every_claim_is_tried():
    assert set(CASES) == set(CLAIMS)
    assert {slug for slug, _, _ in UNTESTABLE} | {"ledger-is-closed"} == set(CLAIMS)


@every_claim
def test_a_claim_holds_where_the_data_say_so(slug):
    verdict = claim(slug, CASES[slug][0]())
    assert repr(verdict) == f"HOLDS: {said_with(verdict, CLAIMS[slug].sentence)}"
    assert verdict.headroom >= 1
    assert_is_a_sentence(verdict)


@every_claim
def test_a_claim_does_not_hold_where_the_data_deny_it(slug):
    verdict = claim(slug, CASES[slug][1]())
    claimed = CLAIMS[slug]
    assert repr(verdict).startswith(f"DOES NOT HOLD HERE: {said_with(verdict, claimed.sentence)} (measured 0")
    assert repr(verdict).endswith(f"of the bound: {claimed.margin})")
    assert verdict.headroom < 1


@pytest.mark.parametrize(("slug", "result", "reason"), UNTESTABLE)
def test_a_claim_says_why_it_cannot_be_judged(slug, result, reason):
    verdict = claim(slug, result())
    assert verdict.status == NOT_TESTABLE
    assert reason in verdict.why
    assert math.isnan(verdict.headroom)
    assert_is_a_sentence(verdict)


ABOUT_NEIGHBOURS = [slug for slug in CASES if "neighbour" in slug or slug.startswith(("waiting", "thread-harms"))]


@pytest.mark.parametrize("slug", ABOUT_NEIGHBOURS)
def test_a_claim_about_neighbours_cannot_be_judged_without_pings(slug):
    result = CASES[slug][0]()
    empty = {column: np.zeros(0, np.int64) for column in ("intended", "sent", "acked")}
    silent = Comparison(tuple(dataclasses.replace(run, pings=empty) for run in result.runs))
    assert claim(slug, silent).status == NOT_TESTABLE


@pytest.mark.parametrize("slug", [slug for slug in ABOUT_NEIGHBOURS if not slug.startswith("waiting")])
def test_a_claim_about_the_gil_cannot_be_judged_without_one(slug, monkeypatch):
    monkeypatch.setattr(environment, "gil", lambda: False)
    verdict = claim(slug, CASES[slug][0]())
    assert (verdict.status, verdict.why) == (NOT_TESTABLE, "needs an interpreter with a GIL")


def test_processes_cannot_be_judged_on_one_core(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 1)
    verdict = claim("processes-spare-neighbours", CASES["processes-spare-neighbours"][0]())
    assert verdict.status == NOT_TESTABLE
    assert "two cores" in verdict.why


def test_waiting_does_not_flip_it_where_neighbours_notice():
    result = waiting(own(("inline", 100), ("inline-serial", 900)), bystander_ms=51, clients=1)
    assert claim("waiting-flips-it", result).status == DOES_NOT_HOLD


@pytest.mark.parametrize(
    "about",
    [
        {"own_ms": [100] * 9 + [NEVER]},
        {"outcomes": {"failed": 1}},
        {"outcomes": {"shed": 1}},
        {"outcomes": {"wrong": 1}},
        {"outcomes": {"garbled": 1}},
        {"outcomes": {"disconnected": 1}},
        {"outcomes": {"unaccounted": 1}},
        {"strays": 1},
        {"duplicates": 1},
        {"outcomes": {"timed out": 1}, "late": 1},
    ],
)
def test_the_ledger_is_not_closed_where_one_event_went_astray(about):
    assert claim("ledger-is-closed", computing({"inline": {}, "mine": about})).status == DOES_NOT_HOLD


def test_the_broadcast_is_known_for_its_strays():
    assert claim("ledger-is-closed", computing({"thread-broadcast": {"strays": 10}})).status == HOLDS


def test_the_repair_does_not_hold_where_a_caller_was_left_without_an_answer():
    assert claim("to-sid-repairs-it", computing({"thread": {"own_ms": [100] * 9 + [NEVER]}})).status == DOES_NOT_HOLD


@pytest.mark.parametrize(("default", "serial", "said"), [(NEVER, 100, HOLDS), (100, NEVER, DOES_NOT_HOLD)])
def test_what_is_never_answered_is_later_than_anything(default, serial, said):
    found = waiting(own(("inline", default), ("inline-serial", serial)))
    assert claim("serial-answers-a-room", found).status == said


def test_strangers_are_counted_for_every_connection():
    run = simulated.run("thread-broadcast", plan=simulated.burst(4, connections=2))
    more = {"event": np.arange(12) % 4, "connection": np.full(12, 2), "at": np.ones(12), "kind": np.full(12, 3)}
    found = {name: np.concatenate([old, more[name].astype(np.int64)]) for name, old in run.deliveries.items()}
    assert claim("broadcast-reaches-strangers", dataclasses.replace(run, deliveries=found)).status == HOLDS


@pytest.mark.parametrize(
    "deny",
    [
        lambda: four_cases(computing, (100, 59), (100, 100), (100, 100), (100, 100)),
        lambda: four_cases(computing, (100, 100), (100, 59), (100, 100), (100, 100)),
        lambda: four_cases(computing, (100, 100), (100, 100), (100, 59), (100, 100)),
        lambda: four_cases(waiting, (100, 100), (100, 100), (900, 100), (100, 59)),
    ],
)
def test_a_thread_that_helps_in_a_second_case_is_told(deny):
    assert claim("thread-helps-in-one-case", deny()).status == DOES_NOT_HOLD


def test_the_eight_cases_are_judged_by_the_worse_half():
    right = four_cases(computing, *[(100, 100)] * 4), four_cases(waiting, (100, 99), (100, 99), (900, 100), (100, 99))
    wrong = four_cases(computing, (100, 59), *[(100, 100)] * 3)
    assert claim("thread-helps-in-one-case", EightCases(*right)).status == HOLDS
    assert claim("thread-helps-in-one-case", EightCases(wrong, right[1])).status == DOES_NOT_HOLD


def test_a_claim_about_both_is_judged_on_one_client_and_on_many_each_by_itself():
    """In a room where it does not hold, one greedy client for which it does must not outvote it."""
    one = computing({"inline": {"bystander_ms": 900}}, clients=1)
    many = computing({"inline": {"bystander_ms": 10}})
    assert claim("neighbours-wait", one).status == HOLDS
    assert claim("neighbours-wait", one).senders == "one client"
    assert claim("neighbours-wait", one + many).status == DOES_NOT_HOLD
    assert claim("neighbours-wait", one + many).senders == BOTH


# --- it informs, and never punishes ---


def test_a_single_run_is_judged_as_a_comparison_of_one():
    assert claim("neighbours-wait", simulated.run(bystander_ms=101)).status == HOLDS


def test_an_unknown_claim_is_refused_and_the_known_ones_are_named():
    with pytest.raises(UsageError, match="one-alone") as refused:
        claim("no-such-claim", computing({"inline": {}}))
    assert "'no-such-claim'" in str(refused.value)


def test_a_judge_that_misses_a_strategy_ends_in_a_sentence(monkeypatch):
    asks = dataclasses.replace(CLAIMS["one-alone"], judge=lambda result: result["mine"].goodput)
    monkeypatch.setitem(ALL, "one-alone", asks)
    verdict = claim("one-alone", computing({"inline": {}}, clients=1))
    assert (verdict.status, "'mine' was not measured" in verdict.why) == (NOT_TESTABLE, True)


@pytest.mark.parametrize("slug", ALL)
def test_where_nothing_was_measured_nothing_holds(slug):
    assert claim(slug, Comparison(())).status == NOT_TESTABLE


def test_a_latency_of_nothing_raises_nothing():
    assert_is_a_sentence(claim("one-alone", computing({"inline": {"own_ms": 0}}, events=1)))
    spotless = waiting(own(("inline", 100), ("inline-serial", 900)), bystander_ms=0, clients=1)
    assert_is_a_sentence(claim("waiting-flips-it", spotless))


def test_what_kind_of_work_it_is_does_not_hang_on_the_run_that_came_first():
    lossy = simulated.run("mine", own_ms=[NEVER] * 10)
    result = Comparison((lossy, *CASES["neighbours-wait"][0]().runs))
    assert claim("neighbours-wait", result).status == HOLDS


def test_computing_work_is_not_taken_for_waiting_where_the_first_run_lost_everything():
    lossy = simulated.run("mine", own_ms=[NEVER] * 10)
    result = Comparison((lossy, *computing(own(("inline", 100), ("inline-serial", 900)), bystander_ms=10).runs))
    assert claim("waiting-flips-it", result).status == NOT_TESTABLE


latencies = st.one_of(
    st.floats(0.01, 1e4), st.just(NEVER), st.lists(st.sampled_from([0.5, 100.0, NEVER]), min_size=5, max_size=5)
)
runs = st.fixed_dictionaries(
    {
        "own_ms": latencies,
        "bystander_ms": st.floats(0.01, 1e4) | st.just(NEVER),
        "handler_ms": st.floats(0.0, 1e4),
        "blocked_ms": st.floats(0.0, 1e3),
        "pings": st.sampled_from([0, 1, 5]),
        "outcomes": st.sampled_from([None, {"failed": 5}, {"unsent": 2}, {"unaccounted": 1}, {"disconnected": 5}]),
        "strays": st.integers(0, 5),
        "threads": st.sampled_from([None, 3]),
        "instrumented": st.booleans(),
        "acked_ms": st.none() | st.floats(0.0, 1e4) | st.just(NEVER),
        "conditions": st.sampled_from(
            [{}, SERIAL["conditions"], {"options": {}}, {"parameters": {"workers": 1, "waiting": 0}}]
        ),
    }
)
FIRST = ["inline", "inline-serial", "thread", B_SERIAL, "thread-broadcast", "process-pool", "mine"]
names = st.sampled_from([*FIRST, "load-shedding", "conflate", "ack-first", "ordered-pool", "drop-for-slow"])


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(names, runs, min_size=1, max_size=4), st.sampled_from([1, 5]), st.sampled_from([None, 0, 50_000])
)
def test_no_comparison_makes_a_claim_raise(strategies, connections, cpu_ns):
    plan = simulated.burst(5, connections=connections)
    result = simulated.comparison(strategies, repeats=1, plan=plan)
    if cpu_ns is not None:
        result = with_column(result, "work_cpu", cpu_ns)
    for slug in ALL:
        assert_is_a_sentence(claim(slug, result))


# --- the list ---


def test_slugs_are_unique_and_plain():
    assert all(slug == entry.slug for slug, entry in ALL.items())
    assert all(slug.replace("-", "").isalpha() and slug.islower() for slug in ALL)


@pytest.mark.parametrize("slug", ALL)
def test_a_claim_says_everything_about_itself(slug):
    entry = ALL[slug]
    assert all(getattr(entry, part) for part in ("quote", "sentence", "reading", "condition", "margin"))
    assert all(1 <= line <= 14 for line in entry.lines)
    assert entry.reading in ("server thread", "connection", "page", "client")
    assert entry.who in (ONE, MANY, BOTH)
    assert entry.sentence.endswith((".", ")"))
    assert callable(entry.judge)


def test_sentences_are_unique():
    assert len({entry.sentence for entry in ALL.values()}) == len(ALL)


# --- exercises ---

MEASURED = ("thread", "inline", "process-pool")


@pytest.mark.parametrize("mine", [None, [], ()])
def test_an_exercise_waits_for_its_reader(mine):
    said = check(mine, MEASURED)
    assert repr(said) == "Your turn: write the order of inline, process-pool, thread, best first."


@pytest.mark.parametrize("mine", [["inline"], ["inline", "inline", "thread"], ["inline", "thread", "pool"]])
def test_an_exercise_asks_for_each_name_once(mine):
    assert repr(check(mine, MEASURED)) == "Name each of inline, process-pool, thread once."


@pytest.mark.parametrize("mine", [list(MEASURED), MEASURED])
def test_the_measured_order_is_right(mine):
    assert repr(check(mine, MEASURED)) == "Right: this machine measured the same order."


def test_another_order_is_told_its_first_mistake():
    said = repr(check(["thread", "process-pool", "inline"], MEASURED))
    assert said == "Not on this machine: place 2 is inline."


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (None, "Your turn: write a number."),
        (0, "Write a number above zero."),
        ("ten", "Write a number above zero."),
        (67, "Right: this machine measured about as much."),
        (150, "Right: this machine measured about as much."),
        (66, "Too low: look at the figure, and guess again."),
        (151, "Too high: look at the figure, and guess again."),
        (9.9, "Too low, by more than ten times: look at the figure, and guess again."),
        (1001, "Too high, by more than ten times: look at the figure, and guess again."),
    ],
)
def test_a_number_is_checked_without_telling_the_measured_one(mine, said):
    assert repr(check(mine, 100.0)) == said


def test_a_count_is_right_or_not():
    assert repr(check(1, 1)) == "Right: so many were counted."
    assert repr(check(2, 1)) == repr(check("x", 1)) == "Not on this machine: look, and count again."
    assert repr(check(None, 1)) == "Your turn: write a number."


def test_a_number_for_an_order_is_asked_for_names():
    assert repr(check(7, MEASURED)).startswith("Name each of inline")


def test_a_claim_of_the_readers_is_judged_as_the_labs_are():
    mine = dataclasses.replace(CLAIMS["one-alone"], slug="mine", sentence="So it is.", judge=lambda result: 2.0)
    result = simulated.comparison({"inline": {}}, clients=1)
    assert repr(claim(mine, result)) == "HOLDS: So it is."
    assert claim(mine, result).headroom == 2
    assert repr(claim(mine, 7)) == "NOT TESTABLE HERE: needs a Comparison, not a int"
    assert "mine" not in ALL
