"""Work of several kinds: which event is of which kind, and what it costs and must be answered."""

import dataclasses
import math
import threading

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import labkit as lab
from labkit.base.errors import NotPicklable, WorkloadError
from labkit.plan import calibration
from labkit.plan.calibration import Sampled, expected_answers
from labkit.plan.mix import largest_remainder, mix
from labkit.plan.work import Calculation, require_picklable
from tests.plan.test_work import says_what_to_do

CHAT, EXPORT = lab.io_wait(1), lab.io_wait(200)
PARTS = {"chat": (0.9, CHAT), "export": (0.1, EXPORT)}


def counts(work, plan):
    return np.bincount(work.kinds_in(plan), minlength=len(work.parts)).tolist()


# --- its name and its shares ---


def test_its_name_says_every_kind_its_share_and_its_work():
    assert mix(PARTS).name == "mix(chat 90% io_wait:1ms, export 10% io_wait:200ms)"
    assert mix(PARTS, apart=True).name == "mix(chat 90% io_wait:1ms, export 10% io_wait:200ms; apart)"
    assert mix({"a": (1 / 3, CHAT), "b": (2 / 3, EXPORT)}).name.startswith("mix(a 33.33% ")
    assert repr(mix(PARTS)) == f"<Work {mix(PARTS).name}>"
    assert (mix(PARTS).kind, mix(PARTS).kinds, mix(PARTS).ms) == ("mix", ("chat", "export"), None)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"a": (0.9, CHAT), "b": (0.2, EXPORT)}, "these add up to 1.1"),
        ({"a": (0.9, CHAT), "b": (0.1 + 2e-6, EXPORT)}, "add up to 1, and these add up to 1"),
        ({"a": (1.0, CHAT), "b": (0, EXPORT)}, "share of 'b' is a number above 0 and below 1, not 0"),
        ({"a": (1.1, CHAT), "b": (-0.1, EXPORT)}, "share of 'b' is a number above 0"),
        ({"a": (math.nan, CHAT), "b": (1, EXPORT)}, "share of 'a' is a number above 0"),
        ({"a": ("half", CHAT), "b": (0.5, EXPORT)}, "share of 'a' is a number above 0 and below 1, not 'half'"),
        ({"a": (True, CHAT), "b": (0.5, EXPORT)}, "share of 'a' is a number above 0"),
        ({"a": (1, CHAT)}, "two kinds or more"),
        ({}, "two kinds or more"),
        ([(0.9, CHAT), (0.1, EXPORT)], "two kinds or more"),
        ({"a": (0.5, CHAT), "b": (0.5, mix(PARTS))}, "'b' is a mix itself: name its kinds"),
        ({"a": (0.5, CHAT), "b": (0.5, print)}, r"work of 'b' is a lab\.cpu"),
        ({"a": (0.5, CHAT), "b": 0.5}, "'b' needs a share and a work"),
        ({"a": (0.5, CHAT), "": (0.5, EXPORT)}, "a word for its name, not ''"),
        ({"a": (0.5, CHAT), "  ": (0.5, EXPORT)}, "a word for its name"),
        ({"a": (0.5, CHAT), 7: (0.5, EXPORT)}, "a word for its name, not 7"),
    ],
)
def test_a_mix_that_makes_no_sense_is_a_sentence(parts, sentence):
    with pytest.raises(WorkloadError, match=sentence) as error:
        mix(parts)
    assert says_what_to_do(error)


def test_shares_may_be_off_by_rounding():
    assert len(mix(dict.fromkeys("abc", (1 / 3, CHAT))).parts) == 3
    assert len(mix({"a": (0.9, CHAT), "b": (0.1 + 5e-7, EXPORT)}).parts) == 2


# --- which event is of which kind ---

SHARES = st.lists(st.integers(1, 1000), min_size=2, max_size=6).map(lambda parts: [p / sum(parts) for p in parts])


@given(shares=SHARES, count=st.integers(1, 5000))
def test_whole_numbers_are_less_than_one_from_their_shares(shares, count):
    found = largest_remainder(shares, count)
    assert sum(found) == count
    assert all(abs(got - share * count) < 1 for got, share in zip(found, shares, strict=True))


