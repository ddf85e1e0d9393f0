"""Each doubt is told when there is a reason for it, and only then."""

import numpy as np
import pytest

from labkit.plan import schedules
from labkit.runs import quality
from labkit.runs.run import Run
from tests.support import simulated


def told(run):
    return {note.kind for note in quality.check(run)}


def digest(runs):
    return quality.digest((run.strategy, run.quality) for run in runs)


def note_of(kind, run):
    (note,) = [n for n in quality.check(run) if n.kind == kind]
    return note


def backwards(run, events):
    """The same run, with the work of its first events ended before it began, by more than two clocks differ."""
    columns = dict(run.events)
    ends = columns["work_end"].copy()
    ends[:events] = columns["work_start"][:events] - quality.ORDER_SLACK_NS - 1
    columns["work_end"] = ends
    parts = {part: getattr(run, part) for part in ("deliveries", "pings", "samples", "machine", "conditions")}
    return Run(run.strategy, run.work, run.mode, run.plan, run.timeout_s, columns, **parts)


def test_a_good_run_has_no_notes():
    assert quality.check(simulated.run()) == []
    assert simulated.run().is_valid


@pytest.mark.parametrize("outcome", ["timed out", "disconnected", "unsent", "shed"])
def test_a_bad_outcome_is_a_result_and_no_doubt(outcome):
    assert told(simulated.run(outcomes={outcome: 3})) == set()


def test_unaccounted_events_make_a_run_invalid():
    run = simulated.run(outcomes={"unaccounted": 2})
    note = note_of("unaccounted", run)
    assert (note.invalid, note.badness) == (True, 2)
    assert not run.is_valid


def test_stages_that_run_backwards_make_a_run_invalid():
    assert told(backwards(simulated.run(), 1)) == {"order"}
    assert not backwards(simulated.run(), 1).is_valid


def test_a_stage_in_a_thousand_may_run_backwards():
    run = simulated.run(events=1000, own_ms=100)  # seven pairs of stages each
    assert told(backwards(run, 7)) == set()
    assert told(backwards(run, 8)) == {"order"}


def test_stages_that_cannot_be_shown_are_not_out_of_order():
    assert told(simulated.run(instrumented=False)) == set()


def test_answers_where_nobody_looked_for_them_are_a_caution():
    note = note_of("acknowledged", simulated.run(conditions={"acknowledged_otherwise": True}))
    assert not note.invalid
    assert "answer='ack'" in note.advice


def test_warm_up_events_without_an_answer_are_a_caution():
    note = note_of("warm-up", simulated.run(conditions={"warm_up_asked": 4, "warm_up_answered": 1}))
    assert (note.invalid, note.badness) == (False, 3)
    assert "3 of 4" in str(note)
    assert told(simulated.run(conditions={"warm_up_asked": 4, "warm_up_answered": 4})) == set()


def test_a_client_that_is_late_by_a_tenth_makes_a_run_invalid():
    assert told(simulated.run(own_ms=100, late_ms=11)) == {"lateness"}
    assert told(simulated.run(own_ms=100, late_ms=9)) == set()
    assert not simulated.run(own_ms=100, late_ms=11).is_valid


def test_lateness_below_a_millisecond_is_nobodys_fault():
    assert told(simulated.run(own_ms=2, late_ms=0.9)) == set()
    assert told(simulated.run(own_ms=2, late_ms=1.1)) == {"lateness"}


@pytest.mark.parametrize(
    ("spare", "kinds"),
    [
        ((0.75, 1.0), set()),
        ((1.0, 0.74), {"spare CPU"}),
        ((0.74,), {"spare CPU"}),
        ((), set()),
    ],
)
def test_too_little_spare_cpu_before_or_after_is_a_caution(spare, kinds):
    run = simulated.run(conditions={"spare_cpu": spare})
    assert told(run) == kinds
    assert run.is_valid


@pytest.mark.parametrize(("collections", "kinds"), [(0, set()), (1, {"garbage"})])
def test_full_collections_are_a_caution(collections, kinds):
    run = simulated.run(conditions={"full_collections": collections})
    assert told(run) == kinds
    assert run.is_valid


def test_a_run_that_says_nothing_of_its_conditions_is_not_doubted():
    run = simulated.run()
    parts = {part: getattr(run, part) for part in ("events", "deliveries", "pings", "samples")}
    assert quality.check(Run(run.strategy, run.work, run.mode, run.plan, run.timeout_s, **parts)) == []


def test_a_note_says_how_bad_it_is_why_and_what_to_do():
    caution = str(note_of("garbage", simulated.run(conditions={"full_collections": 2})))
    invalid = str(note_of("unaccounted", simulated.run(outcomes={"unaccounted": 1})))
    assert caution.startswith("caution: 2 full garbage collections")
    assert invalid.startswith("INVALID: ")
    assert "; " in caution
    assert "; " in invalid


