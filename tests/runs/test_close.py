"""Every event gets exactly one outcome, every delivery exactly one kind: worked cases by hand, the rest by property."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.plan.exchange import Exchange
from labkit.plan.schedules import Schedule
from labkit.runs import close as ledger
from labkit.runs.conditions import Conditions
from labkit.runs.fired import Fired
from labkit.runs.stages import DELIVERIES, NEVER, SERVER_COLUMNS, Outcome, outcome_label
from labkit.server.stamps import Stamps
from tests.support.fake_clock import FakeClock

MS = 1_000_000
START = 7_000 * MS  # the instant from which the plan's offsets count
TIMEOUT_MS = 100


def plan_of(*due_ms, connection=None, connections=1):
    due = np.array(due_ms, np.int64) * MS
    return Schedule("by hand", due, np.zeros(len(due), np.int64) if connection is None else connection, connections, 0)


def at(ms):
    """An instant on the common clock; 0, no stamp, where None."""
    return 0 if ms is None else START + round(ms * MS)


def stamps_of(*instants_ms):
    return np.array([at(ms) for ms in instants_ms], np.int64)


def fired_of(deliveries=(), *, sent=(1,), closed=(None, None, None), end=500, pings=(), messages=None, samples=()):
    """What the client kept. A delivery: (event, connection, at ms) and, where it is not ANSWERED, its status."""
    rows = [(*delivery, Outcome.ANSWERED)[:4] for delivery in deliveries]
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    number = len(rows)
    return Fired(
        start_ns=START,
        end_ns=at(end),
        sent_ns=stamps_of(*sent),
        delivery_event=columns[0].astype(np.int64),
        delivery_connection=columns[1].astype(np.int64),
        delivery_ns=stamps_of(*columns[2]),
        delivery_status=columns[3].astype(np.int64),
        work_start_ns=stamps_of(*(10 + i for i in range(number))),
        work_end_ns=stamps_of(*(20 + i for i in range(number))),
        work_cpu_ns=np.arange(number) + 5,
        messages=messages or {},
        ping_sent_ns=stamps_of(*(sent for sent, _ in pings)),
        ping_acked_ns=stamps_of(*(acked for _, acked in pings)),
        closed_ns=stamps_of(*closed),
        samples=np.array(samples, np.int64).reshape(-1, 4),
        cpu_ns=0,
        collections=0,
    )


def closed(fired, plan=None, *, stamps=None, ping_ns=(), service_ms=None):
    plan = plan or plan_of(0)
    return ledger.close(
        fired,
        (stamps or Stamps(len(plan))).columns(),
        strategy="by hand",
        work="none",
        mode="threading",
        plan=plan,
        ping_ns=np.array(ping_ns, np.int64),
        timeout_s=TIMEOUT_MS / 1000,
        service_ms=service_ms or [1.0] * len(plan),
        machine={"cores": 2},
        conditions=Conditions(window_s=3.0),
    )


def outcomes(run):
    return [outcome_label(o) for o in run.events["outcome"].tolist()]


def kinds(run):
    return [DELIVERIES[kind] for kind in run.deliveries["kind"].tolist()]


# --- outcomes ---


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (Outcome.ANSWERED, "answered"),
        (Outcome.FAILED, "failed"),
        (Outcome.SHED, "shed"),
        (Outcome.SUPERSEDED, "superseded"),
        (Outcome.GARBLED, "garbled"),
        (Outcome.WRONG, "wrong"),
        (Outcome.UNREADABLE, "unreadable"),
    ],
)
def test_the_outcome_is_what_the_first_answer_says(status, outcome):
    run = closed(fired_of([(0, 0, 30, status)]))
    assert (outcomes(run), kinds(run)) == ([outcome], ["answer"])
    assert run.events["delivered"].tolist() == [30 * MS]


def test_without_an_answer_an_event_has_timed_out():
    run = closed(fired_of())
    assert outcomes(run) == ["timed out"]
    assert run.events["delivered"].tolist() == [NEVER]


def test_an_answer_at_the_deadline_is_in_time_and_one_after_it_is_not():
    run = closed(fired_of([(0, 0, 100), (1, 0, 100.000001)], sent=(1, 1)), plan_of(0, 0))
    assert (outcomes(run), kinds(run)) == (["answered", "timed out"], ["answer", "late"])
    assert run.events["delivered"].tolist() == [100 * MS, NEVER]


def test_the_deadline_counts_from_the_intended_start_not_from_the_send():
    run = closed(fired_of([(0, 0, 149), (1, 0, 151)], sent=(60, 60)), plan_of(50, 50))
    assert outcomes(run) == ["answered", "timed out"]


def test_an_event_that_was_not_sent_is_unsent():
    assert outcomes(closed(fired_of(sent=(None,)))) == ["unsent"]


@pytest.mark.parametrize("closed_ms", [5, -50])  # during the run, and in the warm-up before it
def test_an_event_that_a_closed_connection_could_not_send_is_lost(closed_ms):
    run = closed(fired_of(sent=(None,), closed=(closed_ms, None, None)))
    assert (outcomes(run), run.lost) == (["disconnected"], 1)


def test_an_event_that_was_due_before_its_connection_closed_too_late_to_matter_is_unsent():
    assert outcomes(closed(fired_of(sent=(None,), closed=(101, None, None)))) == ["unsent"]


def test_an_event_whose_connection_closes_before_its_deadline_is_disconnected():
    plan = plan_of(0, 0, connection=[0, 1], connections=2)
    run = closed(fired_of(sent=(1, 1), closed=(50, None, None, None)), plan)
    assert outcomes(run) == ["disconnected", "timed out"]


def test_a_connection_that_closes_after_the_deadline_has_nothing_to_do_with_it():
    assert outcomes(closed(fired_of(closed=(101, None, None)))) == ["timed out"]


def test_a_connection_that_closes_after_the_answer_takes_nothing_back():
    assert outcomes(closed(fired_of([(0, 0, 30)], closed=(31, None, None)))) == ["answered"]


def test_of_one_connection_each_event_has_its_own_deadline():
    # closed at 150: the first event's 100 ms were over, the second's were not
    assert outcomes(closed(fired_of(sent=(1, 90), closed=(150, None, None)), plan_of(0, 90))) == [
        "timed out",
        "disconnected",
    ]


def test_an_event_is_unaccounted_where_the_client_did_not_wait():
    run = closed(fired_of(end=99))
    assert (outcomes(run), run.unaccounted) == (["unaccounted"], 1)


def test_a_disconnected_event_is_accounted_for_though_nobody_waited():
    assert outcomes(closed(fired_of(closed=(50, None, None), end=60))) == ["disconnected"]


# --- deliveries ---


def test_a_second_answer_is_a_duplicate_and_changes_nothing():
    run = closed(fired_of([(0, 0, 30), (0, 0, 40, Outcome.FAILED)]))
    assert (outcomes(run), kinds(run)) == (["answered"], ["answer", "duplicate"])
    assert run.events["delivered"].tolist() == [30 * MS]


def test_the_first_answer_counts_in_whatever_order_they_were_kept():
    run = closed(fired_of([(0, 0, 40), (0, 0, 30, Outcome.FAILED)]))
    assert (outcomes(run), kinds(run)) == (["failed"], ["duplicate", "answer"])


def test_a_second_answer_after_the_deadline_is_a_duplicate():
    assert kinds(closed(fired_of([(0, 0, 30), (0, 0, 200)]))) == ["answer", "duplicate"]


def test_of_two_late_answers_the_first_is_late_and_the_second_a_duplicate():
    run = closed(fired_of([(0, 0, 150), (0, 0, 160)]))
    assert (outcomes(run), kinds(run)) == (["timed out"], ["late", "duplicate"])


def test_an_answer_on_another_connection_is_a_stray_and_answers_nobody():
    run = closed(fired_of([(0, 1, 30)]))
    assert (outcomes(run), kinds(run), run.strays) == (["timed out"], ["stray"], 1)


def test_a_broadcast_is_one_answer_and_a_stray_for_everybody_else():
    run = closed(fired_of([(0, 0, 30), (0, 1, 30), (0, 2, 30)]))
    assert (outcomes(run), kinds(run)) == (["answered"], ["answer", "stray", "stray"])


def test_a_stray_before_the_answer_does_not_make_it_a_duplicate():
    assert kinds(closed(fired_of([(0, 1, 20), (0, 0, 30)]))) == ["stray", "answer"]


def test_a_delivery_of_which_no_event_can_be_told_is_garbled_and_answers_nobody():
    run = closed(fired_of([(-1, 0, 30, Outcome.GARBLED)]))
    assert (outcomes(run), kinds(run)) == (["timed out"], ["garbled"])


# --- what else a run takes over ---


def test_stamps_count_from_the_start_and_missing_ones_are_never():
    stamps = Stamps(2, FakeClock())
    for i, name in enumerate(SERVER_COLUMNS):
        getattr(stamps, name)[0] = at(2 + i)
    run = closed(fired_of(sent=(1, 1)), plan_of(0, 0), stamps=stamps)
    for i, name in enumerate(SERVER_COLUMNS):
        assert run.events[name].tolist() == [(2 + i) * MS, NEVER], name
    assert run.events["sent"].tolist() == [1 * MS, 1 * MS]


def test_the_works_own_stamps_are_those_of_the_answer_that_counts():
    run = closed(fired_of([(0, 1, 15), (0, 0, 30), (0, 0, 40)], sent=(1, 1)), plan_of(0, 0))
    assert run.events["work_start"].tolist() == [11 * MS, NEVER]
    assert run.events["work_end"].tolist() == [21 * MS, NEVER]
    assert run.events["work_cpu"].tolist() == [6, NEVER]


def test_messages_are_those_of_the_answers_that_count():
    fired = fired_of([(1, 0, 30, Outcome.FAILED), (1, 0, 40, Outcome.FAILED)], sent=(1, 1), messages={0: "a", 1: "b"})
    assert closed(fired, plan_of(0, 0)).messages == {1: "a"}


def test_pings_and_samples_count_from_the_start():
    fired = fired_of(pings=[(10, 12), (20, None)], samples=[(at(3), 9, 1000, 5)])
    run = closed(fired, ping_ns=[10 * MS, 20 * MS])
    assert run.bystander_ms.tolist() == [2, np.inf]
    assert run.pings["sent"].tolist() == [10 * MS, 20 * MS]
    assert [column.tolist() for column in run.samples.values()] == [[3 * MS], [9], [1000], [5]]


def test_the_service_time_is_that_of_the_calibration():
    assert closed(fired_of(), service_ms=[12.5]).events["service"].tolist() == [12_500_000]


def test_the_names_the_machine_and_the_conditions_are_kept():
    run = closed(fired_of())
    assert (run.strategy, run.work, run.mode, run.timeout_s) == ("by hand", "none", "threading", 0.1)
    assert (run.machine, run.conditions) == ({"cores": 2}, Conditions(window_s=3.0))


# --- whatever happens ---


@st.composite
def firings(draw):
    """Anything that a client could have kept, of two senders, a bystander and a listener."""
    count = draw(st.integers(1, 6))
    due = sorted(draw(st.lists(st.integers(0, 300), min_size=count, max_size=count)))
    plan = plan_of(*due, connection=draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)), connections=2)
    delivery = st.tuples(st.integers(-1, count - 1), st.integers(0, 3), st.integers(0, 600), st.integers(0, 5))
    instant = st.none() | st.integers(0, 600)
    fired = fired_of(
        draw(st.lists(delivery, max_size=20)),
        sent=draw(st.lists(instant, min_size=count, max_size=count)),
        closed=draw(st.lists(instant, min_size=4, max_size=4)),
        end=draw(st.integers(0, 800)),
    )
    return plan, fired


@settings(deadline=None, max_examples=200)
@given(firings())
def test_every_event_has_one_outcome_and_every_delivery_one_kind(firing):
    plan, fired = firing
    run = closed(fired, plan)
    assert sum(run.outcomes.values()) + run.unaccounted == len(plan)
    assert sum(run.delivered(kind) for kind in DELIVERIES) == len(fired.delivery_event)
    # An event has at most one answer, and it has one exactly where its outcome is an answer's.
    answered = [e for e, kind in zip(run.deliveries["event"], kinds(run), strict=True) if kind == "answer"]
    assert sorted(answered) == np.flatnonzero(run.events["delivered"] != NEVER).tolist()
    assert sorted(answered) == np.flatnonzero(np.isin(run.events["outcome"], range(6))).tolist()
    assert len(answered) == sum(list(run.outcomes.values())[:6])


@settings(deadline=None, max_examples=200)
@given(firings())
def test_nothing_is_unaccounted_where_the_client_waited_for_every_deadline(firing):
    plan, fired = firing
    waited = fired.end_ns - START >= int(plan.intended_ns[-1]) + TIMEOUT_MS * MS
    assert not (waited and closed(fired, plan).unaccounted)


@settings(deadline=None, max_examples=200)
@given(firings())
def test_a_stray_is_a_delivery_to_somebody_else_and_only_that(firing):
    plan, fired = firing
    run = closed(fired, plan)
    for event, connection, kind in zip(fired.delivery_event, fired.delivery_connection, kinds(run), strict=True):
        assert (kind == "garbled") == (event < 0)
        assert (kind == "stray") == (event >= 0 and connection != plan.connection[event])


def test_acknowledgements_are_a_column_where_they_were_asked_for():
    fired = fired_of([(0, 0, 5)], sent=(1, 1))
    asked = dataclasses.replace(fired, acked_ns=stamps_of(2, None))
    assert closed(asked, plan_of(0, 0)).acked_ms.tolist() == [2, np.inf]
    assert len(closed(fired, plan_of(0, 0)).acked_ms) == 0


# --- answers of apps that know nothing of the lab ---


def closed_by(match, answer, fired, plan, *, service_ms=None, arrivals=None):
    exchange = Exchange("price", "priced" if answer == "event" else "response", answer=answer, match=match)
    return ledger.close(
        fired,
        Stamps(len(plan)).columns(),
        strategy="127.0.0.1:5000",
        work="price",
        mode="not known",
        plan=plan,
        ping_ns=np.zeros(0, np.int64),
        timeout_s=TIMEOUT_MS / 1000,
        service_ms=service_ms or [None] * len(plan),
        machine={},
        conditions=Conditions(exchange=exchange.to_dict()),
        arrivals=arrivals,
    )


def test_where_answers_are_not_matched_an_event_was_sent_and_nobody_knows_more():
    fired = fired_of([(-1, 0, 30), (-1, 0, 40)], sent=(1, None, None, 1), closed=(None, 2, None))
    plan = plan_of(0, 0, 0, 0, connection=np.array([0, 0, 1, 1]), connections=2)
    for answer in ("event", "nothing"):
        run = closed_by("nothing", answer, fired, plan)
        assert outcomes(run) == ["sent", "unsent", "disconnected", "sent"]
        assert kinds(run) == ["unmatched", "unmatched"]
        assert (run.lost, run.unaccounted) == (1, 0)


def test_an_answer_that_is_nobodys_is_unmatched_and_one_without_its_field_is_garbled():
    run = closed_by("id", "event", fired_of([(-1, 0, 30), (-1, 0, 40, Outcome.GARBLED), (0, 0, 50)]), plan_of(0))
    assert (outcomes(run), kinds(run)) == (["answered"], ["unmatched", "garbled", "answer"])


def test_what_an_event_costs_alone_may_be_unknown():
    assert closed_by("id", "event", fired_of(), plan_of(0)).events["service"].tolist() == [NEVER]


def test_when_connections_came_is_kept_with_the_run():
    came = {name: np.array([0, 5]) for name in ("began", "opened", "upgraded", "greeted", "set_up")}
    assert closed_by("id", "event", fired_of(), plan_of(0), arrivals=came).arrivals == came
    assert closed_by("id", "event", fired_of(), plan_of(0)).arrivals == {}