@given(shares=SHARES, seed=st.integers(0, 2**32))
def test_kinds_are_exact_shares_and_the_same_for_the_same_seed(shares, seed):
    work = mix({f"kind {number}": (share, CHAT) for number, share in enumerate(shares)})
    plan = lab.burst(work.fewest_events(1), connections=1, seed=seed)
    assert counts(work, plan) == largest_remainder(shares, len(plan))
    assert min(counts(work, plan)) >= 1
    assert np.array_equal(work.kinds_in(plan), work.kinds_in(lab.burst(len(plan), connections=1, seed=seed)))


def test_twenty_events_are_eighteen_and_two_in_an_order_of_their_own():
    plans = [lab.burst(20, connections=10, seed=seed) for seed in range(20)]
    assert [counts(mix(PARTS), plan) for plan in plans] == [[18, 2]] * 20
    assert len({tuple(mix(PARTS).kinds_in(plan)) for plan in plans}) > 10


def test_what_rounding_leaves_goes_to_the_rarest_of_equals():
    assert largest_remainder([0.9, 0.1], 5) == [4, 1]
    assert largest_remainder([0.29, 0.71], 100) == [29, 71]


def test_every_client_sends_both_kinds():
    plan = lab.constant(100, events=2000, connections=10)
    kind = mix(PARTS).kinds_in(plan)
    assert all(set(kind[plan.connection == client]) == {0, 1} for client in range(10))


def test_a_kind_without_an_event_is_refused():
    with pytest.raises(WorkloadError, match=r"4 events leave none for 'export' \(10%\): fire 10 or more"):
        mix(PARTS).kinds_in(lab.burst(4, connections=2))
    assert counts(mix(PARTS), lab.burst(10, connections=1)) == [9, 1]


# --- clients apart ---


def test_apart_each_client_sends_one_kind_and_clients_are_divided_by_share():
    work = mix(PARTS, apart=True)
    for seed in range(5):
        plan = lab.poisson(10, seconds=10, connections=10, seed=seed)
        kind = work.kinds_in(plan)
        sends = [set(kind[plan.connection == client].tolist()) for client in range(10)]
        assert sorted(map(sorted, sends)) == [[0]] * 9 + [[1]]


def test_apart_it_is_not_always_the_last_client_that_differs():
    work = mix(PARTS, apart=True)
    plans = [lab.burst(10, connections=10, seed=seed) for seed in range(30)]
    assert len({int(work.kinds_in(plan).argmax()) for plan in plans}) > 3


@pytest.mark.parametrize(
    ("connections", "sentence"),
    [
        (
            1,
            "2 kinds that come from clients of their own need as many clients, and this plan has 1: give",
        ),
        (4, "90% of 4 clients is 3.6, no whole number of clients for 'chat': give connections=10"),
        (15, "no whole number of clients"),
    ],
)
def test_apart_shares_that_give_no_whole_clients_are_refused(connections, sentence):
    with pytest.raises(WorkloadError, match=sentence) as error:
        mix(PARTS, apart=True).kinds_in(lab.burst(60, connections=connections))
    assert says_what_to_do(error)


def test_apart_odd_shares_get_advice_that_can_be_followed():
    odd = mix({"a": (math.pi / 4, CHAT), "b": (1 - math.pi / 4, EXPORT)}, apart=True)
    with pytest.raises(WorkloadError, match=r"give shares that divide the clients, such as 0\.25"):
        odd.kinds_in(lab.burst(60, connections=10))
    thirds = mix({"a": (1 / 3, CHAT), "b": (2 / 3, EXPORT)}, apart=True)
    assert counts(thirds, lab.burst(9, connections=3)) == [3, 6]


def test_apart_a_kind_whose_clients_send_nothing_is_refused():
    work = mix(PARTS, apart=True)
    late = [seed for seed in range(30) if work.kinds_in(lab.burst(10, connections=10, seed=seed)).argmax() >= 5]
    plan = lab.burst(5, connections=5, seed=late[0])
    plan = dataclasses.replace(plan, connections=10)
    with pytest.raises(WorkloadError, match=r"5 events leave none for 'export' \(10%\): fire 10 or more"):
        work.kinds_in(plan)


# --- what an event carries, costs and must be answered ---


def double(payload):
    return 2 * payload


