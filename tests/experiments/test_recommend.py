"""Every rule of the recommendation, on simulated runs: what it names, and what it refuses to name."""

import dataclasses
import math

import numpy as np
import pytest

from labkit.base.errors import UsageError
from labkit.experiments.diagnosis import Diagnosis
from labkit.experiments.kinds import HOLDS, WAITS
from labkit.experiments.recommend import recommend, told_apart
from labkit.experiments.simplicity import SIMPLICITY
from labkit.plan.schedules import burst, constant
from labkit.runs.comparison import Comparison
from labkit.runs.summary import Distribution
from labkit.strategies import NAMES
from tests.support import simulated


def diagnosis(kind=HOLDS, ms=100.0, **changed):
    waiting = 1.0 if kind == WAITS else 0.0
    values = {
        "work": "cpu:100ms",
        "kind": kind,
        "waiting": waiting,
        "computing": 1 - waiting,
        "gil_held": 1 - waiting,
        "service": Distribution.of(np.full(20, float(ms))),
        "first_ms": ms,
        "other_thread_waits": Distribution.of(np.array([5.0])),
        "hold_ms": 5.0,
        "switch_interval_ms": 5.0,
        "payload_us": 3.0,
        "answer_us": 3.0,
        "why_not": "",
        "cores": 2,
        "gil": True,
        "accounted": True,
    }
    return Diagnosis(**{**values, **changed})


RATE = constant(5, events=10)
GREEDY = constant(5, events=10, connections=1)


def recommended(strategies, *, plan=RATE, repeats=4, found=None, **shared):
    return recommend(found or diagnosis(), simulated.comparison(strategies, repeats, plan=plan, **shared))


GOOD, SLOW, NEIGHBOURS_WAIT = {"own_ms": 110}, {"own_ms": 900}, {"own_ms": 110, "bystander_ms": 450}


def test_the_simplest_that_holds_even_if_another_is_faster():
    found = recommended({"process-pool": {"own_ms": 20}, "thread": GOOD})
    assert found.strategy == "thread"
    assert found.holding == ("thread", "process-pool")
    assert "Write thread, the simplest of them (" in repr(found)
    assert repr(found).endswith("Its code: labkit show thread.")


def test_the_only_one_that_holds_and_why_not_the_others():
    found = recommended({"inline": NEIGHBOURS_WAIT, "thread": SLOW, "process-pool": GOOD})
    assert found.strategy == "process-pool"
    assert found.rejected == {"inline": "neighbours 450 ms (p98)", "thread": "callers 900 ms (max)"}
    assert "the only one that holds" in repr(found)
    assert "Not inline: neighbours 450 ms (p98); thread: callers 900 ms (max)." in found.sentences


def test_the_kind_of_work_comes_first_then_what_was_offered():
    found = recommended({"inline": GOOD})
    assert found.sentences[0] == "cpu:100ms computes in Python and holds the GIL: threads can't help, processes can."
    assert found.sentences[1] == "Offered 0.5 cores of work (5/s of 100 ms of CPU, from 10 clients); the machine has 2."
    assert found.offered_cores == pytest.approx(0.5)


def test_more_than_one_gil_can_do_is_said():
    text = repr(recommended({"inline": SLOW}, plan=constant(15, events=30)))
    assert "Offered 1.5 cores of work (15/s of 100 ms of CPU, from 10 clients); the machine has 2, and" in text
    assert "one process has one GIL" in text


def test_nothing_holds_since_the_machine_is_too_small():
    found = recommended({"inline": SLOW, "process-pool": SLOW}, plan=constant(24, events=48), bystander_ms=300)
    assert (found.strategy, found.holding) == (None, ())
    assert (
        found.sentences[-1] == "Nothing holds 200 ms in mode threading: offered 2.4 cores of work, the machine has 2."
    )


def test_nothing_holds_a_burst_that_takes_longer_than_the_bound():
    found = recommended({"inline": SLOW}, plan=burst(10), bystander_ms=300)
    assert found.sentences[1] == "Offered: 10 events at once from 10 clients, 1.0 s of CPU; the machine has 2 cores."
    assert found.sentences[2].endswith("1.0 s of CPU at once takes 2 cores at least 500 ms.")
    assert math.isnan(found.offered_cores)