def test_the_digest_tells_each_kind_once_with_the_worst_of_it():
    runs = [
        simulated.run("inline", conditions={"full_collections": 1}),
        simulated.run("thread", conditions={"full_collections": 3, "spare_cpu": [0.5]}),
        simulated.run("thread", conditions={"full_collections": 2, "spare_cpu": [0.4]}),
        simulated.run("thread-pool"),
    ]
    spare, garbage = sorted(digest(runs), key=lambda line: "garbage" in line)
    assert "3 full garbage collections" in garbage
    assert garbage.endswith("(3 of 4 runs: inline, thread)")
    assert "40%" in spare
    assert spare.endswith("(2 of 4 runs: thread)")


def test_the_digest_counts_strategies_where_they_are_many():
    runs = [simulated.run(name, conditions={"full_collections": 1}) for name in "abcd"]
    assert digest(runs)[0].endswith("(4 of 4 runs: 4 strategies)")


def test_the_digest_prefers_an_invalid_note():
    runs = [simulated.run(own_ms=np.full(10, 100.0), late_ms=late) for late in (30, 20)]
    (line,) = digest(runs)
    assert line.startswith("INVALID: ")
    assert "30.0 ms late" in line


def test_good_runs_have_an_empty_digest():
    assert digest([simulated.run(), simulated.run("thread")]) == ()
    assert digest([]) == ()


def test_answers_that_failed_or_are_wrong_are_told_with_the_first_message():
    run = simulated.run(outcomes=["answered", "failed", "wrong", "shed"])
    (note,) = [n for n in quality.check(run) if n.kind == "outcomes"]
    assert not note.invalid
    assert note.why.startswith("1 failed, 1 wrong of 4 events: ")


def test_answers_that_were_declined_are_no_reason_for_doubt():
    assert not [n for n in quality.check(simulated.run(outcomes=["answered", "shed"])) if n.kind == "outcomes"]


def steady(latencies_ms, **environment):
    """A run at a steady rate whose events take so long from the actual send."""
    events = len(latencies_ms)
    plan = schedules.constant(100, events=events)
    return simulated.run(own_ms=np.asarray(latencies_ms, float), plan=plan, service_ms=0.1, conditions=environment)


@pytest.mark.parametrize(("first", "kinds"), [(25.0, {"drift"}), (19.0, set())])
def test_a_server_that_was_still_warming_up_is_a_caution(first, kinds):
    assert told(steady([first] * 20 + [10.0] * 180)) == kinds


def test_drift_and_growth_need_a_hundred_events_and_a_rate():
    assert told(steady([25.0] * 9 + [10.0] * 90)) == set()
    assert told(simulated.run(events=200, own_ms=np.linspace(10, 500, 200))) == set()  # a burst has no rate


def test_latencies_that_grow_with_the_plan_are_a_caution_on_utilisation():
    growing = steady(np.linspace(1, 200, 200))
    assert told(growing) == {"utilisation"}
    assert "lower the rate" in str(note_of("utilisation", growing))
    assert told(steady(np.linspace(50, 60, 200))) == set()


@pytest.mark.parametrize(("parted", "duration", "told_"), [(0.09, 1, False), (-0.2, 1, True), (0.5, 60, False)])
def test_a_clock_that_was_set_or_slept_makes_a_run_invalid(parted, duration, told_):
    run = simulated.run(conditions={"clocks_parted_s": parted, "duration_s": duration})
    assert (told(run), run.is_valid) == (({"clock"}, False) if told_ else (set(), True))


def test_a_coarse_clock_makes_a_run_invalid():
    assert not simulated.run(conditions={"clock_resolution_s": 0.015}).is_valid
    assert simulated.run(conditions={"clock_resolution_s": 1e-9}).is_valid


def test_a_run_tells_its_own_quality():
    run = simulated.run(outcomes={"unaccounted": 2})
    assert run.quality == tuple(quality.check(run))
    assert [note.kind for note in run.quality] == ["unaccounted"]


def test_an_answer_that_no_page_can_read_is_told_with_its_message():
    note = note_of("outcomes", simulated.run(outcomes={"unreadable": 2}, messages={8: "NaN is no JSON"}))
    assert (note.badness, note.invalid) == (2, False)
    assert note.why == "2 unreadable of 10 events: NaN is no JSON"


def test_connections_that_closed_are_told_with_their_reason_and_the_server_s_last_word():
    about = {"closed_senders": 2, "closings": ("websocket code 1009 (too big) (2 connections)",)}
    note = note_of("closed", simulated.run(conditions={**about, "server_log": ("first", "lines\nof the last")}))
    assert note.why == (
        "2 connections closed before the end: websocket code 1009 (too big) (2 connections); the server's last word: "
        "of the last"
    )
    assert (note.badness, note.invalid) == (2, False)