def test_each_event_has_the_payload_the_answer_and_the_cost_of_its_kind():
    work = mix({"chat": (0.75, lab.call(double, payloads=[7, 8])), "export": (0.25, EXPORT)})
    plan = lab.burst(8, connections=2)
    found = expected_answers(work, plan)
    assert found.checked
    assert (found.kinds, found.kind) == (("chat", "export"), tuple(work.kinds_in(plan)))
    chats = [place for place, kind in enumerate(found.kind) if kind == 0]
    exports = [place for place, kind in enumerate(found.kind) if kind == 1]
    assert [found.payloads[p] for p in chats] == [{"kind": "chat", "payload": n} for n in (7, 8, 7, 8, 7, 8)]
    assert [found.answers[p] for p in chats] == [14, 16, 14, 16, 14, 16]
    assert [(found.payloads[p], found.answers[p]) for p in exports] == [
        ({"kind": "export", "payload": n}, n) for n in (0, 1)
    ]
    assert [found.service_ms[p] for p in exports] == [200, 200]
    assert [found.mean_of_each_ms[p] for p in exports] == [200, 200]
    assert max(found.service_ms[p] for p in chats) < 200
    assert found.mean_service_ms == pytest.approx(np.mean(found.service_ms))
    # What the server's own function gives is what is expected.
    assert [work.function(payload) for payload in found.payloads] == list(found.answers)


def test_work_that_is_no_mix_has_no_kinds_and_one_mean():
    found = expected_answers(CHAT, lab.burst(3, connections=1))
    assert (found.kinds, found.kind, found.first_of_each_kind) == ((), (), (0,))
    assert found.mean_of_each_ms.tolist() == [1, 1, 1]


def test_one_kind_that_cannot_be_checked_leaves_the_answers_unchecked():
    numbers = iter(range(1000))
    work = mix({"chat": (0.5, CHAT), "random": (0.5, lab.call(lambda: next(numbers)))})
    assert not expected_answers(work, lab.burst(4, connections=1)).checked


def test_the_labs_own_kinds_are_calibrated_once_and_a_readers_each_time(monkeypatch):
    asked = []
    monkeypatch.setattr(calibration, "expect", lambda *a: asked.append(a[0].kind) or original(*a))
    monkeypatch.setattr(calibration, "_expect_once", lambda *a: asked.append("once") or original(*a))
    expected_answers(mix({"a": (0.5, CHAT), "b": (0.5, lab.call(double))}), lab.burst(4, connections=1))
    assert asked == ["once", "call"]


original = calibration.expect


def test_a_mix_travels_to_another_process():
    work = mix({"chat": (0.5, CHAT), "export": (0.5, lab.call(lambda payload: payload + 1))})
    require_picklable(work)
    there = cloudpickle.loads(cloudpickle.dumps(Calculation(work.function)))
    assert there({"id": 1, "payload": {"kind": "export", "payload": 4}})["result"] == 5
    lock = threading.Lock()
    with pytest.raises(NotPicklable, match="mix"):
        require_picklable(mix({"chat": (0.5, CHAT), "export": (0.5, lab.call(lambda _: lock.locked()))}))


def test_an_unknown_kind_is_an_answer_that_failed():
    answer = Calculation(mix(PARTS).function)({"id": 1, "payload": {"kind": "upload", "payload": 0}})
    assert answer["error"] == "ValueError: there is no kind 'upload'"


def test_the_payloads_of_a_mix_cannot_be_asked_for_without_a_plan():
    with pytest.raises(WorkloadError, match="depends on the plan"):
        mix(PARTS).make_payloads(10, 0)


# --- calibrated once for plans of any length ---


def test_a_sampled_mix_serves_plans_of_any_length():
    sampled = Sampled(mix(PARTS), 5, 0)
    assert sampled.mean_service_ms == pytest.approx(0.9 * 1 + 0.1 * 200)
    for events in (10, 200):
        plan = lab.burst(events, connections=10)
        found = sampled.expected(plan)
        assert found.kind == tuple(mix(PARTS).kinds_in(plan))
        assert sorted(set(found.service_ms)) == [1, 200]


def test_a_percentile_of_the_work_is_that_of_its_dear_kind_where_it_is_frequent_enough():
    assert Sampled(mix(PARTS), 3, 0).percentile_ms(98) == 200
    assert Sampled(mix(PARTS), 3, 0).percentile_ms(50) == 1
    assert Sampled(mix({"export": (0.01, EXPORT), "chat": (0.99, CHAT)}), 3, 0).percentile_ms(98) == 1
    assert Sampled(EXPORT, 3, 0).percentile_ms(98) == 200