def test_nothing_holds_though_the_machine_is_large_enough():
    found = recommended({"inline": SLOW, "thread": {"own_ms": 700}}, bystander_ms=300)
    assert found.strategy is None
    assert "inline: callers 900 ms (max), neighbours 300 ms (p98); thread: callers 700 ms (max)" in found.sentences[-1]


def test_where_nothing_holds_the_one_that_spares_the_neighbours_is_named_and_not_recommended():
    found = recommended(
        {"inline": {"own_ms": 900, "bystander_ms": 450}, "thread-broadcast": SLOW, "process-pool": SLOW},
        plan=burst(10),
    )
    assert found.strategy is None
    assert "If callers can wait: process-pool is the simplest that spares the neighbours (1.0 ms (p98))." in repr(found)


def test_strangers_answers_disqualify_however_fast():
    found = recommended({"thread-broadcast": {"own_ms": 5, "strays": 10}, "thread": {**GOOD, "strays": 1}})
    assert found.strategy is None
    assert found.rejected == dict.fromkeys(["thread-broadcast", "thread"], "its answers reach strangers")


@pytest.mark.parametrize("fault", ["failed", "wrong", "garbled", "timed out", "disconnected", "unsent"])
def test_one_event_not_answered_rightly_disqualifies(fault):
    found = recommended({"inline": {**GOOD, "outcomes": {fault: 1}}, "process-pool": GOOD})
    assert found.rejected == {"inline": f"4 of 40 {fault}"}
    assert found.strategy == "process-pool"


def test_who_sheds_does_not_win_by_it():
    found = recommended({"thread-pool": {**GOOD, "outcomes": {"shed": 2}}, "process-pool": GOOD})
    assert found.rejected == {"thread-pool": "callers not all answered"}


def test_invalid_runs_recommend_nothing():
    found = recommended({"inline": GOOD, "thread": {**GOOD, "late_ms": 90}})
    assert found.strategy is None
    assert found.sentences[-1] == "No recommendation: 4 of 8 runs are invalid, see the notes."


def test_work_that_waits_offers_no_core():
    found = recommended({"thread": GOOD}, found=diagnosis(WAITS), plan=constant(100, events=100))
    assert found.offered_cores == 0
    assert found.sentences[1].startswith("Offered 0.0 cores of work")


# --- modes ---


def test_the_mode_is_named():
    assert "in mode threading: inline." in repr(recommended({"inline": GOOD}))


def test_a_mode_that_was_not_measured_gets_no_recommendation():
    with pytest.raises(UsageError, match="mode 'gevent' was not measured"):
        recommend(diagnosis(), simulated.comparison({"inline": GOOD}), mode="gevent")


def test_of_several_modes_one_must_be_named_and_only_its_runs_count():
    runs = [
        simulated.run("inline", plan=RATE, own_ms=110),
        simulated.run("inline", plan=RATE, own_ms=900, mode="gevent"),
    ]
    both = Comparison(tuple(runs))
    with pytest.raises(UsageError, match="name the mode"):
        recommend(diagnosis(), both)
    assert recommend(diagnosis(), both, mode="threading").strategy == "inline"
    assert recommend(diagnosis(), both, mode="gevent").strategy is None


def test_runs_of_another_work_are_refused():
    with pytest.raises(UsageError, match="the diagnosis is of other and the runs of cpu:100ms"):
        recommend(diagnosis(work="other"), simulated.comparison({"inline": GOOD}))


# --- what the runs can tell ---


def mixed(simple_ms, pool_ms):
    runs = [simulated.run("inline", plan=RATE, own_ms=ms) for ms in simple_ms]
    runs += [simulated.run("process-pool", plan=RATE, own_ms=ms) for ms in pool_ms]
    return recommend(diagnosis(), Comparison(tuple(runs)))


@pytest.mark.parametrize(
    ("simple_ms", "pool_ms", "chosen"),
    [
        ([900, 300], [120, 190], "process-pool"),  # two runs each, ranges apart
        ([900, 150], [120, 190], None),  # two runs each, ranges overlap
        ([900, 800, 300, 400], [120, 190, 150, 110], "process-pool"),  # exactly tested
        ([900, 150, 140, 130], [120, 190, 150, 110], None),  # one bad run of four is no difference
    ],
)
def test_a_simpler_one_that_failed_must_be_told_apart(simple_ms, pool_ms, chosen):
    found = mixed(simple_ms, pool_ms)
    assert found.strategy == chosen
    if chosen is None:
        assert found.sentences[-1].startswith(
            "process-pool holds and the simpler inline does not (callers 900 ms (max)"
        )
        assert "cannot tell the two apart; repeat it" in found.sentences[-1]