def test_a_connection_of_which_nobody_knows_why_it_closed_is_told_as_well():
    note = note_of("closed", simulated.run(conditions={"closed_others": 1}))
    assert note.why == "1 connection closed before the end: nobody looked with what"


def test_what_is_too_large_is_told():
    note = note_of("size", simulated.run(conditions={"too_large": ("3 of 3 events are larger",)}))
    assert str(note) == "caution: 3 of 3 events are larger; or send less at a time"


@pytest.mark.parametrize(("count", "words"), [(1, "1 answer holds a whole"), (7, "7 answers hold a whole")])
def test_numbers_of_which_a_page_loses_digits_are_a_caution(count, words):
    note = note_of("digits", simulated.run(conditions={"rounded": count}))
    assert words in note.why
    assert not note.invalid


def worked(run, took_ms, cpu_ms=None, work="jobs:price"):
    """The same run of a function of the reader's, whose work took so long, and so much CPU."""
    columns = dict(run.events)
    ms = np.broadcast_to(np.asarray(took_ms, float), len(run))
    columns["work_start"] = columns["work_end"] - np.rint(ms * 1e6).astype(np.int64)
    columns["work_cpu"] = np.rint(np.broadcast_to(cpu_ms if cpu_ms is not None else ms, len(run)) * 1e6).astype(
        np.int64
    )
    parts = {part: getattr(run, part) for part in ("deliveries", "pings", "samples", "machine", "conditions")}
    return Run(run.strategy, work, run.mode, run.plan, run.timeout_s, columns, **parts)


def test_work_faster_than_it_can_be_met_a_cache():
    run = worked(simulated.run(service_ms=100.0), 0.01)
    note = note_of("cache", run)
    assert "answers came from a cache: the work took 0.01 ms, and 100 ms when it was called first" in str(note)
    assert run.is_valid
    assert told(worked(simulated.run(service_ms=100.0), 30)) == set()  # another payload, another machine's mood
    assert told(worked(simulated.run(service_ms=0.5), 0.01)) == set()  # too quick to tell
    assert told(worked(simulated.run(service_ms=100.0), 0.01, work="cpu:100ms")) == set()  # the lab's own keeps nothing


def test_work_that_fails_at_once_met_no_cache():
    assert "cache" not in told(worked(simulated.run(service_ms=100.0, outcomes={"failed": 10}), 0.01))


def many(service_ms):
    return simulated.run(events=60, service_ms=service_ms, own_ms=np.arange(60) * 100 + 2000)


def test_work_that_grows_from_event_to_event_keeps_something():
    grown = np.arange(60) + 1.0
    note = note_of("state", worked(many(1.0), grown))
    assert "more CPU from event to event" in str(note)
    # What was called as often before the run has grown then, too, and is now as dear as it was never before.
    assert told(worked(many(grown), grown + 100)) == {"state"}


def test_what_costs_more_by_its_payload_or_beside_others_does_not_grow():
    dear = np.arange(60) + 1.0
    assert told(worked(many(dear), dear)) == set()
    assert told(worked(many(1.0), dear, cpu_ms=1.0)) == set()  # it waited for the GIL: its CPU time is the same
    assert told(worked(many(1.0), np.random.default_rng(0).permutation(dear))) == set()
    assert told(worked(many(1.0), np.linspace(1, 1.4, 60))) == set()
    assert told(worked(many(1.0), dear, work="cpu:1ms")) == set()
    assert told(worked(simulated.run(events=10, service_ms=1.0, own_ms=2000), dear[:10])) == set()  # too few


def test_a_redis_that_was_lost_is_told_by_the_server_s_own_words():
    said = ("Cannot receive from redis... retrying in 1 secs", "something else", "Cannot publish to redis... giving up")
    (note,) = quality.check(simulated.run(conditions={"server_log": said}))
    assert (note.kind, note.badness, note.invalid) == ("queue", 2, False)
    assert "the server lost its Redis (Cannot receive from redis... retrying in 1 secs)" in str(note)


@pytest.mark.parametrize(("errors", "says"), [(("KeyError: 'x'",), "1 handler raised KeyError: 'x'"),
                                              (("a.B: c",) * 3, "3 handlers raised a.B: c")])  # fmt: skip
def test_handlers_that_raised_are_told_with_the_first_error(errors, says):
    (note,) = quality.check(simulated.run(conditions={"handler_errors": errors}))
    assert (note.kind, note.invalid) == ("raised", False)
    assert says in note.why
