"""For how long events waited and for whom: exact, on records and watches made by hand."""

import pytest

from labkit.experiments.waits import EVERYBODY, HEARTBEATS, THE_LOOP, THE_SENT, waits_of
from labkit.inside.places import EVENT, TASK, UNNAMED, Place
from labkit.inside.record import Connection
from labkit.inside.watched import CLIENT, CORE, GC, GIL, LOCK, LOOP, POOL, RECEIVE_LOOP
from tests.support.watching import event, heartbeat, ns, record, slice_of, watched

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


# Heartbeats


def heartbeats(beats, slices, events=(), **more):
    """Of their row: how many, and milliseconds by place and cause."""
    waits, blamed = told(list(events), slices, heartbeats=beats, ping_interval_s=1, **more)
    row = waits.rows.get(HEARTBEATS)
    mine = {key[1:]: pytest.approx(ms) for key, ms in blamed.items() if key[0] == HEARTBEATS}
    return (0 if row is None else row.events), mine, waits


def test_a_pong_waits_for_who_held_everybody_up_until_it_was_taken():
    slices = [slice_of(0, 20, FEED, GIL), slice_of(100, 300, EXPORT, GIL, held=150), slice_of(310, 500, FEED, GC)]
    count, blamed, waits = heartbeats([heartbeat(50, 505)], slices)
    assert (count, blamed) == (1, {(EXPORT, GIL): 150, (FEED, GC): 190})
    assert all(held.lost == 0 for held in waits.held.values())
    assert heartbeats([heartbeat(350, 505)], slices)[1] == {(FEED, GC): 150}, "not before it was asked for"


def test_what_was_held_while_the_client_took_its_time_is_nobody_s_fault():
    slices = [slice_of(0, 300, EXPORT, GIL)]
    assert heartbeats([heartbeat(0, 400)], slices)[:2] == (0, {})
    assert heartbeats([heartbeat(290, 310)], slices)[:2] == (0, {}), "20 ms are not late"


def test_a_long_hold_is_one_though_short_ones_lie_in_it():
    slices = [slice_of(0, 500, EXPORT, LOOP, held=300), slice_of(100, 110, FEED, GIL, held=0)]
    assert heartbeats([heartbeat(0, 500)], slices)[1] == {(EXPORT, LOOP): 300}


def test_a_ping_waits_from_when_it_is_due():
    slices = [slice_of(900, 1_400, EXPORT, GIL)]
    known = [Connection(0, "x", opened_ns=ns(0))]
    assert heartbeats([heartbeat(1_405, 1_410)], slices, connections=known)[1] == {(EXPORT, GIL): 400}
    # The next one is due after the answer to the one before.
    beats = [heartbeat(150, 160), heartbeat(1_405, 1_410)]
    assert heartbeats(beats, slices, connections=known)[1] == {(EXPORT, GIL): 240}


def test_a_pong_waits_behind_the_events_of_its_client_that_are_handled_in_turn():
    events = [event("query", 0, 0, 300, free=300), event("query", 10, 300, 500, dispatched=300, free=500)]
    slices = [slice_of(0, 100, FEED, RECEIVE_LOOP, event=0, connection=0)]
    beats = [heartbeat(5, 500, read=20)]
    count, blamed, _ = heartbeats(beats, slices, events, async_handlers=False)
    assert (count, blamed) == (1, {(FEED, RECEIVE_LOOP): 280, (Place(EVENT, "query"), RECEIVE_LOOP): 200})
    assert heartbeats(beats, slices, events)[0] == 0, "handlers of their own threads hold no receive loop"


def test_a_pong_waits_no_longer_than_it_did_whoever_held_it_up():
    events = [event("query", 0, 0, 300, free=300)]
    slices = [slice_of(0, 300, FEED, GIL)]
    _, blamed, waits = heartbeats([heartbeat(5, 302, read=50)], slices, events, async_handlers=False)
    assert blamed == {(Place(EVENT, "query"), RECEIVE_LOOP): 250, (FEED, GIL): 47}
    assert waits.rows[HEARTBEATS].longest_s == pytest.approx(0.297)


@pytest.mark.parametrize(("reason", "lost"), [("ping timeout", 1), ("transport close", 0)])
def test_a_client_is_lost_for_who_held_everybody_up_until_then(reason, lost):
    gone = Connection(0, "x", closed_ns=ns(600), reason=reason)
    count, _, waits = heartbeats([heartbeat(50, None)], [slice_of(100, 590, EXPORT, GIL)], connections=[gone])
    assert (count, waits.held["event", "export", GIL].lost) == (lost, lost)


def test_a_client_that_is_gone_was_lost_for_nobody():
    gone = Connection(0, "x", closed_ns=ns(900), reason="ping timeout")
    assert heartbeats([heartbeat(50, None)], [slice_of(100, 590, EXPORT, GIL)], connections=[gone])[:2] == (0, {})
    assert heartbeats([heartbeat(50, None)], [], connections=())[:2] == (0, {})