def test_one_that_is_not_simpler_needs_no_telling_apart():
    runs = [simulated.run("process-pool", plan=RATE, own_ms=ms) for ms in (900, 100)]
    runs += [simulated.run("inline", plan=RATE, own_ms=ms) for ms in (120, 190)]
    assert recommend(diagnosis(), Comparison(tuple(runs))).strategy == "inline"


def test_told_apart_is_one_sided():
    assert told_apart([1, 2], [3, 4])
    assert not told_apart([3, 4], [1, 2])
    assert told_apart([1, 2, 1, 2], [3, 4, 3, 4])
    assert not told_apart([3, 4, 3, 4], [1, 2, 1, 2])
    assert told_apart([1, 2], [math.inf, 9])


# --- simplicity ---


def test_every_strategy_has_a_place_and_reasons_except_the_one_that_leaks():
    assert set(NAMES) - set(SIMPLICITY) == {"thread-broadcast"}
    assert all(SIMPLICITY.values())


def test_parameters_and_the_readers_own_come_after():
    found = recommended({"mine": GOOD, "thread-pool, workers=2": GOOD, "thread-pool": GOOD})
    assert found.holding == ("thread-pool", "thread-pool, workers=2", "mine")
    own = recommended({"mine": GOOD})
    assert own.strategy == "mine"
    assert "labkit show" not in repr(own)


def test_inline_with_the_setting_is_inline_serial():
    found = recommended({"inline, async_handlers=False": GOOD, "thread": GOOD})
    assert found.strategy == "inline, async_handlers=False"
    assert repr(found).endswith("labkit show inline-serial.")


# --- shown ---


def test_html_is_escaped():
    found = recommended({"<b>": GOOD})
    assert "<b>" in repr(found)
    assert "&lt;b&gt;" in found._repr_html_()


def test_json():
    about = recommended({"inline": NEIGHBOURS_WAIT, "process-pool": GOOD}, plan=burst(2)).to_dict()
    assert about["strategy"] == "process-pool"
    assert about["holding"] == ["process-pool"]
    assert about["rejected"] == {"inline": "neighbours 450 ms (p98)"}
    assert about["offered_cores"] is None
    assert about["text"].endswith("Its code: labkit show process-pool.")


# --- for whom ---

IN_TURN = {"conditions": {"options": {"async_handlers": False}}}


@pytest.mark.parametrize("serial", [{**GOOD, **IN_TURN}, {**SLOW, **IN_TURN}], ids=["holds", "spares the neighbours"])
def test_what_holds_for_one_client_only_is_named_with_a_word_on_many(serial):
    inline = {**SLOW, "bystander_ms": 450}
    found = recommended({"inline": inline, "inline-serial": serial}, plan=GREEDY)
    assert "inline-serial" in repr(found)
    assert "so for one client that sends everything" in repr(found)
    assert "--connections 10" in repr(found)


def test_what_was_measured_with_many_clients_needs_no_word_on_them():
    found = recommended({"inline-serial": {**GOOD, **IN_TURN}}, plan=constant(5, events=10, connections=10))
    assert found.strategy == "inline-serial"
    assert "for one client that sends everything" not in repr(found)


def both(many, one):
    """What is recommended where runs of ten clients and of a greedy one are given."""
    found = [simulated.comparison(s, 4, plan=plan) for s, plan in ((many, RATE), (one, GREEDY))]
    return recommend(diagnosis(), found[0] + found[1])


ROOM_WAITS, GREEDY_SPARES = {**SLOW, **IN_TURN, "bystander_ms": 340}, {**SLOW, **IN_TURN, "bystander_ms": 20}
ALL_WAIT = {**SLOW, "bystander_ms": 450}


