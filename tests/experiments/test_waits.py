"""For how long events waited and for whom: exact, on records and watches made by hand."""

import pytest

from labkit.experiments.waits import EVERYBODY, THE_LOOP, THE_SENT, waits_of
from labkit.inside.places import EVENT, TASK, UNNAMED, Place
from labkit.inside.watched import CLIENT, CORE, GC, GIL, LOCK, LOOP, POOL, RECEIVE_LOOP
from tests.support.watching import event, record, slice_of, watched

EXPORT = Place(EVENT, "export", "shop.py", 3, "build", "shop", "export")
EXPORT_ALSO = Place(EVENT, "export", "shop.py", 9, "export", "shop", "export")
FEED = Place(TASK, "feed", "shop.py", 20, "feed", "shop", "feed")


def told(events, slices, **settings):
    """By row, place and cause: milliseconds."""
    waits = waits_of(record(events, **settings), watched(slices))
    return waits, {key: seconds * 1000 for key, seconds in waits.seconds.items() if seconds}


def test_nobody_waited():
    waits, blamed = told([event("chat", 10, 10.5, 11, cpu=0.5)], [])
    assert blamed == {}
    assert dict(waits.rows) == {}


def test_before_its_handler_an_event_waits_for_whoever_had_the_gil_then():
    slices = [slice_of(0, 40, EXPORT, GIL, event=1), slice_of(60, 80, FEED, GIL, held=10)]
    waits, blamed = told([event("chat", 20, 70, 71, cpu=1), event("export", 0, 0, 40, cpu=20)], slices)
    assert blamed["chat", EXPORT, GIL] == pytest.approx(20)
    assert blamed["chat", FEED, GIL] == pytest.approx(5), "half of the slice, and half of that was held"
    assert blamed[EVERYBODY, EXPORT, GIL] == pytest.approx(40)
    assert (waits.rows["chat"].events, waits.rows["chat"].seconds) == (1, pytest.approx(0.05))
    assert ("export", EXPORT, GIL) not in blamed, "nobody waits for himself"


def test_in_its_handler_an_event_waits_while_it_neither_computes_nor_stands_still():
    events = [event("chat", 0, 0, 50, cpu=10), event("export", 0, 0, 50, cpu=40)]
    slices = [slice_of(0, 50, EXPORT, GIL, event=1)]
    waits = waits_of(record(events), watched(slices, still_ms={0: 15}))
    assert waits.seconds["chat", EXPORT, GIL] == pytest.approx(0.025)
    # Where handlers share a thread, nobody knows.
    events[0]["cpu_ns"] = -1
    assert ("chat", EXPORT, GIL) not in waits_of(record(events), watched(slices)).seconds


def test_more_is_never_blamed_than_was_waited():
    slices = [slice_of(0, 30, EXPORT, GIL), slice_of(0, 30, UNNAMED, CORE)]
    _, blamed = told([event("chat", 0, 30, 31)], slices)
    assert blamed["chat", EXPORT, GIL] == blamed["chat", UNNAMED, CORE] == pytest.approx(15)


@pytest.mark.parametrize("cause", [LOCK, POOL])
def test_at_a_lock_waits_who_stands_there_and_nobody_else(cause):
    events = [event("chat", 0, 0, 60, cpu=0.1), event("chat", 0, 0, 60, cpu=0.1), event("export", 0, 0, 60)]
    waits, blamed = told(events, [slice_of(10, 60, EXPORT, cause, event=2, waiter=0)])
    assert blamed == {("chat", EXPORT, cause): pytest.approx(50)}
    assert waits.rows["chat"].events == 1


def test_in_turn_an_event_waits_for_those_of_its_client_only():
    events = [
        event("export", 0, 0, 100, free=100, connection=1),
        event("chat", 20, 100, 101, dispatched=100, free=101, connection=1),
        event("chat", 20, 20, 21, free=21, connection=2),
    ]
    slices = [
        slice_of(30, 60, EXPORT, RECEIVE_LOOP, event=0, connection=1),
        slice_of(60, 70, EXPORT_ALSO, RECEIVE_LOOP, event=0, connection=1),
    ]
    waits, blamed = told(events, slices, async_handlers=False)
    assert blamed["chat", EXPORT, RECEIVE_LOOP] == pytest.approx(60), "80 ms, by where it was seen"
    assert blamed["chat", EXPORT_ALSO, RECEIVE_LOOP] == pytest.approx(20)
    assert waits.rows["chat"].events == 1
    assert waits.held[EVENT, "export", RECEIVE_LOOP].longest_s == pytest.approx(0.08)


def test_in_turn_behind_one_that_stands_at_a_lock():
    """Who holds the lock is to blame, not who waits for it with others behind."""
    events = [
        event("chat", 0, 0, 100, free=100, connection=1),
        event("chat", 20, 100, 101, dispatched=100, free=101, connection=1),
    ]
    _, blamed = told(events, [slice_of(0, 90, FEED, LOCK, waiter=0)], async_handlers=False)
    assert blamed["chat", FEED, LOCK] == pytest.approx(90 + 80)


def test_in_turn_behind_one_that_nobody_saw():
    events = [
        event("export", 0, 0, 100, free=100, connection=1),
        event("chat", 20, 100, 101, dispatched=100, free=101, connection=1),
    ]
    _, blamed = told(events, [], async_handlers=False)
    assert blamed == {("chat", Place(EVENT, "export"), RECEIVE_LOOP): pytest.approx(80)}


def test_rows_of_those_that_are_no_event():
    slices = [
        slice_of(0, 5, EXPORT, GC),
        slice_of(5, 9, UNNAMED, CORE),
        slice_of(10, 30, EXPORT, LOOP),
        slice_of(30, 330, FEED, CLIENT, connection=3),
    ]
    waits, _ = told([], slices)
    assert {name: row.seconds for name, row in waits.rows.items()} == {
        EVERYBODY: pytest.approx(0.009),
        THE_LOOP: pytest.approx(0.02),
        THE_SENT: pytest.approx(0.3),
    }


def test_a_place_of_which_only_the_name_is_known_is_where_most_was_seen():
    slices = [
        slice_of(0, 9, EXPORT, GIL),
        slice_of(9, 10, EXPORT_ALSO, GIL),
        slice_of(50, 70, Place(EVENT, "export"), GIL),
    ]
    _, blamed = told([], slices)
    assert blamed[EVERYBODY, EXPORT, GIL] == pytest.approx(29)


def test_slices_of_one_handler_are_one_hold_and_those_of_a_task_where_they_follow():
    slices = [
        *(slice_of(at, at + 10, EXPORT, GIL, event=4, cpu=8) for at in (0, 100, 200)),
        *(slice_of(at, at + 10, FEED, GIL) for at in (0, 20, 200)),
    ]
    waits, _ = told([], slices)
    export, feed = waits.held[EVENT, "export", GIL], waits.held[TASK, "feed", GIL]
    assert (export.longest_s, export.longest_cpu_s) == (pytest.approx(0.03), pytest.approx(0.024))
    assert (feed.seconds, feed.longest_s) == (pytest.approx(0.03), pytest.approx(0.02))


def test_an_event_that_still_waits_waits_until_the_snapshot():
    waits, blamed = told([event("chat", 900, None, None)], [slice_of(950, 1_000, FEED, GIL)])
    assert waits.rows["chat"].seconds == pytest.approx(0.1)
    assert blamed["chat", FEED, GIL] == pytest.approx(50)