def test_the_runs_of_many_clients_decide_and_a_greedy_one_is_told_beside_them():
    found = both({"inline": ALL_WAIT, "inline-serial": ROOM_WAITS, "process-pool": {"own_ms": 900}},
                 {"inline": ALL_WAIT, "inline-serial": GREEDY_SPARES})  # fmt: skip
    assert found.strategy is None
    assert "process-pool is the simplest that spares the neighbours" in repr(found)
    assert (
        "For one greedy client inline-serial spares the neighbours as well (20 ms (p98)); for 10 clients it does not "
        "(340 ms (p98))." in repr(found)
    )


def test_what_holds_for_a_greedy_client_only_is_never_what_to_write():
    found = both({"inline": ALL_WAIT, "inline-serial": ROOM_WAITS, "process-pool": GOOD},
                 {"inline": ALL_WAIT, "inline-serial": {**GOOD, **IN_TURN}})  # fmt: skip
    assert found.strategy == "process-pool"
    assert "For one greedy client inline-serial holds as well; for 10 clients it does not: callers 900" in repr(found)


def test_what_holds_for_many_clients_and_not_for_a_greedy_one_is_said_to_be_no_answer_for_it():
    found = both({"inline": ALL_WAIT, "inline-serial": {**GOOD, **IN_TURN}},
                 {"inline": ALL_WAIT, "inline-serial": {**SLOW, **IN_TURN}})  # fmt: skip
    assert found.strategy == "inline-serial"
    assert "For one greedy client inline-serial is no answer: callers 900 ms (max)." in repr(found)


def test_where_nothing_is_otherwise_for_a_greedy_client_that_is_said():
    alike = {"inline": GOOD, "inline-serial": {**GOOD, **IN_TURN}}
    assert "For one greedy client nothing else follows, by the runs of inline, inline-serial." in repr(
        both(alike, alike)
    )


def test_where_a_greedy_client_was_not_measured_that_is_said_of_what_would_differ():
    found = recommended({"inline": ALL_WAIT, "inline-serial": ROOM_WAITS})
    assert "One greedy client was not measured: inline-serial would handle its events in turn" in repr(found)


def test_what_does_not_handle_events_in_turn_needs_no_word_on_many_clients():
    assert "one client" not in repr(recommended({"inline": NEIGHBOURS_WAIT, "process-pool": GOOD}))


# --- in which order ---

LATER_FIRST = {"own_ms": [150 - 5 * i for i in range(10)]}  # of a burst of one client
IN_ORDER = {"own_ms": [100 + 5 * i for i in range(10)], **IN_TURN}
AT_ONCE = burst(10, connections=1)


def test_what_breaks_a_clients_order_is_for_those_to_whom_it_does_not_matter():
    found = recommended({"inline": LATER_FIRST, "inline-serial": IN_ORDER, "ordered-pool": IN_ORDER}, plan=AT_ONCE)
    assert (found.strategy, found.in_order) == ("inline", "inline-serial")
    assert "Write inline, the simplest of them (nothing to add), where a client's answers may come in any order." in (
        found.sentences
    )
    assert (
        "If a client's events must stay in order: write inline-serial, the simplest that holds and kept it; inline "
        "answered 36 of 36 in another order." in found.sentences
    )
    assert found.to_dict()["in_order"] == "inline-serial"


def test_what_kept_order_is_recommended_without_a_word_on_it():
    found = recommended({"inline": IN_ORDER, "inline-serial": IN_ORDER}, plan=AT_ONCE)
    assert (found.strategy, found.in_order) == ("inline", "inline-serial")
    assert "Write inline, the simplest of them (nothing to add)." in found.sentences
    assert "in order" not in repr(found)


def test_order_is_not_asked_of_clients_that_send_one_event_each():
    found = recommended({"inline": LATER_FIRST, "inline-serial": IN_ORDER}, plan=burst(10))
    assert (found.strategy, found.in_order) == ("inline", None)
    assert "in order" not in repr(found)


def test_the_runs_of_a_greedy_client_tell_the_order_that_those_of_a_room_could_not():
    """Six people with a stroke each, and one with six, who waits for his turn longer than the bound."""
    strokes, in_turn = [120, 100, 80, 60, 40, 20], {"own_ms": [120, 220, 300, 360, 400, 420], **IN_TURN}
    room = {"inline": {"own_ms": strokes}, "inline-serial": {"own_ms": strokes, **IN_TURN},
            "ordered-pool": {"own_ms": strokes, **IN_TURN}}  # fmt: skip
    one = {"inline": {"own_ms": strokes}, "inline-serial": in_turn, "ordered-pool": in_turn}
    many, alone = (simulated.comparison(s, 1, clients=c) for s, c in ((room, 6), (one, 1)))
    found = recommend(diagnosis(WAITS), many + alone)
    assert (found.strategy, found.in_order) == ("inline", "inline-serial")
    assert "kept it (for one greedy client: callers 420 ms (max)); inline answered 5 of 5 in another" in repr(found)
    assert "nothing else follows" not in repr(found)


def test_where_nothing_holds_it_is_still_said_who_kept_order():
    slow = {"own_ms": [900 + 5 * i for i in range(10)], "bystander_ms": 450, **IN_TURN}
    reverse = {"own_ms": [950 - 5 * i for i in range(10)], "bystander_ms": 450}
    found = recommended({"inline": reverse, "inline-serial": slow}, plan=AT_ONCE)
    assert (found.strategy, found.in_order) == (None, None)
    assert "inline-serial kept it, but does not hold (callers 945 ms (max), neighbours 450" in repr(found)


def test_of_runs_that_must_not_be_used_no_order_is_told():
    found = recommended({"inline": {**LATER_FIRST, "late_ms": 90}, "inline-serial": IN_ORDER}, plan=AT_ONCE)
    assert found.in_order is None
    assert "in order" not in repr(found)


# --- work that nobody can check ---

UNCHECKED = {"conditions": {"answers_checked": False}}


def test_work_whose_answers_nobody_could_check_is_recommended_nothing():
    found = recommended({"inline": GOOD, "thread": GOOD}, **UNCHECKED)
    assert (found.strategy, found.in_order) == (None, None)
    assert found.holding == ("inline", "thread")
    assert "Write" not in repr(found)
    assert "No recommendation: the same data were answered otherwise each time" in repr(found)


def test_unless_the_reader_says_that_they_differ_by_nature():
    result = simulated.comparison({"inline": GOOD, "thread": GOOD}, 4, plan=RATE, **UNCHECKED)
    assert recommend(diagnosis(), result, answers_differ=True).strategy == "inline"


@pytest.mark.parametrize("answers_differ", [False, True])
def test_work_that_is_known_to_keep_state_is_recommended_nothing_whatever_the_reader_says(answers_differ):
    why = "tickets:draw answers the same payload otherwise from call to call."
    result = simulated.comparison({"inline": GOOD}, 4, plan=RATE)
    found = recommend(diagnosis(), result, keeps_state=why, answers_differ=answers_differ)
    assert found.strategy is None
    assert found.sentences[-1] == (
        f"No recommendation: {why} Make the answers comparable, or guard the state with a lock or a database's own "
        "means."
    )


def test_runs_of_another_mode_that_were_not_checked_are_no_doubt():
    runs = [simulated.run("inline", plan=RATE, own_ms=110, mode=m, conditions={"answers_checked": m == "threading"})
            for m in ("threading", "gevent")]  # fmt: skip
    assert recommend(diagnosis(), Comparison(tuple(runs)), mode="threading").strategy == "inline"
    assert recommend(diagnosis(), Comparison(tuple(runs)), mode="gevent").strategy is None


def test_where_answers_are_meant_for_everybody_the_last_member_counts():
    def to_all(last_ms):
        """Two clients, who have each answer after 10 ms, and a listener, who has it later."""
        run = simulated.run("inline", plan=burst(2), own_ms=10, pings=0, conditions={"exchange": {"fan_out": True}})
        others = [(0, 1, 10), (1, 0, 10), (0, 2, last_ms), (1, 2, last_ms)]
        rows = np.array([(e, c, ms * 1e6, simulated.Delivery.MEANT) for e, c, ms in others], np.int64)
        columns = dict(zip(("event", "connection", "at", "kind"), rows.T, strict=True))
        both = {name: np.concatenate([run.deliveries[name], column]) for name, column in columns.items()}
        return recommend(diagnosis(), Comparison((dataclasses.replace(run, deliveries=both),)))

    assert to_all(150).strategy == "inline"
    assert to_all(450).rejected == {"inline": "the last member 450 ms (max)"}
